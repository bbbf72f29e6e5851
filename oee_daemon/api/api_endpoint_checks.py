"""Looks at the network's endpoints for whoever asks, once at a time: strangers pay for each look."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from oee_daemon.networks.network_endpoints import EndpointReport, Endpoints

#: Seconds for one look at all of them, and for which its answer is told again.
LOOK_S, KEPT_S = 4.0, 2.0


class EndpointChecks:
    """Of a network's endpoints, or of none."""

    def __init__(self, endpoints: Endpoints | None) -> None:
        self._endpoints = endpoints
        self._look: asyncio.Task[Sequence[EndpointReport]] | None = None
        self._looked_at = 0.0

    async def reports(self) -> Sequence[EndpointReport]:
        """Whoever asks during a look, or right after it, gets its answer."""
        if self._endpoints is None:
            return ()
        look = self._look
        if look is None or (look.done() and time.monotonic() - self._looked_at > KEPT_S):
            look = self._look = asyncio.ensure_future(self._examine(self._endpoints))
        # A client that goes away does not take the answer from the others.
        return await asyncio.shield(look)

    async def _examine(self, endpoints: Endpoints) -> Sequence[EndpointReport]:
        try:
            return await endpoints.examine(LOOK_S)
        finally:
            self._looked_at = time.monotonic()

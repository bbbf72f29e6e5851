"""What the chain says has landed, joined with what the engine stored: whose each landing is.

The chain is asked by signature alone. Where no swap is stored by that signature, the landing's own bytes say
whose it is, if they say it.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from sqlalchemy import Engine

from oee_daemon.errors import BadCursor
from oee_daemon.networks.bounded import BoundedChain
from oee_daemon.networks.chain import FillPage
from oee_daemon.store import signatures


class Fills:
    """Reads what the chain says has landed; writes nothing."""

    def __init__(self, db: Engine, chain: BoundedChain) -> None:
        self._db = db
        self._chain = chain

    def page(self, *, limit: int, before: str | None) -> FillPage:
        """All landings, newest first. Raises `ChainUnavailable` and `BadCursor`."""
        page = self._chain.fills(limit=limit, before=before)
        with self._db.connect() as conn:
            known = signatures.orders_of(conn, [fill.signature for fill in page.fills])
        fills = [replace(f, order_id=known.get(f.signature, f.order_id)) for f in page.fills]
        return replace(page, fills=fills)

    def of_order(self, order_id: UUID, *, limit: int, before: str | None) -> FillPage:
        """The landings of one order's swaps, of which there should be one. Raises as `page`."""
        with self._db.connect() as conn:
            known = signatures.signatures_of(conn, order_id)
        found = [fill for signature in known if (fill := self._chain.fill(signature)) is not None]
        found.sort(key=lambda fill: (fill.at, fill.signature), reverse=True)
        if before is not None:
            if before not in known:
                raise BadCursor
            found = found[next((n + 1 for n, f in enumerate(found) if f.signature == before), len(found)) :]
        more = found[limit - 1].signature if len(found) > limit else None
        return FillPage([replace(fill, order_id=order_id) for fill in found[:limit]], more)

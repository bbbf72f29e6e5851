"""What landings of the wallet have moved, as two endpoints tell it: that is not in what it has signed.

Where they tell it in two ways and no others settle it, the landing is one that can't be read: it holds up
its own order, and no other one. What one does not tell, another one's word is enough for.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import Enum, auto
from typing import Any, TypeAlias
from uuid import UUID

from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.network_contests import Contests
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result
from oee_daemon.networks.solana.solana_endpoint_look import GENESIS, must_be_of
from oee_daemon.networks.solana.solana_fill import Unreadable
from oee_daemon.networks.solana.solana_landed_transaction import OPTIONS, shown_of, whose
from oee_daemon.networks.solana.solana_look_evidence import Shown, moved_by
from oee_daemon.orders.swap import Fill, Landed

log = logging.getLogger(__name__)

#: Transactions in one request, each of some KB, and seconds for it.
BATCH, REQUEST_S = 10, 2.0


class Untold(Enum):
    """Of a landing that is listed, and that an endpoint does not tell."""

    UNTOLD = auto()


#: What a landing moved; of one that can't be read its order; none where it is nothing of ours.
Told: TypeAlias = Fill | UUID | Untold | None


class LandingReader:
    """Of the landings of `wallet`."""

    def __init__(self, pool: Pool, wallet: str, contests: Contests | None = None) -> None:
        self._pool = pool
        self._wallet = wallet
        self._contests = contests or Contests()
        #: Those of which endpoints tell different things: each is an alarm once.
        self._contested: set[str] = set()

    async def fills(
        self, signatures: Sequence[str], genesis: str, mints: Sequence[str] = (), *, urgent: bool = True
    ) -> tuple[list[Fill], list[UUID]]:
        """Those that can be read, and the orders of those that can't be. Raises `ChainUnavailable`."""
        told: list[Told] = []
        for begin in range(0, len(signatures), BATCH):
            part = signatures[begin : begin + BATCH]
            calls: list[Call] = [GENESIS, *(("getTransaction", [one, OPTIONS]) for one in part)]
            read = self._reading(part, genesis, mints)
            two = await self._pool.two(calls, read, REQUEST_S, urgent=urgent)
            said = {str(n): one for n, one in enumerate(two)}
            settled = len(set(map(_what, two))) == 1 and Untold.UNTOLD not in two[0]
            if not settled and len(self._pool.endpoints) > 2:
                said = await self._of_all(calls, read, urgent) or said
            for signature, *row in zip(part, *said.values(), strict=True):
                named = zip(said, row, strict=True)
                known = {name: one for name, one in named if not isinstance(one, Untold)}
                if not known:
                    self._contests.note(signature)
                    raise ChainUnavailable("No RPC endpoint tells a landing that one of them lists.")
                told.append(self._agree_on(signature, known))
        return [one for one in told if isinstance(one, Fill)], [one for one in told if isinstance(one, UUID)]

    async def _of_all(
        self, calls: Sequence[Call], read: Callable[[list[Result]], list[Told]], urgent: bool
    ) -> dict[str, list[Told]]:
        """What each endpoint tells, by its name."""
        said: dict[str, list[Told]] = {}
        for name, results in (await self._pool.each(calls, REQUEST_S, urgent=urgent)).items():
            with suppress(NoAnswer):
                said[name] = read(results)
        return said

    def _agree_on(self, signature: str, told: Mapping[str, Told]) -> Told:
        """What more operators tell than tell anything else; `told` by endpoint."""
        operators = {one.name: one.operator for one in self._pool.endpoints}
        votes = {(operators.get(name, name), _what([one])) for name, one in told.items()}
        first, *others = Counter(what for _, what in votes).most_common(2)
        if not others or first[1] > others[0][1]:
            self._contests.end(signature)
            return next(one for one in told.values() if _what([one]) == first[0])
        self._contests.note(signature)
        if signature not in self._contested:
            self._contested.add(signature)
            log.error("RPC endpoints tell different amounts of a landing", extra={"signature": signature})
        orders = (one.order_id if isinstance(one, Fill) else one for one in told.values())
        return next((one for one in orders if one is not None), None)

    def _reading(
        self, signatures: Sequence[str], genesis: str, mints: Sequence[str]
    ) -> Callable[[list[Result]], list[Told]]:
        def told(result: Any, signature: str) -> Told:
            meta = result.get("meta") if isinstance(result, dict) else None
            if not isinstance(meta, dict) or meta.get("err") is not None:
                # It is asked for what was listed as good alone.
                return Untold.UNTOLD
            try:
                shown = self._read_shown(result, signature, mints)
            except Unreadable:
                # It moved something, and was no swap; or was one, and moved more than two tokens.
                return whose(result, self._wallet)
            return shown.result.fill if isinstance(shown.result, Landed) else None

        def read(results: list[Result]) -> list[Told]:
            must_be_of(genesis, results[0])
            return list(map(told, results[1:], signatures))

        return read

    def _read_shown(self, said: Any, signature: str, mints: Sequence[str]) -> Shown:
        """As `shown_of`: by itself, and else as a swap of `mints`."""
        try:
            return shown_of(said, signature, self._wallet)
        except Unreadable:
            if not mints:
                raise
            return shown_of(said, signature, self._wallet, mints)


def _what(told: Sequence[Told]) -> object:
    """What has to be the same whoever tells it."""
    return tuple((one.signature, moved_by(one)) if isinstance(one, Fill) else one for one in told)

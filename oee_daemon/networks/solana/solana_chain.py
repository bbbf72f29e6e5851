"""A Solana chain behind its RPC endpoints: what they show is a look each, what they take is a send to all.

What any of them answers to a send decides nothing. Nothing is asked of a node without asking which chain it
is on. An endpoint that lags, lies or is silent costs time, and never makes the others wrong.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.chain import FillPage, LandingPage
from oee_daemon.networks.network_contests import Contests
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.request_bucket import FIRST
from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result, Results, RpcError
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.solana_anchor_choice import AnchorChoice, anchor_of
from oee_daemon.networks.solana.solana_endpoint_look import (
    EPOCH,
    FINALIZED,
    GENESIS,
    answer_of,
    calls_for,
    glimpse_of,
    shows_final,
    status_of,
)
from oee_daemon.networks.solana.solana_fill import Unreadable
from oee_daemon.networks.solana.solana_landed_transaction import OPTIONS, anchored_of, shown_of
from oee_daemon.networks.solana.solana_look_evidence import (
    CACHED_SLOTS,
    Anchored,
    Answer,
    Shown,
    look_of,
    moved_by,
)
from oee_daemon.networks.solana.solana_old_absence import OldAbsence
from oee_daemon.networks.solana.solana_shared_looks import Heard, SharedLooks
from oee_daemon.networks.solana.solana_slot_clock import SlotClock
from oee_daemon.networks.solana.solana_wallet_history import History
from oee_daemon.networks.verdict import AGAINST_BLOCKS
from oee_daemon.orders.swap import Anchor, Fill, Landed, Look, SignedSwap, Unknown

log = logging.getLogger(__name__)

#: Seconds for one question of a round of looks, of three at most; between two rounds; for a glimpse.
LOOK_S, POLL_S, GLIMPSE_S = 2.0, 0.4, 0.5


class SolanaChain:
    """The chain whose genesis hash is `genesis`, for one wallet. Where none is given the endpoints say it,
    all the same one, and it stays that.

    `others`: chains, by their genesis hashes, that this one is not, and their names; `expected_s`: from a
    send to its finality; `fastest_slot_ms`: no chain of this kind has shorter slots.
    """

    inside = False

    def __init__(
        self,
        pool: Pool,
        *,
        wallet: str,
        genesis: str | None,
        others: Mapping[str, str] = MappingProxyType({}),
        expected_s: float = 1.5,
        fastest_slot_ms: float = 100,
        poll_s: float = POLL_S,
        contests: Contests | None = None,
    ) -> None:
        self.nodes = len(pool.endpoints)
        self._pool = pool
        self._wallet = wallet
        self._genesis = genesis
        self._others = others
        self._expected_s = expected_s
        self._poll_s = poll_s
        #: Whether each endpoint tells in one request what it shows of a swap and what the swap did.
        self._at_once = True
        #: The slot of the endpoint that was the furthest behind, in the last round of looks.
        self._seen = 0
        #: Whether the last swap was final when it was first asked about: then the next one's first question
        #: is to all, and of everything.
        self._soon = False
        self._clock = SlotClock(fastest_slot_ms)
        self._choice = AnchorChoice(fastest_slot_ms)
        self._contests = contests or Contests()
        self._history = History(pool, wallet, self._contests)
        self._old, self._shared = OldAbsence(), SharedLooks(pool, LOOK_S)

    def expected_s(self) -> float:
        return self._expected_s

    async def identity(self) -> str:
        heard = await self._pool.each([GENESIS], LOOK_S)
        said = {name: results[0] for name, results in heard.items() if isinstance(results[0], str)}
        if self._genesis is None:
            if len(set(said.values())) != 1:
                raise ChainUnavailable("The RPC endpoints don't name one chain.")
            found = next(iter(said.values()))
            if found in self._others:
                raise ChainUnavailable(
                    f"The RPC endpoints are of {self._others[found]}: to trade there, set OEE_NETWORK to it."
                )
            self._genesis = found
        if self._genesis not in said.values():
            raise ChainUnavailable(f"{min(heard)} is an endpoint of another chain than {self._genesis}.")
        return f"solana {self._genesis}"

    async def genesis_hash(self) -> str:
        """Which chain it is. Raises `ChainUnavailable`."""
        if self._genesis is None:
            await self.identity()
        assert self._genesis is not None
        return self._genesis

    async def anchor(self, deadline_s: float) -> Anchor:
        lately = self._choice.lately()
        return (await self._new_anchor(deadline_s))[0] if lately is None else lately

    async def last_height(self, deadline_s: float) -> int:
        newest, silent = await self._new_anchor(deadline_s)
        # One that is silent may have been further on, and another worker may have built on it.
        may_lead = AGAINST_BLOCKS if silent else 0
        return max(self._choice.highest, newest.last_valid_height + may_lead)

    async def _new_anchor(self, deadline_s: float) -> tuple[Anchor, int]:
        """One that no endpoint told before, and how many of them give none."""
        calls: list[Call] = [GENESIS, ("getLatestBlockhash", [FINALIZED]), EPOCH]
        genesis = await self.genesis_hash()
        heard = await self._pool.each(calls, deadline_s)
        found = {
            name: anchor
            for name, said in heard.items()
            if (anchor := _anchor(name, said, genesis)) is not None
        }
        if not found:
            raise ChainUnavailable("No RPC endpoint gives a block to build on.")
        anchor = self._choice.of(found)
        self._clock.begin(anchor.slot)
        return anchor, self.nodes - len(found)

    async def submit(self, swap: SignedSwap, deadline_s: float) -> None:
        if all(self._old.is_asked(swap.signature, one.name) for one in self._pool.endpoints):
            # Of long ago, as each of them tells: it would take the turns by which its end is found out.
            return
        wire = base64.b64encode(swap.raw).decode()
        # Nothing is checked before it: a refusal there would mean nothing, and takes the swap's time.
        options = {"encoding": "base64", "skipPreflight": True, "maxRetries": 0}
        heard = await self._pool.each([("sendTransaction", [wire, options])], deadline_s, urgent=FIRST)
        if all(isinstance(results[0], RpcError) for results in heard.values()):
            raise ChainUnavailable("No RPC endpoint took the swap.")

    async def look(self, swap: SignedSwap, wait_s: float = 0) -> list[Look]:
        loop = asyncio.get_running_loop()
        until, anchored = loop.time() + wait_s, anchored_of(swap)
        genesis = await self.genesis_hash()
        # Those that have not shown it as final: one of them is asked, in turn, until all are worth asking.
        missing, glimpsed = deque(self._pool.endpoints), ""
        whole, first = self._soon, True
        # Of a swap of long ago no moment counts, and what proves that it never landed takes many questions.
        poll_s = wait_s if self._is_old(swap, anchored) else self._poll_s
        while True:
            if (left_s := until - loop.time()) > 0:
                await asyncio.sleep(min(poll_s, left_s))
            if (left_s := until - loop.time()) > 0 and not whole:
                missing.rotate(-1)
                if not await _shows(missing[-1], glimpse_of(swap.signature), min(GLIMPSE_S, left_s)):
                    self._soon = first = False
                    continue
                glimpsed = missing[-1].name
            looks = await self._round(swap, anchored, genesis, there=whole or bool(glimpsed))
            self._soon, whole, first = first and any(look.final for look in looks), False, False
            if not glimpsed and any(look.height > swap.last_valid_height for look in looks):
                glimpsed = await self._shown_by_silent(swap.signature, looks)
            if glimpsed and all(look.seen is None for look in looks):
                # Who showed it may be silent in the round, and the others lack it: that proves no absence.
                seen = Unknown("final, as one endpoint showed before the others were asked")
                looks.append(Look(node=glimpsed, height=anchored.height, as_of=anchored.height, seen=seen))
            final = {look.node for look in looks if look.final}
            if left_s <= 0 or len(final) >= min(2, self.nodes):
                return looks
            missing = deque(one for one in missing if one.name not in final) or missing

    def _is_old(self, swap: SignedSwap, anchored: Anchored) -> bool:
        return self._seen - anchored.slot > CACHED_SLOTS or self._old.is_asked(swap.signature)

    async def _round(self, swap: SignedSwap, anchored: Anchored, genesis: str, *, there: bool) -> list[Look]:
        """A look of each endpoint. `there`: one of them has shown it as final; what it did is asked too."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        heard, shown = await self._hear_of(swap, genesis, there=there)
        answers = [a for name, results in heard.items() if (a := _read(name, results, genesis)) is not None]
        endpoints = {one.name: one for one in self._pool.endpoints}
        # Old ones wait for each other: that is of the same time.
        left_s = min(LOOK_S, max(begun + 2 * LOOK_S - loop.time(), LOOK_S / 4))
        answers = await self._old.proven(endpoints, answers, swap, anchored, left_s)
        if not there and any(a.status is not None and a.status.final for a in answers):
            shown = await self._read_landing(swap.signature, genesis, swap.mints)
        behind = min((a.slot for a in answers), default=None)
        self._clock.begin(anchored.slot, behind)
        self._seen = self._seen if behind is None else behind
        latest = self._clock.latest(anchored.slot)
        told = [look_of(answer, anchored, shown, latest) for answer in answers]
        looks = [look for look in told if look is not None]
        self._contests.see(swap.signature, looks)
        return looks

    async def _hear_of(self, swap: SignedSwap, genesis: str, *, there: bool) -> tuple[Heard, list[Shown]]:
        """What each endpoint says of it and, where it is `there`, what it did.

        Both in one request, as long as each endpoint answers that: who does not tell what it did, or late,
        must not be silent about the status, and is asked for each apart from the next round on.
        """
        calls = calls_for(swap.signature)
        if not there and self._is_old(swap, anchored_of(swap)):
            return await self._shared.told(swap.signature), []
        if not there:
            return await self._pool.each(calls, LOOK_S, urgent=FIRST), []
        if self._at_once:
            both = await self._statuses([*calls, ("getTransaction", [swap.signature, OPTIONS])])
            self._at_once = len(both) == self.nodes
            said = {name: (results[0], results[-1]) for name, results in both.items()}
            shown = self._read_shown(said, swap.signature, genesis, swap.mints)
            return both, shown
        heard, said = await asyncio.gather(self._statuses(calls), self._transactions(swap.signature))
        self._at_once = len(heard) == len(said) == self.nodes
        return heard, self._read_shown(said, swap.signature, genesis, swap.mints)

    async def _shown_by_silent(self, signature: str, looks: Sequence[Look]) -> str:
        """Before an absence counts: the name of one that shows it as final where it is asked for that alone,
        though it told nothing of itself; none where all told or saw nothing."""
        heard = {look.node for look in looks}
        silent = [one for one in self._pool.endpoints if one.name not in heard]
        if not silent or any(look.seen is not None for look in looks):
            return ""
        calls = [status_of(signature)]
        shown = await asyncio.gather(*(_shows(one, calls, GLIMPSE_S) for one in silent))
        return next((one.name for one, final in zip(silent, shown, strict=True) if final), "")

    async def _statuses(self, calls: Sequence[Call], urgent: int = FIRST) -> dict[str, Results]:
        """What each endpoint says; nothing where none answers."""
        try:
            return await self._pool.each(calls, LOOK_S, urgent=urgent)
        except ChainUnavailable:
            return {}

    async def _transactions(self, signature: str, urgent: int = FIRST) -> dict[str, tuple[Result, Result]]:
        """Which chain each endpoint is of, and its transaction of that signature."""
        heard = await self._statuses([GENESIS, ("getTransaction", [signature, OPTIONS])], urgent)
        return {name: (results[0], results[1]) for name, results in heard.items()}

    async def _read_landing(self, signature: str, genesis: str, mints: Sequence[str] = ()) -> list[Shown]:
        return self._read_shown(await self._transactions(signature), signature, genesis, mints)

    def _read_shown(
        self,
        heard: Mapping[str, tuple[Result, Result]],
        signature: str,
        genesis: str,
        mints: Sequence[str],
    ) -> list[Shown]:
        """What the endpoints' transactions say, of a swap of `mints` where that is known; those that can't be
        read don't count, and are an alarm."""
        found: list[Shown] = []
        first: tuple[Result, Shown] | None = None
        for name, (of, said) in heard.items():
            if of != genesis or said is None or isinstance(said, RpcError):
                continue
            try:
                if first is None or said != first[0]:
                    first = said, shown_of(said, signature, self._wallet, mints)
                # Who tells the same to the byte tells the same.
                found.append(first[1])
            except Unreadable as e:
                log.error(
                    "a landed swap can't be read",
                    extra={"signature": signature, "node": name, "reason": str(e)},
                )
        return found

    async def fill(self, signature: str, mints: Sequence[str] = ()) -> Fill | None:
        shown = await self._shown_or_raise(signature, mints)
        landed = [one.result for one in shown if isinstance(one.result, Landed)]
        agreed = len({moved_by(one.fill) for one in landed}) == 1 and len(landed) == len(shown)
        return landed[0].fill if agreed else None

    async def _shown_or_raise(self, signature: str, mints: Sequence[str]) -> Sequence[Shown]:
        """As `_read_landing`, behind what executes; raises `ChainUnavailable` where no endpoint answers."""
        genesis = await self.genesis_hash()
        await self._pool.each([GENESIS], LOOK_S, urgent=False)
        return self._read_shown(await self._transactions(signature, urgent=False), signature, genesis, mints)

    async def fills(
        self, *, limit: int, before: str | None = None, mints: Sequence[str] = (), urgent: bool = True
    ) -> FillPage:
        genesis = await self.genesis_hash()
        return await self._history.page(genesis, limit=limit, before=before, mints=mints, urgent=urgent)

    async def landings(
        self, *, limit: int, before: str | None = None, until: str | None = None
    ) -> LandingPage:
        genesis = await self.genesis_hash()
        return await self._history.landings(genesis, limit=limit, before=before, until=until)

    async def fills_of(self, signatures: Sequence[str]) -> FillPage:
        return await self._history.fills_of(await self.genesis_hash(), signatures)


async def _shows(endpoint: Endpoint, calls: Sequence[Call], deadline_s: float) -> bool:
    """Whether that endpoint shows it as final, asked for its status alone; no when it does not answer."""
    try:
        return shows_final(await endpoint.ask(calls, deadline_s, urgent=FIRST))
    except NoAnswer:
        return False


def _anchor(name: str, results: list[Result], genesis: str) -> Anchor | None:
    try:
        return anchor_of(results, genesis)
    except NoAnswer as e:
        log.debug("an endpoint gives no anchor", extra={"node": name, "reason": e.reason})
        return None


def _read(name: str, results: Sequence[Result], genesis: str) -> Answer | None:
    try:
        return answer_of(name, results, genesis)
    except NoAnswer as e:
        log.debug("an endpoint says nothing", extra={"node": name, "reason": e.reason})
        return None

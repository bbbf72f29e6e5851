"""The paper chain: a swap lands `expected_s` after it was handed in, at the price that its venue has then.

At that moment the venue is asked again for the same amount; what it says is the landing, or, beyond the
swap's bound, its failure. While it says nothing, nothing lands: it is asked again, and past its last height
the swap lapses as on any chain. No fill is ever made up. What a swap does to the pool is not simulated: the
next one finds the price as if this one had never been.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from oee_daemon import failpoints
from oee_daemon.contract.order_types import SwapMode
from oee_daemon.errors import AttemptFailed, BadCursor, ChainUnavailable
from oee_daemon.networks.chain import FillPage
from oee_daemon.networks.network_clock import Clock
from oee_daemon.networks.network_own_ledger import OwnChain, Reachable, blockhash_of
from oee_daemon.networks.paper.paper_ledger import Landing, Ledger, LedgerRow, fill_of
from oee_daemon.networks.paper.paper_swap import CHAIN, MARK, PaperSwap, read_swap, signature_of
from oee_daemon.networks.verdict import VALID_BLOCKS
from oee_daemon.orders.swap import Anchor, Fill, Landed, Look, Quote, Rejected, SignedSwap

#: Milliseconds a slot.
SLOT_MS = 400
#: Seconds from a swap's submission to its landing, about as on mainnet.
EXPECTED_S = 1.5
#: Seconds that a venue has to say the price of a landing, and milliseconds until it is asked once more.
REQUOTE_S, AGAIN_MS = 1.0, 2000

#: Around each question to the ledger.
REACHABLE = Reachable("The paper network's ledger can't be reached.")
#: The price of a swap's landing now, within so many seconds. Raises `AttemptFailed`.
Requote = Callable[[PaperSwap, float], Awaitable[Quote]]

_WHY = {
    "slippage_exceeded": "the price moved beyond the slippage limit before the swap landed",
    "insufficient_funds": "the paper balance does not hold what the swap would spend and its network fee",
}


class PaperChain(OwnChain):
    """`expected_s`: from a submission to its landing."""

    #: It is kept in the engine's own database.
    inside = True
    nodes = 1

    def __init__(
        self, ledger: Ledger, requote: Requote, clock: Clock, *, expected_s: float = EXPECTED_S
    ) -> None:
        self._ledger = ledger
        self._requote = requote
        self._clock = clock
        self._expected_s = expected_s
        self._genesis: int | None = None
        #: When a venue that had no price is asked again, by the swap's signature.
        self._again_ms: dict[str, int] = {}

    def expected_s(self) -> float:
        return self._expected_s

    async def identity(self) -> str:
        return f"paper, begun at {await self._begun_ms()} ms"

    async def anchor(self, deadline_s: float) -> Anchor:
        height = await self._height()
        return Anchor(str(blockhash_of(height, CHAIN)), height + VALID_BLOCKS)

    async def last_height(self, deadline_s: float) -> int:
        return await self._height() + VALID_BLOCKS

    async def submit(self, swap: SignedSwap, deadline_s: float) -> None:
        content = _verify_swap(swap)
        due_ms = self._clock.now_ms() + round(self._expected_s * 1000)
        with REACHABLE:
            height = await self._height()
            taken = await self._ledger.take(swap.signature, content, height=height, due_ms=due_ms)
        if not taken:
            raise ChainUnavailable("The paper chain no longer takes it: its blockhash is too old.")

    async def look(self, swap: SignedSwap, wait_s: float = 0) -> list[Look]:
        content = _verify_swap(swap)
        until_ms = self._clock.now_ms() + round(wait_s * 1000)
        while True:
            with REACHABLE:
                height, row = await self._find_row(swap.signature, content)
            left_ms = until_ms - self._clock.now_ms()
            if left_ms <= 0 or (row is not None and row.state != "sent"):
                return [_look_of(height, row)]
            next_ms = until_ms if row is None else self._again_ms.get(swap.signature, row.due_ms)
            # At its time and not a poll later.
            await self._clock.sleep(max(1, min(left_ms, next_ms - self._clock.now_ms())) / 1000)

    async def _find_row(self, signature: str, content: PaperSwap) -> tuple[int, LedgerRow | None]:
        """How far the chain is, and the swap's row by then. A landing whose time has come is decided."""
        height = await self._height()
        if height > content.last_height:
            # From here on nothing takes it or lands it, however late: what is not there stays so.
            self._again_ms.pop(signature, None)
            return height, await self._ledger.reached(signature, height)
        row = await self._ledger.find(signature)
        if row is None or row.state != "sent" or not self._is_due(row):
            return height, row
        await self._land(row, content)
        return height, await self._ledger.find(signature)

    def _is_due(self, row: LedgerRow) -> bool:
        return self._clock.now_ms() >= self._again_ms.get(row.signature, row.due_ms)

    async def _land(self, row: LedgerRow, content: PaperSwap) -> None:
        try:
            quote = await self._requote(content, REQUOTE_S)
        except AttemptFailed:
            # It said nothing, or no: a chain without a price lands nothing.
            self._again_ms[row.signature] = self._clock.now_ms() + AGAIN_MS
            return
        self._again_ms.pop(row.signature, None)
        await self._ledger.decide(
            row.signature,
            _landing(content, quote),
            network_fee=content.network_fee,
            # Once more: it may have taken its time.
            height=await self._height(),
            now_ms=self._clock.now_ms(),
        )
        failpoints.hit("landed", content.attempt)

    async def fill(self, signature: str, mints: Sequence[str] = ()) -> Fill | None:
        with REACHABLE:
            row = await self._ledger.find(signature)
        return fill_of(row) if row is not None and row.state == "landed" else None

    async def fills(
        self, *, limit: int, before: str | None = None, mints: Sequence[str] = (), urgent: bool = True
    ) -> FillPage:
        place = None
        with REACHABLE:
            height = await self._height()
            if before is not None:
                place = await self._ledger.find(before) if before.startswith(MARK) else None
                if place is None or place.state != "landed":
                    raise BadCursor
            rows = await self._ledger.landed(height=height, limit=limit + 1, before=place)
        more = rows[limit - 1].signature if len(rows) > limit else None
        return FillPage([fill_of(row) for row in rows[:limit]], more, height)

    async def _height(self) -> int:
        """Slots since the chain began."""
        return max(0, self._clock.now_ms() - await self._begun_ms()) // SLOT_MS

    async def _begun_ms(self) -> int:
        if self._genesis is None:
            with REACHABLE:
                self._genesis = await self._ledger.genesis_ms(self._clock.now_ms())
        return self._genesis


def _landing(content: PaperSwap, quote: Quote) -> Landing:
    if content.mode is SwapMode.EXACT_IN:
        keeps = quote.amount_out >= content.bound
        return Landing(content.amount, quote.amount_out, None if keeps else "slippage_exceeded")
    keeps = quote.amount_in <= content.bound
    return Landing(quote.amount_in, content.amount, None if keeps else "slippage_exceeded")


def _look_of(height: int, row: LedgerRow | None) -> Look:
    seen: Landed | Rejected | None = None
    if row is not None and row.state == "landed":
        seen = Landed(fill_of(row))
    elif row is not None and row.state == "rejected":
        code = row.error or ""
        seen = Rejected(code, _WHY[code], retryable=code == "slippage_exceeded")
    return Look(node="paper", height=height, as_of=height, seen=seen, final=seen is not None)


def _verify_swap(swap: SignedSwap) -> PaperSwap:
    """What its bytes say. Raises `ChainUnavailable` where the signature is another's."""
    if signature_of(swap.raw) != swap.signature:
        raise ChainUnavailable("The paper chain refuses it: its signature is another's.")
    try:
        return read_swap(swap.raw)
    except ValueError as e:
        raise ChainUnavailable(f"The paper chain refuses it: {e}.") from None

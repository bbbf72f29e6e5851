"""What every chain promises: the same bytes land once at most, what is final stays, what lapsed never lands.

`CHECKS` is the suite. Outcomes are judged by `networks.verdict`, as the engine judges them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from enum import Enum, auto
from typing import Any, Protocol

from oee_daemon.errors import BadCursor, ChainUnavailable
from oee_daemon.networks.chain import Chain
from oee_daemon.networks.verdict import Cases
from oee_daemon.orders.swap import Fill, Landed, Lapsed, Outcome, Rejected, SignedSwap, Unknown

#: Seconds that a call may take.
DEADLINE_S = 4.0
#: Seconds after which whatever was going to change has changed.
LONG_S = 3600.0


class Can(Enum):
    """What a rig may be able to do."""

    #: `swap(fails=True)`: one that lands with an error.
    FAIL = auto()
    #: `drop()`: the next send is taken and goes nowhere.
    DROP = auto()
    #: `reopen()`: the same chain, opened once more.
    REOPEN = auto()
    #: Fills say whose they are.
    NAME_ORDERS = auto()


class Rig(Protocol):
    """A chain under test, and a network in which nothing happens but what the check does."""

    @property
    def chain(self) -> Chain: ...
    @property
    def can(self) -> Collection[Can]: ...

    async def swap(self, *, fails: bool = False) -> SignedSwap:
        """A new swap on a recent anchor, signed and not sent."""
        ...

    def pass_time(self, seconds: float) -> None: ...

    def lapse(self, swap: SignedSwap) -> None:
        """Lets time pass until no block takes the swap any more, and its absence means something."""
        ...

    def truth(self) -> Sequence[tuple[str, int, int]]:
        """Signature, amount in and amount out of all that moved, by the network's own record; not by the
        chain under test."""
        ...

    def drop(self) -> None: ...

    def reopen(self) -> Chain: ...


async def judged(rig: Rig, swap: SignedSwap, *, chain: Chain | None = None, wait_s: float = 0) -> Outcome:
    """What a worker makes of one look that has no memory of earlier ones."""
    chain = chain or rig.chain
    return Cases(chain.nodes).judge(swap, await chain.look(swap, wait_s))


async def proven(rig: Rig, swap: SignedSwap) -> Outcome:
    """What a worker makes of it that looks again and again, for a while."""
    cases = Cases(rig.chain.nodes)
    for _ in range(100):
        outcome = cases.judge(swap, await rig.chain.look(swap))
        if not isinstance(outcome, Unknown):
            return outcome
        rig.pass_time(1)
    return outcome


async def landed(rig: Rig, swap: SignedSwap) -> Fill:
    """Sends it, and waits until it is final."""
    await rig.chain.submit(swap, DEADLINE_S)
    outcome = await proven(rig, swap)
    assert isinstance(outcome, Landed), outcome
    return outcome.fill


async def all_fills(rig: Rig, limit: int) -> list[Fill]:
    found: list[Fill] = []
    before = None
    while True:
        page = await rig.chain.fills(limit=limit, before=before)
        assert len(page.fills) <= limit
        found += page.fills
        assert page.before is None or page.before != before, "a page that leads to itself"
        before = page.before
        if before is None:
            return found


async def it_is_one_chain(rig: Rig) -> None:
    assert await rig.chain.identity() == await rig.chain.identity() != ""
    assert rig.chain.nodes >= 1
    assert rig.chain.expected_s() >= 0


async def an_anchor_is_recent(rig: Rig) -> None:
    early = await rig.chain.anchor(DEADLINE_S)
    rig.pass_time(60)
    late = await rig.chain.anchor(DEADLINE_S)
    assert late.blockhash != early.blockhash
    assert late.last_valid_height > early.last_valid_height > 0


async def a_swap_lands_for_good(rig: Rig) -> None:
    swap = await rig.swap()
    assert isinstance(await judged(rig, swap), Unknown), "nothing was sent yet"
    fill = await landed(rig, swap)
    assert fill.signature == swap.signature
    assert [(fill.signature, fill.amount_in, fill.amount_out)] == list(rig.truth())
    rig.pass_time(LONG_S)
    assert await judged(rig, swap) == Landed(fill)


async def the_same_bytes_land_once(rig: Rig) -> None:
    swap = await rig.swap()
    sent = [rig.chain.submit(swap, DEADLINE_S) for _ in range(10)]
    for answer in await asyncio.gather(*sent, return_exceptions=True):
        assert answer is None or isinstance(answer, ChainUnavailable), answer
    await landed(rig, swap)
    for _ in range(3):
        with suppress(ChainUnavailable):
            await rig.chain.submit(swap, DEADLINE_S)
        rig.pass_time(60)
    assert [signature for signature, _, _ in rig.truth()] == [swap.signature]
    assert len(await all_fills(rig, 10)) == 1


async def two_swaps_are_two(rig: Rig) -> None:
    swaps = [await rig.swap(), await rig.swap()]
    for swap in swaps:
        await landed(rig, swap)
    assert sorted(signature for signature, _, _ in rig.truth()) == sorted(s.signature for s in swaps)


async def a_look_says_what_it_is_worth(rig: Rig) -> None:
    swap = await rig.swap()
    looks = await rig.chain.look(swap)
    assert 1 <= len(looks) <= rig.chain.nodes
    assert len({look.node for look in looks}) == len(looks)
    for look in looks:
        assert 0 <= look.height <= swap.last_valid_height
        assert look.seen is None and not look.final


async def what_was_never_sent_lapses_and_never_lands(rig: Rig) -> None:
    swap = await rig.swap()
    rig.pass_time(5)
    assert isinstance(await judged(rig, swap), Unknown), "it can still land"
    rig.lapse(swap)
    assert await proven(rig, swap) == Lapsed()
    for _ in range(3):
        with suppress(ChainUnavailable):
            await rig.chain.submit(swap, DEADLINE_S)
        rig.pass_time(60)
        assert not isinstance(await judged(rig, swap), Landed | Rejected)
    assert not rig.truth()
    assert await proven(rig, swap) == Lapsed()


async def what_has_landed_never_lapses(rig: Rig) -> None:
    swap = await rig.swap()
    fill = await landed(rig, swap)
    rig.lapse(swap)
    for _ in range(10):
        assert await judged(rig, swap) == Landed(fill)
        rig.pass_time(10)


async def what_fails_moves_nothing_and_stays_failed(rig: Rig) -> None:
    if Can.FAIL not in rig.can:
        return
    swap = await rig.swap(fails=True)
    await rig.chain.submit(swap, DEADLINE_S)
    rejected = await proven(rig, swap)
    assert isinstance(rejected, Rejected) and rejected.code
    with suppress(ChainUnavailable):
        await rig.chain.submit(swap, DEADLINE_S)
    rig.pass_time(LONG_S)
    assert await judged(rig, swap) == rejected
    assert not rig.truth() and not await all_fills(rig, 10)
    assert await rig.chain.fill(swap.signature) is None


async def a_send_that_is_lost_can_be_repeated(rig: Rig) -> None:
    if Can.DROP not in rig.can:
        return
    repeated, lost = await rig.swap(), await rig.swap()
    for swap in (repeated, lost):
        rig.drop()
        await rig.chain.submit(swap, DEADLINE_S)
    await landed(rig, repeated)
    rig.lapse(lost)
    assert await proven(rig, lost) == Lapsed()
    assert [signature for signature, _, _ in rig.truth()] == [repeated.signature]


async def spoilt_bytes_do_nothing(rig: Rig) -> None:
    swap = await rig.swap()
    spoilt = [b"", b"nonsense", swap.raw[:-1]]
    for place in (3, len(swap.raw) // 2, len(swap.raw) - 5):
        raw = bytearray(swap.raw)
        raw[place] ^= 1
        spoilt.append(bytes(raw))
    for raw_bytes in spoilt:
        with suppress(ChainUnavailable):
            await rig.chain.submit(replace(swap, raw=raw_bytes), DEADLINE_S)
    rig.pass_time(60)
    assert not rig.truth()
    assert isinstance(await judged(rig, swap), Unknown)


async def every_landing_is_a_fill_once(rig: Rig) -> None:
    for n in range(7):
        await landed(rig, await rig.swap())
        if n % 3 == 0:
            rig.pass_time(1)
    truth = Counter(rig.truth())
    for limit in (1, 3, 7, 100):
        fills = await all_fills(rig, limit)
        assert Counter((f.signature, f.amount_in, f.amount_out) for f in fills) == truth
        assert [f.at for f in fills] == sorted((f.at for f in fills), reverse=True)
    for fill in fills:
        assert await rig.chain.fill(fill.signature) == fill
        assert fill.fee is None or fill.fee >= 0


async def nothing_is_a_fill_before_it_is_final(rig: Rig) -> None:
    swap = await rig.swap()
    assert await rig.chain.fill(swap.signature) is None
    assert (await rig.chain.fills(limit=1)).fills == []
    try:
        await rig.chain.fills(limit=1, before=swap.signature)
    except BadCursor:
        return
    raise AssertionError("fills before a swap that never landed")


async def fills_say_whose_they_are(rig: Rig) -> None:
    if Can.NAME_ORDERS not in rig.can:
        return
    swaps = [await rig.swap(), await rig.swap()]
    for swap in swaps:
        assert (await landed(rig, swap)).order_id == swap.order_id
    assert {f.signature: f.order_id for f in await all_fills(rig, 1)} == {
        s.signature: s.order_id for s in swaps
    }


async def what_has_landed_outlasts_the_process(rig: Rig) -> None:
    if Can.REOPEN not in rig.can:
        return
    swap, waiting = await rig.swap(), await rig.swap()
    fill = await landed(rig, swap)
    again = rig.reopen()
    assert await again.identity() == await rig.chain.identity()
    assert await judged(rig, swap, chain=again) == Landed(fill)
    with suppress(ChainUnavailable):
        await again.submit(swap, DEADLINE_S)
    await again.submit(waiting, DEADLINE_S)
    assert isinstance(await proven(rig, waiting), Landed)
    assert len(rig.truth()) == 2


CHECKS: tuple[Callable[[Rig], Coroutine[Any, Any, None]], ...] = (
    it_is_one_chain,
    an_anchor_is_recent,
    a_swap_lands_for_good,
    the_same_bytes_land_once,
    two_swaps_are_two,
    a_look_says_what_it_is_worth,
    what_was_never_sent_lapses_and_never_lands,
    what_has_landed_never_lapses,
    what_fails_moves_nothing_and_stays_failed,
    a_send_that_is_lost_can_be_repeated,
    spoilt_bytes_do_nothing,
    every_landing_is_a_fill_once,
    nothing_is_a_fill_before_it_is_final,
    fills_say_whose_they_are,
    what_has_landed_outlasts_the_process,
)

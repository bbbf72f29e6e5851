"""What every venue promises: a firm price in time, and a swap that is just what was planned.

`CHECKS` is the suite. Neither call has an effect. The network's own guard and a wallet judge what is built.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine
from dataclasses import replace
from enum import Enum, auto
from typing import Any, Protocol
from uuid import UUID

from solders.message import from_bytes_versioned
from solders.transaction import VersionedTransaction

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.errors import VenueLate, VenueRefused
from oee_daemon.networks.guard import Guard
from oee_daemon.networks.venue import Plan, Venue
from oee_daemon.networks.wallet import Wallet
from oee_daemon.orders.swap import Anchor, Quote, QuoteRequest
from oee_daemon.orders.tokens import MAX_UNITS

#: Seconds that a venue has.
DEADLINE_S = 1.0


class Can(Enum):
    """What a venue, or its rig, may be able to do."""

    #: It quotes exact outputs.
    EXACT_OUT = auto()
    #: The same request has the same quote.
    STEADY = auto()
    #: It says its fee with each quote.
    SAY_FEE = auto()
    #: Its swaps carry the bound to the unit; where not, to a basis point, on the safe side.
    EXACT_BOUND = auto()
    #: `seconds()` stands still but for what the venue waits for.
    HOLD_TIME = auto()


class Rig(Protocol):
    """A venue under test."""

    @property
    def venue(self) -> Venue: ...
    @property
    def guard(self) -> Guard: ...
    @property
    def wallet(self) -> Wallet: ...
    @property
    def can(self) -> Collection[Can]: ...

    async def anchor(self) -> Anchor:
        """Each time another one."""
        ...

    def request(self, mode: SwapMode, amount: int | None = None) -> QuoteRequest:
        """For a pair that the venue trades, of a usual amount where none is said."""
        ...

    def seconds(self) -> float:
        """The time by which a deadline is measured."""
        ...

    def effects(self) -> int:
        """How much has happened on the network."""
        ...


def modes(rig: Rig) -> list[SwapMode]:
    return [SwapMode.EXACT_IN, *([SwapMode.EXACT_OUT] if Can.EXACT_OUT in rig.can else [])]


async def quoted(rig: Rig, mode: SwapMode, amount: int | None = None) -> Quote:
    return await rig.venue.quote(rig.request(mode, amount), DEADLINE_S)


async def planned(rig: Rig, mode: SwapMode = SwapMode.EXACT_IN, *, order: int = 1, off: int = 0) -> Plan:
    """`off`: by how much the bound is worse than the quote."""
    request = rig.request(mode)
    quote = await rig.venue.quote(request, DEADLINE_S)
    bound = quote.amount_out - off if mode is SwapMode.EXACT_IN else quote.amount_in + off
    return Plan(order_id=UUID(int=order), request=request, quote=quote, bound=bound, payer=rig.wallet.address)


async def a_quote_comes_in_time(rig: Rig) -> None:
    for mode in modes(rig):
        begun = rig.seconds()
        await quoted(rig, mode)
        assert rig.seconds() - begun <= DEADLINE_S


async def the_exact_side_is_kept_to_the_unit(rig: Rig) -> None:
    for mode in modes(rig):
        amount = rig.request(mode).amount + 1
        quote = await quoted(rig, mode, amount)
        assert (quote.amount_in if mode is SwapMode.EXACT_IN else quote.amount_out) == amount


async def a_quote_is_net(rig: Rig) -> None:
    for mode in modes(rig):
        quote = await quoted(rig, mode)
        assert quote.venue == rig.venue.name
        assert 0 < quote.amount_in <= MAX_UNITS and 0 < quote.amount_out <= MAX_UNITS
        assert quote.price_impact_bps is None or quote.price_impact_bps >= 0
        assert quote.fee is None or 0 <= quote.fee < quote.amount_in
        if Can.SAY_FEE in rig.can:
            assert quote.fee is not None
            assert quote.fee * 10_000 >= quote.amount_in * (rig.venue.fee_bps or 0)


async def the_same_request_has_the_same_quote(rig: Rig) -> None:
    if Can.STEADY in rig.can:
        for mode in modes(rig):
            assert await quoted(rig, mode) == await quoted(rig, mode)


async def what_can_not_be_filled_is_refused_for_good(rig: Rig) -> None:
    asked = [(SwapMode.EXACT_IN, 1)]
    if Can.EXACT_OUT in rig.can:
        asked.append((SwapMode.EXACT_OUT, MAX_UNITS))
    for mode, amount in asked:
        try:
            found = await quoted(rig, mode, amount)
        except VenueRefused as e:
            assert not e.retryable and rig.venue.name in e.message
        else:
            raise AssertionError(found)


async def a_late_answer_is_late_and_no_later(rig: Rig) -> None:
    if Can.HOLD_TIME not in rig.can:
        return
    begun = rig.seconds()
    try:
        found = await rig.venue.quote(rig.request(SwapMode.EXACT_IN), 0.001)
    except VenueLate as e:
        assert e.retryable
        assert rig.seconds() - begun <= 0.002
    else:
        raise AssertionError(found)


async def what_is_built_can_be_signed(rig: Rig) -> None:
    for mode in modes(rig):
        anchor, plan = await rig.anchor(), await planned(rig, mode)
        built = await rig.venue.build(plan, anchor, DEADLINE_S)
        assert built.last_valid_height == anchor.last_valid_height
        assert str(from_bytes_versioned(built.message).recent_blockhash) == anchor.blockhash
        await rig.guard.check(built, plan)
        signed = rig.wallet.sign(built, plan.order_id, 1)
        transaction = VersionedTransaction.from_bytes(signed.raw)
        assert transaction.verify_with_results() == [True]
        assert str(transaction.message.account_keys[0]) == rig.wallet.address


async def what_is_built_is_just_that_plan(rig: Rig) -> None:
    """Another order, bound or anchor is another swap, with another signature."""
    anchor = await rig.anchor()
    plan, other = await planned(rig), await planned(rig, order=2)
    off = 1 if Can.EXACT_BOUND in rig.can else plan.quote.amount_out // 500
    swaps = [
        (plan, anchor),
        (other, anchor),
        (await planned(rig, off=off), anchor),
        (plan, await rig.anchor()),
    ]
    signed = {
        rig.wallet.sign(await rig.venue.build(what, on, DEADLINE_S), what.order_id, 1).signature
        for what, on in swaps
    }
    assert len(signed) == len(swaps)


async def what_was_stored_builds_the_same(rig: Rig) -> None:
    """After a crash the quote is what was stored of it: its amounts, its fee and its route."""
    for mode in modes(rig):
        plan, anchor = await planned(rig, mode), await rig.anchor()
        stored = replace(plan, quote=replace(plan.quote, price_impact_bps=None))
        assert await rig.venue.build(stored, anchor, DEADLINE_S) == await rig.venue.build(
            plan, anchor, DEADLINE_S
        )


async def neither_has_an_effect(rig: Rig) -> None:
    before = rig.effects()
    await rig.venue.build(await planned(rig), await rig.anchor(), DEADLINE_S)
    assert rig.effects() == before


CHECKS: tuple[Callable[[Rig], Coroutine[Any, Any, None]], ...] = (
    a_quote_comes_in_time,
    the_exact_side_is_kept_to_the_unit,
    a_quote_is_net,
    the_same_request_has_the_same_quote,
    what_can_not_be_filled_is_refused_for_good,
    a_late_answer_is_late_and_no_later,
    what_is_built_can_be_signed,
    what_is_built_is_just_that_plan,
    what_was_stored_builds_the_same,
    neither_has_an_effect,
)

"""Choosing as a property, and asking with a deadline."""

from __future__ import annotations

import asyncio
import itertools
import random as rnd
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.engine import engine_quotes
from oee_daemon.engine.engine_quotes import ask, bound_of, choose, keeps, rank
from oee_daemon.errors import AttemptFailed, VenueLate, VenueRefused
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.swap import Anchor, Quote, QuoteRequest, UnsignedSwap, VenueAnswer
from oee_daemon.orders.tokens import MAX_UNITS, TOKENS

REQUEST = QuoteRequest(
    input_token=TOKENS["SOL"], output_token=TOKENS["USDC"], amount=10**9, mode=SwapMode.EXACT_IN
)
modes = st.sampled_from(SwapMode)
names = st.sampled_from(["meteora", "orca", "phoenix", "raydium", "saber"])
#: Few values, so that ties are frequent.
units = st.integers(1, 5) | st.integers(1, MAX_UNITS)


def quoted(venue: str, amount_in: int, amount_out: int) -> VenueAnswer:
    quote = Quote(venue=venue, amount_in=amount_in, amount_out=amount_out, fee=0, price_impact_bps=0)
    return VenueAnswer(venue=venue, latency_ms=1, quote=quote)


def unquoted(venue: str, *, late: bool) -> VenueAnswer:
    error: dict[str, object] = {"code": "x", "message": f"{venue} said no.", "retryable": late}
    return VenueAnswer(venue=venue, latency_ms=1, error=error)


quotes = st.builds(quoted, names, units, units)
failures = st.builds(unquoted, names, late=st.booleans())
answers = st.lists(quotes | failures, max_size=5, unique_by=lambda a: a.venue)


def _net(quote: Quote, mode: SwapMode) -> int:
    """How good it is for the trader, the more the better."""
    return quote.amount_out if mode is SwapMode.EXACT_IN else -quote.amount_in


@given(answers, modes, st.randoms())
def test_the_order_of_the_answers_changes_nothing(
    found: list[VenueAnswer], mode: SwapMode, order: rnd.Random
) -> None:
    shuffled = found.copy()
    order.shuffle(shuffled)
    assert rank(shuffled, mode) == rank(found, mode)


@given(answers, modes)
def test_ranking_is_a_total_order_best_first_then_by_name_then_those_without(
    found: list[VenueAnswer], mode: SwapMode
) -> None:
    ranked = rank(found, mode)
    assert sorted(a.venue for a in ranked) == sorted(a.venue for a in found)
    for one, two in itertools.pairwise(ranked):
        if one.quote is None:
            assert two.quote is None and one.venue < two.venue
        elif two.quote is not None:
            first, second = _net(one.quote, mode), _net(two.quote, mode)
            assert first > second or (first == second and one.venue < two.venue)


@given(answers, modes, st.none() | units)
def test_the_best_net_quote_is_chosen_if_it_keeps_the_bound(
    found: list[VenueAnswer], mode: SwapMode, worst: int | None
) -> None:
    offers = [a.quote for a in found if a.quote is not None]
    try:
        best = choose(found, mode, worst)
    except AttemptFailed as failure:
        if offers:
            assert worst is not None and not any(keeps(q, mode, worst) for q in offers)
            assert (failure.code, failure.retryable) == ("slippage_exceeded", True)
        else:
            late = any(a.error is not None and a.error["retryable"] for a in found)
            assert (failure.code, failure.retryable) == ("no_route", late)
    else:
        assert best in offers
        assert all(_net(best, mode) >= _net(q, mode) for q in offers)
        assert best.venue == min(q.venue for q in offers if _net(q, mode) == _net(best, mode))
        assert worst is None or keeps(best, mode, worst)


def test_no_route_says_what_every_venue_said() -> None:
    with pytest.raises(AttemptFailed) as caught:
        choose([unquoted("raydium", late=False), unquoted("meteora", late=False)], SwapMode.EXACT_IN, None)
    assert caught.value.message == "No venue can fill it. raydium said no; meteora said no."
    assert caught.value.as_dict()["retryable"] is False


def test_what_several_venues_of_one_api_say_is_said_once() -> None:
    error: dict[str, object] = {"code": "x", "message": "jupiter did not answer.", "retryable": True}
    answers = [VenueAnswer(venue=name, latency_ms=1, error=error) for name in ("jupiter", "meteora", "orca")]
    with pytest.raises(AttemptFailed) as caught:
        choose(answers, SwapMode.EXACT_IN, None)
    assert caught.value.message == "No venue has told a price. jupiter did not answer."


@pytest.mark.parametrize("mode", SwapMode)
def test_the_bound_itself_is_kept_and_one_unit_beyond_is_not(mode: SwapMode) -> None:
    quote = quoted("raydium", 100, 100).quote
    assert quote is not None
    worse = 1 if mode is SwapMode.EXACT_IN else -1
    assert keeps(quote, mode, 100)
    assert keeps(quote, mode, 100 - worse)
    assert not keeps(quote, mode, 100 + worse)


@given(quotes, modes, st.integers(0, 10_000))
def test_the_first_choice_fixes_a_bound_rounded_for_the_trader(
    answer: VenueAnswer, mode: SwapMode, slippage: int
) -> None:
    quote = answer.quote
    assert quote is not None
    worst = bound_of(quote, mode, slippage)
    assert keeps(quote, mode, worst)
    if mode is SwapMode.EXACT_IN:
        exact = Fraction(quote.amount_out * (10_000 - slippage), 10_000)
        assert exact <= worst < exact + 1
    else:
        exact = min(Fraction(MAX_UNITS), Fraction(quote.amount_in * (10_000 + slippage), 10_000))
        assert exact - 1 < worst <= exact


@pytest.mark.parametrize(
    ("mode", "slippage", "worst"),
    [
        (SwapMode.EXACT_IN, 50, 200_976),  # 201,985 less 0.5 % is 200,975.075
        (SwapMode.EXACT_OUT, 50, 202_994),  # and more 0.5 % is 202,994.925
        (SwapMode.EXACT_IN, 0, 201_985),
        (SwapMode.EXACT_OUT, 0, 201_985),
    ],
)
def test_the_bound_of_an_odd_quote_by_hand(mode: SwapMode, slippage: int, worst: int) -> None:
    quote = Quote(venue="v", amount_in=201_985, amount_out=201_985, fee=0, price_impact_bps=0)
    assert bound_of(quote, mode, slippage) == worst


@dataclass
class FakeVenue:
    """Answers with what `answer` does."""

    name: str
    answer: Callable[[QuoteRequest, float], Awaitable[Quote]]
    fee_bps: int = 0

    async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        return await self.answer(request, deadline_s)

    async def build(self, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        raise NotImplementedError


def _answering(name: str) -> FakeVenue:
    quote = Quote(venue=name, amount_in=1, amount_out=1, fee=0, price_impact_bps=0)

    async def answer(_request: QuoteRequest, _deadline: float) -> Quote:
        return quote

    return FakeVenue(name, answer)


def test_the_venues_are_asked_at_once_and_answer_in_their_order() -> None:
    names = [f"venue{n}" for n in range(8)]
    asked: list[str] = []
    together = asyncio.Event()

    def venue(name: str) -> FakeVenue:
        async def answer(request: QuoteRequest, deadline_s: float) -> Quote:
            # Passes only if all are being asked at the same time.
            asked.append(name)
            if len(asked) == len(names):
                together.set()
            await together.wait()
            assert (request, deadline_s) == (REQUEST, engine_quotes.DEADLINE_S)
            return Quote(venue=name, amount_in=1, amount_out=1, fee=0, price_impact_bps=0)

        return FakeVenue(name, answer)

    found = asyncio.run(ask([venue(name) for name in names], REQUEST))
    assert [a.venue for a in found] == names
    assert [a.quote.venue for a in found if a.quote is not None] == names


def test_a_venue_that_ignores_its_deadline_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_quotes, "DEADLINE_S", 0.05)
    monkeypatch.setattr(engine_quotes, "GRACE_S", 0.01)
    ended: list[str] = []

    async def hang(_request: QuoteRequest, _deadline: float) -> Quote:
        try:
            return await asyncio.Future()
        finally:
            ended.append("slow")

    async def stubborn(_request: QuoteRequest, _deadline: float) -> Quote:
        with suppress(asyncio.CancelledError):
            await asyncio.Future()
        await release.wait()
        raise VenueLate("far too late")

    async def asked() -> list[VenueAnswer]:
        venues = [FakeVenue("slow", hang), FakeVenue("deaf", stubborn), _answering("prompt")]
        found = await ask(venues, REQUEST)
        release.set()
        return found

    release = asyncio.Event()
    late, deaf, prompt = asyncio.run(asked())
    assert ended == ["slow"] and deaf.error and deaf.error["code"] == "venue_late"
    assert late.quote is None
    assert late.error == {
        "code": "venue_late",
        "message": "slow did not answer within 0.05 s.",
        "retryable": True,
    }
    assert late.latency_ms == 60
    assert prompt.quote is not None and prompt.error is None


def test_a_refusal_and_a_late_answer_come_back_as_the_errors_they_are() -> None:
    async def refuse(_request: QuoteRequest, _deadline: float) -> Quote:
        raise VenueRefused("down", code="venue_down")

    async def late(_request: QuoteRequest, _deadline: float) -> Quote:
        raise VenueLate("late")

    found = asyncio.run(ask([FakeVenue("a", refuse), FakeVenue("b", late), _answering("c")], REQUEST))
    assert [a.error for a in found] == [
        {"code": "venue_down", "message": "down", "retryable": False},
        {"code": "venue_late", "message": "late", "retryable": True},
        None,
    ]
    assert choose(found, SwapMode.EXACT_IN, None).venue == "c"


def test_a_thin_pool_is_not_chosen_while_the_others_are_merely_late() -> None:
    thin = Quote(venue="thin", amount_in=1, amount_out=9, thin=True)
    answer = VenueAnswer(venue="thin", latency_ms=1, quote=thin)
    late, refuses = unquoted("a", late=True), unquoted("b", late=False)
    for bound in (None, 9):
        with pytest.raises(AttemptFailed) as caught:
            choose([answer, late, refuses], SwapMode.EXACT_IN, bound)
        assert (caught.value.code, caught.value.retryable) == ("no_route", True)
    # Where it is alone, all have answered, or another bears it out, it is as good as any.
    for others in ([], [refuses], [late, quoted("c", 1, 8)]):
        assert choose([answer, *others], SwapMode.EXACT_IN, None) is thin


def test_without_a_bound_nothing_empties_a_thin_pool_that_others_refuse() -> None:
    """All of it would be sold for the few dollars that are in there."""
    moved = Quote(venue="thin", amount_in=10, amount_out=1, thin=True, price_impact_bps=9_000)
    answer, refuses = VenueAnswer(venue="thin", latency_ms=1, quote=moved), unquoted("b", late=False)
    with pytest.raises(AttemptFailed) as caught:
        choose([answer, refuses], SwapMode.EXACT_IN, None)
    assert (caught.value.code, caught.value.retryable) == ("impact_too_high", False)
    # Who says how little may arrive has said so; what moves less, or another venue bears out, is taken.
    assert choose([answer, refuses], SwapMode.EXACT_IN, 1) is moved
    little = replace(moved, price_impact_bps=2_000)
    assert choose([replace(answer, quote=little), refuses], SwapMode.EXACT_IN, None) is little
    deep = VenueAnswer(venue="c", latency_ms=1, quote=replace(moved, venue="c", thin=False))
    assert choose([answer, deep], SwapMode.EXACT_IN, None) is deep.quote


def test_nobody_to_ask_is_no_route() -> None:
    nobody: Sequence[FakeVenue] = []
    found = asyncio.run(ask(nobody, REQUEST))
    assert found == []
    with pytest.raises(AttemptFailed) as caught:
        choose(found, SwapMode.EXACT_IN, None)
    assert (caught.value.code, caught.value.retryable) == ("no_route", False)


@pytest.mark.parametrize(
    ("most", "impacts", "best", "refused"),
    [
        (None, {"a": 900, "b": 10}, "a", []),
        (100, {"a": 101, "b": 100}, "b", ["a"]),
        (100, {"a": None, "b": 100}, "b", ["a"]),
        (100, {"a": None, "b": 5000}, None, ["a", "b"]),
    ],
)
def test_a_quote_that_moves_the_price_too_far_is_not_chosen_and_another_may_win(
    most: int | None, impacts: dict[str, int | None], best: str | None, refused: list[str]
) -> None:
    answers = [
        VenueAnswer(
            venue=name,
            latency_ms=1,
            quote=Quote(venue=name, amount_in=1, amount_out=out, price_impact_bps=impacts[name]),
        )
        for name, out in (("a", 9), ("b", 8))
    ]
    held = engine_quotes.within_impact(answers, most)
    assert [a.venue for a in held if a.error and a.error["code"] == "impact_too_high"] == refused
    if best is not None:
        assert engine_quotes.choose(held, SwapMode.EXACT_IN, None).venue == best
        return
    with pytest.raises(AttemptFailed) as caught:
        engine_quotes.choose(held, SwapMode.EXACT_IN, None)
    assert (caught.value.code, caught.value.retryable) == ("impact_too_high", False)
    assert "a does not say how far" in caught.value.message and "by 5000 bps" in caught.value.message

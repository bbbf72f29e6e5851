"""Collects the venues' quotes and chooses. Asking has a deadline; choosing is pure and total.

The best net result wins: most out for `ExactIn`, least in for `ExactOut`, ties by name. What is worse
than the order's fixed bound is never chosen.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from oee_daemon.contract.order_types import OrderType, SwapMode
from oee_daemon.contract.ranking import BPS, standing
from oee_daemon.errors import AttemptFailed, OeeError, VenueError
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.networks.venue import Venue
from oee_daemon.orders.order import BY_LIMITS, Order
from oee_daemon.orders.swap import Quote, QuoteRequest, VenueAnswer, is_far_better
from oee_daemon.orders.terms import Terms
from oee_daemon.orders.tokens import MAX_UNITS

log = logging.getLogger(__name__)

#: Seconds a venue has to quote.
DEADLINE_S = 1.0
#: Basis points by which a thin venue's price, where no other has one, may move without a bound: as far as a
#: stop's floor is that nobody set.
MOST_THIN = 2000
#: Seconds past the deadline after which a venue that ignores it is left alone.
GRACE_S = 0.25


def request_of(terms: Terms, tokens: TokenBook, number: int = 0, attempt: int = 1) -> QuoteRequest:
    """What a venue is asked for: `number` and `attempt` are those of an order, where there is one.

    Raises `AttemptFailed` where nobody knows a token's decimals.
    """
    return QuoteRequest(
        input_token=tokens.traded(terms.input_mint),
        output_token=tokens.traded(terms.output_mint),
        amount=terms.amount,
        mode=terms.swap_mode,
        number=number,
        attempt=attempt,
        slippage_bps=terms.slippage_bps,
    )


async def ask(venues: Sequence[Venue], request: QuoteRequest) -> list[VenueAnswer]:
    """Asks every venue at once; one answer each, in the venues' order, within the deadline."""
    asked = [asyncio.ensure_future(_ask(venue, request)) for venue in venues]
    if not asked:
        return []
    try:
        done, _ = await asyncio.wait(asked, timeout=DEADLINE_S + GRACE_S)
    finally:
        # What is late is ended, and not waited for.
        for task in asked:
            task.cancel()
    return [
        task.result() if task in done and not task.cancelled() else _late(venue)
        for venue, task in zip(venues, asked, strict=True)
    ]


async def _ask(venue: Venue, request: QuoteRequest) -> VenueAnswer:
    begun = time.monotonic()
    quote, error = None, None
    try:
        quote = await venue.quote(request, DEADLINE_S)
    except OeeError as e:
        error = e.as_dict()
    except Exception as e:
        # A venue's own fault must not keep the others' prices from being used.
        log.exception("a venue failed", extra={"venue": venue.name})
        failure = VenueError(f"{venue.name} failed: {type(e).__name__}.", retryable=True)
        error = failure.as_dict()
    taken = round((time.monotonic() - begun) * 1000)
    return VenueAnswer(venue=venue.name, latency_ms=taken, quote=quote, error=error)


def _late(venue: Venue) -> VenueAnswer:
    message = f"{venue.name} did not answer within {DEADLINE_S:g} s."
    error = {"code": "venue_late", "message": message, "retryable": True}
    return VenueAnswer(venue=venue.name, latency_ms=round((DEADLINE_S + GRACE_S) * 1000), error=error)


def barred(venue: str) -> VenueAnswer:
    """What stands for the answer of a venue that the order asks no more."""
    message = f"{venue} built a swap for this order that was not signed."
    error = {"code": "venue_barred", "message": message, "retryable": False}
    return VenueAnswer(venue=venue, latency_ms=0, error=error)


def within_impact(
    answers: Sequence[VenueAnswer], now: int | None, terms: Terms | None = None
) -> list[VenueAnswer]:
    """Without the quotes that move the price by more than `now`, basis points, or than what was set when the
    order of `terms` was accepted; what is not said is over."""
    most = now if terms is None else terms.most("max_impact", now)
    if most is None:
        return list(answers)
    since = "is" if most == now else "was, when the order was accepted,"
    why = f"OEE_MAX_IMPACT {since} {most} bps"
    return [
        answer if answer.quote is None else _held_to_impact(answer, answer.quote, most, why)
        for answer in answers
    ]


def _held_to_impact(answer: VenueAnswer, quote: Quote, most: int, why: str) -> VenueAnswer:
    if _keeps_to_impact(quote, most):
        return answer
    impact = quote.price_impact_bps
    said = "does not say how far" if impact is None else f"says that by {impact} bps"
    message = f"{answer.venue} {said} this amount moves its price, and {why}."
    error = {"code": "impact_too_high", "message": message, "retryable": False}
    return VenueAnswer(venue=answer.venue, latency_ms=answer.latency_ms, error=error)


def _keeps_to_impact(quote: Quote, most: int) -> bool:
    return quote.price_impact_bps is not None and quote.price_impact_bps <= most


def may_ask(order: Order, venue: str) -> bool:
    """Whether an attempt of the order may ask it."""
    return venue not in (order.barred or ()) and order.may_ask(venue)


def may_choose(order: Order, quote: Quote, now: int | None) -> bool:
    """Whether an attempt of the order could take it; `now` as in `within_impact`."""
    most = order.most("max_impact", now)
    return may_ask(order, quote.venue) and (most is None or _keeps_to_impact(quote, most))


def rank(answers: Sequence[VenueAnswer], mode: SwapMode) -> list[VenueAnswer]:
    """Best first by net result, then by name; those without a quote last."""

    def key(answer: VenueAnswer) -> tuple[bool, int, str]:
        if answer.quote is None:
            return True, 0, answer.venue
        return False, *standing(mode, answer.venue, answer.quote.amount_in, answer.quote.amount_out)

    return sorted(answers, key=key)


def reasons(answers: Sequence[VenueAnswer]) -> tuple[str, bool]:
    """What venues without a quote say, to follow a sentence, and whether one merely did not answer."""
    errors = [answer.error for answer in answers if answer.error is not None]
    # Several venues of one API say the same.
    said = "; ".join(dict.fromkeys(f"{error['message']}".rstrip(".") for error in errors))
    return f" {said}." if said else "", any(error["retryable"] for error in errors)


def choose(answers: Sequence[VenueAnswer], mode: SwapMode, bound: int | None) -> Quote:
    """The best quote that keeps the bound.

    Raises `AttemptFailed`: `no_route` where no venue has a price (retryable only if one merely did not
    answer in time), or thin ones alone have one and another did not answer in time; `impact_too_high` where
    one has and it moves too far, or where nobody has set a bound and it would empty a thin one;
    `slippage_exceeded` where the best is worse than the bound.
    """
    best = rank(answers, mode)[0].quote if answers else None
    why, late = reasons(answers)
    if best is None:
        over = any(a.error is not None and a.error["code"] == "impact_too_high" for a in answers)
        code = "impact_too_high" if over else "no_route"
        silent = all(a.error is not None and a.error["retryable"] for a in answers)
        said = "No venue has told a price." if answers and silent else "No venue can fill it."
        raise AttemptFailed(f"{said}{why}", code=code, retryable=late)
    thin = all(a.quote is None or a.quote.thin for a in answers)
    if thin and not late and bound is None and (best.price_impact_bps or 0) > MOST_THIN:
        # Others refuse it now, and this pool may hold a few dollars: all would be sold for them.
        message = (
            f"Only {best.venue} has a price, and this amount moves it by {best.price_impact_bps} bps. To take"
            " it, say the least to receive, or the most to spend."
        )
        raise AttemptFailed(message, code="impact_too_high", retryable=False)
    if late and thin:
        # Its bound would be fixed by a pool that may be far from the market.
        message = f"Only {best.venue} has a price, and others that may have a better one did not answer."
        raise AttemptFailed(message, code="no_route", retryable=True)
    if bound is not None and not keeps(best, mode, bound):
        raise AttemptFailed(
            f"The best price, on {best.venue}, is worse than the order allows.",
            code="slippage_exceeded",
            retryable=True,
        )
    return best


#: Why a venue is left out, after its name.
UNMADE = "could not make this order's swap a moment ago"
UNPAID = "makes accounts on the way that the wallet can't pay for"
UNSET = "was not among OEE_VENUES when the order was accepted"


def choose_elsewhere(
    answers: Sequence[VenueAnswer], failed: str | None, order: Terms, bound: int | None, why: str = UNMADE
) -> tuple[Sequence[VenueAnswer], Quote]:
    """As `choose`, but not `failed`, a venue that could not make its swap a moment ago: where another one is
    worse by no more than the order's slippage. It might be the best again and again, and the order would end
    though others could fill it. `why` it is left out. With the answers as they were chosen of."""
    best = next((a.quote for a in answers if a.venue == failed and a.quote is not None), None)
    if best is not None:
        others = [left_out(a.venue, why, a.latency_ms) if a.venue == failed else a for a in answers]
        least = bound_of(best, order.swap_mode, order.slippage_bps)
        try:
            found = choose(others, order.swap_mode, bound)
        except AttemptFailed:
            found = best
        if found is not best and keeps(found, order.swap_mode, least):
            return others, found
    return answers, choose(answers, order.swap_mode, bound)


def left_out(venue: str, why: str, latency_ms: int = 0) -> VenueAnswer:
    error = {"code": "venue_failed", "message": f"{venue} {why}.", "retryable": why != UNSET}
    return VenueAnswer(venue=venue, latency_ms=latency_ms, error=error)


def keeps(quote: Quote, mode: SwapMode, bound: int) -> bool:
    """Whether the quote is no worse than the bound."""
    return quote.amount_out >= bound if mode is SwapMode.EXACT_IN else quote.amount_in <= bound


def guarded(quote: Quote, order: Order) -> int:
    """What the swap of that quote carries: the order's bound, or the quote's own where that is the tighter.

    By the stored quote, so that a crash changes no byte. A price that jumped past a limit is no invitation,
    nor is one that left far behind what the first choice fixed, or is under what limits reserve. A bound that
    somebody set for a market order is what they want.
    """
    assert order.bound is not None
    own, exact_in = bound_of(quote, order.swap_mode, order.slippage_bps), order.swap_mode is SwapMode.EXACT_IN
    if order.type is OrderType.MARKET and order.fixed_by != BY_LIMITS:
        left = is_far_better(own, order.bound) if exact_in else is_far_better(order.bound, own)
        return own if left and order.fixed_by is not None else order.bound
    return max(order.bound, own) if exact_in else min(order.bound, own)


def bound_of(quote: Quote, mode: SwapMode, slippage_bps: int) -> int:
    """The bound that a first choice fixes, rounded in the trader's favour: the least to receive up, the
    most to spend down."""
    if mode is SwapMode.EXACT_IN:
        return -(-quote.amount_out * (BPS - slippage_bps) // BPS)
    return min(MAX_UNITS, quote.amount_in * (BPS + slippage_bps) // BPS)

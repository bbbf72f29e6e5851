"""What follows when an order that waited for a price could not be filled: whether it waits again, and how.

Pure. A limit whose price is gone waits for it again. A stop has been triggered for good: it is quoted anew
until its time is over, and then, or below its limit, waits for that limit. A sniper is quoted anew until its
time is over, and then expires. A market order fails or tries again as it always did.
"""

from __future__ import annotations

from datetime import timedelta

from oee_daemon.contract.order_types import OrderType
from oee_daemon.contract.status import Status
from oee_daemon.errors import AttemptFailed, UnsafeToken
from oee_daemon.orders.conditions import TIMED, Back, Rule, rule_of
from oee_daemon.orders.order import Order

#: Seconds for which an order is not looked at that came back: at first after a look that cost nothing, after
#: a rejection on the chain, which cost a fee; and at most. Each doubles with every return in a row.
REST_S, REJECTED_S, MOST_S = 0.5, 1.0, 60.0
#: Rejections on the chain in a row after which an order fails; a stop waits for its limit, and rests.
MOST_REJECTIONS = 20
#: How long before the end of its time a sniper's last look is.
LAST_LOOK = timedelta(seconds=1.5)
#: Attempts of a sniper at the first pause, which are those of the 30 s that it has by default.
MOST_SNIPES = 60
#: The best price is worse than the order allows, at the choice or on the chain.
GONE = "slippage_exceeded"
#: Another order of its group may be executed, and it may not.
NO_TURN = "group_turn"
#: No venue has a price, or none that may be taken.
NO_ROUTE = ("no_route", "impact_too_high")


def tries(order: Order) -> int:
    """Attempts since its condition was met, this one too."""
    return order.attempt - order.first_attempt + 1


def rejections(order: Order, failure: AttemptFailed) -> int:
    """How often in a row the chain has refused it for its price, this time too: whatever else ends an attempt
    ends the row."""
    return order.rejections + 1 if failure.code == GONE and order.status is Status.SUBMITTED else 0


def turnless(*, retryable: bool = True) -> AttemptFailed:
    """Only doubt brings an order to be executed whose group's turn is another's."""
    message = "It is not its turn in its group, or no longer: it may not be executed."
    return AttemptFailed(message, code=NO_TURN, retryable=retryable)


def returns(order: Order, failure: AttemptFailed, max_attempts: int) -> Back | None:
    """How the order goes back to wait; none where it tries again or ends."""
    doubted = order.waits and order.status is Status.SUBMITTED and failure.retryable
    if doubted and not order.firings:
        return _unfired_back(order)
    if doubted and order.group_id is not None and order.turn is None:
        # It waited when it was put in doubt: another attempt would be made without its group's turn.
        return _wait_anew(order, rejected=False)
    rejected = rejections(order, failure) > 0
    too_often = rejections(order, failure) >= MOST_REJECTIONS
    if order.type in TIMED or (too_often and order.type is not OrderType.STOP):
        return None
    no_route = failure.code in NO_ROUTE and not failure.retryable
    if failure.code == NO_TURN and failure.retryable:
        return _wait_anew(order, rejected=False)
    if order.type is OrderType.LIMIT:
        used_up = failure.retryable and tries(order) >= max_attempts
        return _wait_anew(order, rejected) if failure.code == GONE or no_route or used_up else None
    # A stop that the chain refuses is quoted anew at once. It protects somebody: it never fails by that.
    gone = failure.code == GONE and (not rejected or too_often)
    return _wait_anew(order, rejected) if gone or no_route else None


def again(order: Order, failure: AttemptFailed, max_attempts: int, *, barred: bool = False) -> bool:
    """Whether another attempt follows, of an order that does not go back. A stop or a sniper ends with
    its time. `barred`: a venue is asked no more from here on.
    """
    unsent = order.status is not Status.SUBMITTED
    if order.type is OrderType.SNIPER and unsent and failure.code in (GONE, *NO_ROUTE):
        # A market that opens this very moment may have a price at the next look.
        return True
    if order.type is OrderType.SNIPER and isinstance(failure, UnsafeToken) and failure.retryable:
        # What is not known by the end of its time is refused, and by which checks its event tells.
        return order.expires_at is None or order.expires_at - order.updated_at > LAST_LOOK
    if order.type in (OrderType.STOP, OrderType.SNIPER):
        return failure.retryable and rejections(order, failure) < MOST_REJECTIONS
    return failure.retryable and (tries(order) < max_attempts or (barred and order.type is OrderType.LIMIT))


def pauses(order: Order) -> int:
    """By how many attempts the pause before the next one has grown. A sniper tries at the same pace at first:
    what it was sent for may come at any moment."""
    return order.attempt if order.type is not OrderType.SNIPER else max(1, tries(order) - MOST_SNIPES)


def over(order: Order) -> Back | None:
    """How an order goes back whose time for this firing is over; none of one that then expires."""
    return None if order.type in TIMED else _wait_anew(order, rejected=False)


def _unfired_back(order: Order) -> Back:
    """How an order goes back whose condition was never met: it was only in doubt (see `recall`), so it waits
    as it did before. A trailing stop's price is its peak's."""
    timed = order.launch_at is not None
    return Back(
        rule=Rule.TIME if timed else rule_of(order.type, order.side, listing=order.token_address is not None),
        price=None if timed else order.target_price,
        rest=timedelta(0),
        returns=order.returns,
        rejections=order.rejections,
        latched=False,
    )


def _wait_anew(order: Order, rejected: bool) -> Back:
    latched = order.type is OrderType.STOP
    first = REJECTED_S if rejected else REST_S
    return Back(
        rule=rule_of(order.type, order.side, latched=latched),
        price=order.limit_price if latched else order.target_price,
        rest=timedelta(seconds=min(MOST_S, first * 2 ** min(order.returns, 20))),
        returns=order.returns + 1,
        rejections=order.rejections + 1 if rejected else 0,
        latched=latched,
    )

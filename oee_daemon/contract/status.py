"""The life of an order: its statuses, the moves between them, and what causes each move.

Everything that decides by status stands here: the table, and the sets that queries and screens use. The
law: a status changes only along `MOVES`; what is final stays; only `confirmed` moved any money. `submitted`
means *may be on the chain*, so only what the chain itself has said leads out of it. The diagram in
`docs/life-of-an-order.md` is generated from this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Status(StrEnum):
    """Where an order is. Each comment: who moves it on, and what a crash leaves."""

    #: The order waits for its condition, and nobody executes it. Its watcher moves it to `pending`.
    WAITING = "waiting"
    #: The order is stored and durable. A worker's claim moves it on; after a crash recovery rings it again.
    PENDING = "pending"
    #: Venues are being asked. Nothing has left: after a crash they are simply asked again.
    ROUTING = "routing"
    #: The choice is stored, the swap is being signed in memory. After a crash the stored choice is used.
    BUILDING = "building"
    #: The signed swap is stored and may be on the chain. After a crash the same bytes are sent again.
    SUBMITTED = "submitted"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Cause(StrEnum):
    """What moves an order. Each comment: who says so."""

    #: The watcher: the order's condition has come true.
    TRIGGER = "trigger"
    #: A worker that has taken a free slot.
    CLAIM = "claim"
    #: Routing: the best quote that keeps the order's bound.
    CHOOSE = "choose"
    #: The wallet: the signed bytes are stored in the same commit, before anything is sent.
    SUBMIT = "submit"
    #: The chain: the swap has landed and moved money.
    CONFIRM = "confirm"
    #: The attempt has failed, nothing of it can land any more, and another attempt may do better.
    RETRY = "retry"
    #: The attempt has failed, nothing of it can land any more, and no other attempt is left or would help.
    FAIL = "fail"
    #: The worker that holds the order: its price is gone, or its time for this time is over. It waits again.
    WAIT = "wait"
    #: The user, who changes what a waiting order waits for.
    EDIT = "edit"
    #: The user.
    CANCEL = "cancel"
    #: Postgres's clock: the order's time is over and nothing of it has been sent.
    EXPIRE = "expire"


#: Where each cause leads.
TARGETS: Mapping[Cause, Status] = {
    Cause.TRIGGER: Status.PENDING,
    Cause.CLAIM: Status.ROUTING,
    Cause.CHOOSE: Status.BUILDING,
    Cause.SUBMIT: Status.SUBMITTED,
    Cause.CONFIRM: Status.CONFIRMED,
    Cause.RETRY: Status.PENDING,
    Cause.FAIL: Status.FAILED,
    Cause.WAIT: Status.WAITING,
    Cause.EDIT: Status.WAITING,
    Cause.CANCEL: Status.CANCELLED,
    Cause.EXPIRE: Status.EXPIRED,
}

#: What may happen to an order in each status. Final is what nothing can happen to.
CAUSES: Mapping[Status, tuple[Cause, ...]] = {
    Status.WAITING: (Cause.TRIGGER, Cause.EDIT, Cause.CANCEL, Cause.EXPIRE),
    Status.PENDING: (Cause.CLAIM, Cause.WAIT, Cause.FAIL, Cause.CANCEL, Cause.EXPIRE),
    Status.ROUTING: (Cause.CHOOSE, Cause.RETRY, Cause.WAIT, Cause.FAIL, Cause.CANCEL, Cause.EXPIRE),
    Status.BUILDING: (Cause.SUBMIT, Cause.RETRY, Cause.WAIT, Cause.FAIL, Cause.CANCEL, Cause.EXPIRE),
    Status.SUBMITTED: (Cause.CONFIRM, Cause.RETRY, Cause.WAIT, Cause.FAIL),
    Status.CONFIRMED: (),
    Status.FAILED: (),
    Status.CANCELLED: (),
    Status.EXPIRED: (),
}

#: The same table by status: `MOVES[from][to]` is the cause.
MOVES: Mapping[Status, Mapping[Status, Cause]] = {
    status: {TARGETS[cause]: cause for cause in causes} for status, causes in CAUSES.items()
}


def _where(cause: Cause) -> frozenset[Status]:
    return frozenset(status for status, causes in CAUSES.items() if cause in causes)


#: Nothing happens to such an order any more.
FINAL = frozenset(status for status, causes in CAUSES.items() if not causes)
LIVE = frozenset(Status) - FINAL
#: The order may be claimed, rung and counted as due, stuck or overdue. One that waits is none of these.
RUNNABLE = LIVE - {Status.WAITING}
#: Such an order is being executed and takes up one of the `OEE_MAX_ACTIVE` slots.
HOLDS_SLOT = RUNNABLE - _where(Cause.CLAIM)
#: Nothing of the order can be on the chain.
UNSENT = LIVE - {Status.SUBMITTED}
MAY_CANCEL = _where(Cause.CANCEL)
#: An order in such a status is in nobody's hands: a move to it gives lease and slot back.
LETS_GO = frozenset(Status) - HOLDS_SLOT
#: How an order ends that moved no money.
MISSED = FINAL - {Status.CONFIRMED}
#: How an order ends by itself, while nobody may look: targets outside are told.
UNASKED = FINAL - {Status.CANCELLED}
#: The way of an order that needs one attempt, from the moment it may run.
STEPS = (Status.PENDING, Status.ROUTING, Status.BUILDING, Status.SUBMITTED, Status.CONFIRMED)


class IllegalMove(Exception):
    """A fault of the engine: its code asked for a move that the table does not have. Nothing was changed."""


def check(current: Status, wanted: Status) -> Cause:
    """The cause of the move from `current` to `wanted`. Raises `IllegalMove` where there is no such move."""
    try:
        return MOVES[current][wanted]
    except KeyError:
        raise IllegalMove(f"{current} -> {wanted}") from None

"""The moves of an order, each a named function over one statement; never a commit of its own.

A move is a compare-and-set on id, status and fence that writes the event, and where it must the swap, in the
same statement, for all orders whose move is of that kind and flies with it. No row back means that somebody
else moved the order: the caller stops quietly. All times are Postgres's, because leases and due times are
compared between processes whose clocks may differ. Every commit waits for the disk, those that a crash may
repeat for free too: an event that was streamed must not come back as another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.contract.status import FINAL, LETS_GO, MISSED, Status, check
from oee_daemon.errors import AttemptFailed
from oee_daemon.orders import events
from oee_daemon.orders.conditions import Back
from oee_daemon.orders.events import Data
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import Fill, Quote, SignedSwap, VenueAnswer
from oee_daemon.store.engine_row import Where, place
from oee_daemon.store.group_sql import DISARMED, HAS_TURN, OTHERS_STOPPED, TURN_GIVEN, UNFILLED
from oee_daemon.store.halt_row import SHARED_LOCK
from oee_daemon.store.lease_sql import FREED
from oee_daemon.store.order_rows import ORDER, order_row, read_times, said
from oee_daemon.store.postgres_line import Batch, Line, answered, asked
from oee_daemon.store.predicates import EXPIRED, HALTED, IS_THERE, MAY_CANCEL
from oee_daemon.store.sql_statement import Statement
from oee_daemon.timing import USUAL

#: The price of a trailing stop that has not fired; null of any other order.
_TRAILED = """CASE asked.arm_rule WHEN 2 THEN peak * (10000 - trail_bps) / 10000
            WHEN 3 THEN peak * (10000 + trail_bps) / 10000 END"""
#: What every move is asked with: whose it is and as what it is held; and its event.
_HELD = "id uuid, held_as text, held_by bigint, data jsonb"


def _changes_of(to: Status, sets: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """What a move to `to` is asked with, each as in "attempt int", and what it sets of the order."""
    given = list(sets)
    changes = [f"{column} = asked.{column}" for column in (one.split()[0] for one in sets)]
    if to not in LETS_GO:
        # No indexed column changes here, so that Postgres touches no index.
        given.append("lease interval")
        changes += ["lease_until = clock_timestamp() + lease"]
    else:
        # Between attempts nobody holds it: ten at once means ten leases.
        changes += ["lease_owner = NULL", "lease_until = NULL", "rung_at = NULL"]
    if to is Status.EXPIRED:
        changes.append(DISARMED)
    if to is Status.WAITING:
        given.append("rest interval")
        changes += ["next_run_at = NULL", "expires_at = good_until"]
        # A stop that has fired never goes back: the others of its group wait for its end.
        changes.append("turn = CASE WHEN asked.latched THEN turn END")
        changes += ["look_at = clock_timestamp() + rest"]
        # A trailing stop that has not fired waits by its peak.
        changes.remove("arm_price = asked.arm_price")
        changes.append(f"arm_price = coalesce(asked.arm_price, {_TRAILED})")
    elif to in FINAL:
        changes += ["finished_at = clock_timestamp()", "next_run_at = NULL"]
        if to in MISSED:
            changes.append("turn = NULL")
    elif to in LETS_GO:
        given.append("delay interval")
        changes += ["next_run_at = clock_timestamp() + delay"]
    return given, changes


def _move_to(
    to: Status,
    name: str,
    what: str,
    sets: tuple[str, ...] = (),
    *,
    first: str | None = None,
    only: str = "true",
    beside: str = "",
    more: tuple[str, ...] = (),
    tells: str = "",
) -> Batch:
    """The statement of moves to `to`, of orders that are held. `sets`: columns that it sets to what it is
    asked with by their names, as in "attempt int"; `first`: see `Batch`; `only`: what else has to be so of
    the order; `more`: what `beside` is asked with, likewise; `tells`: what it answers beside."""
    # `only` stands in a `CASE` over both tables: what is said of orders alone Postgres may take for the way
    # to them, and read all that there are.
    given, changes = _changes_of(to, sets)
    if to in LETS_GO:
        beside += f", freed AS ({FREED.format(moved='moved')})"
    told = ", ".join(f"asked.{column.split()[0]}" for column in ("n", "data", *more))
    columns = ", ".join([_HELD, *given, *more])
    text = f"""
    -- {name}: {what}
    WITH {asked(columns, "id")}, moved AS (
        UPDATE orders SET status = '{to}', event_seq = event_seq + 1, updated_at = clock_timestamp(),
            {", ".join(changes)}
        FROM asked WHERE orders.id = asked.id AND status = held_as AND fence = held_by
            AND CASE WHEN asked.n > 0 THEN {only} END
        RETURNING orders.id, event_seq, status, orders.attempt, updated_at, finished_at, next_run_at,
            {EXPIRED} AS expired_by_now, orders.signature, orders.group_id, orders.turn, {told}
    ), {said("data")}{beside}
    {answered(f"SELECT n, updated_at, finished_at, next_run_at, expired_by_now{tells} FROM moved")}
    """  # noqa: S608  # the names are our own columns
    return Batch(text, first=first)


_STORED = """, stored AS (
        INSERT INTO swaps (order_id, attempt, signature, raw, last_valid_height)
        SELECT id, attempt, signature, raw, height FROM moved
    )"""
_SWAP_ENDED = """, ended AS (
        UPDATE swaps SET state = swap_ended, ended_at = clock_timestamp() FROM moved
        WHERE swaps.order_id = moved.id AND swaps.state = 'signed' AND swap_ended IS NOT NULL
    )"""
_RETURNED = """, counted AS (
        INSERT INTO returned AS r (code, total)
        SELECT data->'why'->>'code' AS code, count(*) FROM moved GROUP BY 1 ORDER BY 1
        ON CONFLICT (code) DO UPDATE SET total = r.total + excluded.total
    )"""
_BOUND = ("min_receive numeric", "max_spend numeric", "fixed_by text")
_CHOICE = ("venue text", "quote_in numeric", "quote_out numeric", "quote_fee numeric", "route bytea", *_BOUND)
_FILLED = ("signature text", "filled_in numeric", "filled_out numeric", "fee numeric")
_AGAIN = ("attempt int", "venue text", "signature text", "asks int", "rejections int")
_ANEW = (*_AGAIN, "barred text[]", *_BOUND)

_CHOOSE = _move_to(Status.BUILDING, "choose", "stores the choice", _CHOICE)
_SUBMIT = _move_to(
    Status.SUBMITTED,
    "submit",
    "stores the signed swap before it is sent, but not past the order's time, nor under a halt",
    ("signature text", "route bytea"),
    first=SHARED_LOCK,
    only=f"NOT {EXPIRED} AND NOT {HALTED} AND {HAS_TURN}",
    beside=_STORED,
    more=("raw bytea", "height bigint"),
)
_CONFIRM = _move_to(
    Status.CONFIRMED,
    "confirm",
    "stores the fill",
    _FILLED,
    only="group_id IS NULL",
    beside=_SWAP_ENDED,
    more=("swap_ended text",),
)
_CONFIRM_ONE = _move_to(
    Status.CONFIRMED,
    "confirm_one",
    "stores the fill of one of a group, and stops the others",
    _FILLED,
    beside=f"{_SWAP_ENDED}, {OTHERS_STOPPED}",
    more=("swap_ended text",),
    tells=", (SELECT json_agg(s.id) FROM stopped s WHERE s.filled = moved.id) AS stopped",
)
_RETRY = _move_to(
    Status.PENDING,
    "retry",
    "ends an attempt; another follows",
    _ANEW,
    only=HAS_TURN,
    beside=_SWAP_ENDED,
    more=("swap_ended text",),
)
_FAIL = _move_to(
    Status.FAILED,
    "fail",
    "ends the order with its attempt",
    ("error jsonb", "barred text[]"),
    beside=f"{_SWAP_ENDED}, {TURN_GIVEN}",
    more=("swap_ended text",),
)
_WAIT = _move_to(
    Status.WAITING,
    "wait",
    "ends an attempt; the order waits for its price again, unless its time to wait is over",
    (*_AGAIN, "returns int", "latched boolean", "arm_rule smallint", "arm_price numeric"),
    only=f"(good_until > clock_timestamp()) IS NOT FALSE AND {UNFILLED}",
    beside=f"{_SWAP_ENDED}, {TURN_GIVEN}{_RETURNED}",
    more=("swap_ended text",),
)
_EXPIRE = _move_to(
    Status.EXPIRED, "expire", "ends an order whose time is over", ("error jsonb",), beside=f", {TURN_GIVEN}"
)


async def _move(
    line: Line,
    order: Order,
    to: Status,
    batch: Batch,
    data: events.Said,
    changes: dict[str, Any],
    stopped: list[UUID] | None = None,
    **values: Any,
) -> Order | None:
    """Moves an order that the caller holds, with its event. `changes`: fields of the order; `values`: what
    else the statement asks for; `stopped`: takes up which others it has stopped. None: somebody else moved
    it. Raises `IllegalMove`."""
    check(order.status, to)
    held = {"id": order.id, "held_as": order.status, "held_by": order.fence, "data": data}
    row = await line.ask(batch, changes | values | held)
    if row is None:
        return None
    others = row.pop("stopped", None) or ()
    if stopped is not None:
        stopped += map(UUID, others)
    # Its other columns are as they were: nobody else writes them while the fence stands.
    return order.moved(status=to, event_seq=order.event_seq + 1, **changes, **read_times(row))


async def choose(
    line: Line,
    order: Order,
    quote: Quote,
    answers: Sequence[VenueAnswer],
    bound: int,
    *,
    verdicts: Sequence[Data] = (),
    lease: timedelta = USUAL.lease,
) -> Order | None:
    """To `building`: `quote` is chosen among `answers`. `bound`: what no fill may be worse than; `verdicts`:
    of a new token's checks."""
    changes: dict[str, Any] = {"venue": quote.venue, "route": quote.route or None}
    changes |= {"quote_in": quote.amount_in, "quote_out": quote.amount_out}
    changes |= {"quote_fee": quote.fee, "min_receive": order.min_receive, "max_spend": order.max_spend}
    changes["min_receive" if order.swap_mode is SwapMode.EXACT_IN else "max_spend"] = bound
    changes["fixed_by"] = quote.venue if order.bound is None else order.fixed_by
    data = events.building(quote.venue, answers, verdicts)
    return await _move(line, order, Status.BUILDING, _CHOOSE, data, changes, lease=lease)


async def submit(
    line: Line, order: Order, swap: SignedSwap, *, lease: timedelta = USUAL.lease
) -> Order | None:
    """To `submitted`, with the swap as `signed`. None, too: the order's time is over, or the engine is
    halted."""
    data, changes = events.submitted(swap.signature), {"signature": swap.signature, "route": None}
    stored: dict[str, Any] = {"raw": swap.raw, "height": swap.last_valid_height}
    return await _move(line, order, Status.SUBMITTED, _SUBMIT, data, changes, lease=lease, **stored)


async def confirm(
    line: Line, order: Order, fill: Fill, swap_ended: str | None, stopped: list[UUID] | None = None
) -> Order | None:
    """To `confirmed`; of a group whoever waits is cancelled with it. `swap_ended`: what the order's live swap
    becomes; None leaves it. `stopped`: takes up who was cancelled."""
    changes = {"signature": fill.signature, "filled_in": fill.amount_in, "filled_out": fill.amount_out}
    changes |= {"fee": fill.fee}
    data = events.confirmed(fill)
    batch = _CONFIRM if order.group_id is None else _CONFIRM_ONE
    return await _move(line, order, Status.CONFIRMED, batch, data, changes, stopped, swap_ended=swap_ended)


async def retry(
    line: Line,
    order: Order,
    failure: AttemptFailed,
    delay: timedelta,
    answers: Sequence[VenueAnswer],
    swap_ended: str | None,
    bars: str | None = None,
    *,
    rejections: int = 0,
) -> Order | None:
    """To `pending`, for the next attempt after `delay`. `bars`: a venue that the order asks no more;
    `rejections`: on the chain in a row. None, too: its group's turn is another's."""
    data = events.ended(failure.as_dict(), answers, round(delay.total_seconds() * 1000), bars)
    changes: dict[str, Any] = {"attempt": order.attempt + 1, "venue": None, "signature": None, "asks": 0}
    changes |= {"rejections": rejections, "barred": order.barring(bars), "fixed_by": order.fixed_by}
    changes |= {"min_receive": order.min_receive, "max_spend": order.max_spend}
    if order.fixed_by is not None and bars == order.fixed_by:
        # A bound that was made of a lie would keep every honest price out, or nothing at all.
        changes |= dict.fromkeys(("fixed_by", "min_receive", "max_spend"))
    return await _move(line, order, Status.PENDING, _RETRY, data, changes, delay=delay, swap_ended=swap_ended)


async def fail(
    line: Line,
    order: Order,
    failure: AttemptFailed,
    answers: Sequence[VenueAnswer],
    swap_ended: str | None,
    bars: str | None = None,
) -> Order | None:
    """To `failed`: no other attempt is left, or would help."""
    error = failure.as_dict()
    data = events.ended(error, answers, barred=bars)
    changes = {"error": error, "barred": order.barring(bars)}
    return await _move(line, order, Status.FAILED, _FAIL, data, changes, swap_ended=swap_ended)


async def wait(
    line: Line,
    order: Order,
    back: Back,
    why: Data,
    answers: Sequence[VenueAnswer],
    swap_ended: str | None,
) -> Order | None:
    """To `waiting`: its price is gone, or its time for this time is over. None, too: so is its time to wait,
    or another order of its group was filled. `why`: the code and the sentence."""
    data = events.waiting(why, answers, round(back.rest.total_seconds() * 1000))
    changes: dict[str, Any] = {"attempt": order.attempt + 1, "venue": None, "signature": None, "asks": 0}
    changes |= {"returns": back.returns, "rejections": back.rejections, "latched": back.latched}
    values: dict[str, Any] = {"arm_rule": back.rule, "arm_price": back.price, "rest": back.rest}
    return await _move(line, order, Status.WAITING, _WAIT, data, changes, swap_ended=swap_ended, **values)


async def expire(line: Line, order: Order, failure: AttemptFailed | None) -> Order | None:
    """To `expired`. `failure`: why nobody executed the order in time, where that is known."""
    error = None if failure is None else failure.as_dict()
    return await _move(line, order, Status.EXPIRED, _EXPIRE, events.ended(error), {"error": error})


def cancelling(name: str, which: str, told: str) -> str:
    """The statement that stops orders of which nothing has been sent, whoever holds them, while the database
    is where it was: another one may have forgotten that an order was sent."""
    return f"""
    -- {name}: stops what has not been sent, whoever holds it
    WITH moved AS (
        UPDATE orders SET
            status = 'cancelled', fence = fence + 1, event_seq = event_seq + 1,
            updated_at = clock_timestamp(), finished_at = clock_timestamp(), next_run_at = NULL,
            lease_owner = NULL, lease_until = NULL, rung_at = NULL, {DISARMED}, turn = NULL
        WHERE {which} AND {MAY_CANCEL} AND {IS_THERE}
        RETURNING {told}
    ), {said("'{}'")}, freed AS ({FREED.format(moved="moved")}), {TURN_GIVEN}
    SELECT * FROM moved
    """  # noqa: S608  # the names are our own columns


_CANCEL = Statement(cancelling("cancel", "id = %(id)s", ORDER), order_row)


def cancel(conn: Connection, order_id: UUID, seen: Where | None = None) -> Order | None:
    """Cancels whoever holds it: the raised fence tells them. None: it may be on the chain, or is final, or
    the database is not where it was `seen`."""
    return _CANCEL.first(conn, {"id": order_id} | place(seen))

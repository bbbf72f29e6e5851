"""The tables of orders, as SQLAlchemy Core; `tables_of_engine` has the others, in the same `metadata`.

Postgres decides every race by what stands here.
`swaps_one_live` is the last line of defence: an order can't have two swaps that may still land.
A network that keeps something in Postgres has tables of its own, which it makes itself.
No foreign keys: whoever writes an event or a swap does so from the order's row, in the same statement, and
the checks would cost an eighth of what Postgres does for an order.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Sequence,
    SmallInteger,
    Table,
    Text,
    Uuid,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, UserDefinedType

from oee_daemon.contract import status
from oee_daemon.contract.status import Status
from oee_daemon.contract.terms import Side, SwapMode
from oee_daemon.store import predicates


class Units(TypeDecorator[int]):
    """Base units: an integer up to a u64, which is one bit more than a bigint holds."""

    impl = Numeric(20, 0)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> Any:
        return None if value is None else Decimal(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        return None if value is None else int(value)


class Xid8(UserDefinedType[int]):
    """The number of a transaction, which never comes round again."""

    cache_ok = True

    def get_col_spec(self, **_kw: Any) -> str:
        return "xid8"


def _one_of(column: str, values: Any) -> str:
    return f"{column} IN ({', '.join(repr(str(v)) for v in values)})"


metadata = MetaData()
Time = DateTime(timezone=True)
#: The order's number counts accepted orders from 1; the simulated market depends on it.
order_numbers = Sequence("order_numbers", metadata=metadata)
#: How an order ends that moved nothing.
MISSED = tuple(sorted(status.MISSED))
_UNSIGNED = sorted(status.RUNNABLE & status.UNSENT)
#: The classes of slots: those that every order takes, and those beyond them for what can't wait for one.
MARKET, URGENT = "market", "urgent"

orders = Table(
    "orders",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column(
        "number",
        BigInteger,
        order_numbers,
        server_default=order_numbers.next_value(),
        unique=True,
        nullable=False,
    ),
    Column("network", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("pair", Text, nullable=False),
    Column("input_mint", Text, nullable=False),
    Column("output_mint", Text, nullable=False),
    Column("amount", Units, nullable=False),
    Column("swap_mode", Text, nullable=False),
    Column("slippage_bps", Integer, nullable=False),
    # The fixed worst amount: given by the order, or set once by the first choice.
    Column("min_receive", Units),
    Column("max_spend", Units),
    Column("valid_for_s", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempt", Integer, nullable=False, server_default="1"),
    Column("event_seq", Integer, nullable=False, server_default="1"),
    # The choice of the running attempt, so that a crash in `building` uses the same quote.
    Column("venue", Text),
    Column("quote_in", Units),
    Column("quote_out", Units),
    Column("quote_fee", Units),
    # What that venue needs to build the swap, opaque to everybody else; gone once it is signed.
    Column("route", LargeBinary),
    Column("filled_in", Units),
    Column("filled_out", Units),
    Column("fee", Units),
    Column("signature", Text),
    Column("error", JSONB(none_as_null=True)),
    Column("idempotency_key", Text, unique=True),
    Column("request_hash", LargeBinary),
    # Who works on it: each claim raises the fence, so that an older holder's moves find no row.
    Column("fence", BigInteger, nullable=False, server_default="0"),
    Column("lease_owner", Text),
    Column("lease_until", Time),
    Column("next_run_at", Time, server_default=func.now()),
    Column("rung_at", Time),
    # How often a thread let go of it without an answer from the chain: its pauses grow.
    Column("asks", Integer, nullable=False, server_default="0"),
    # How many of its runs ended in a fault of ours, and where the last one did: those pauses grow, too.
    Column("faults", Integer, nullable=False, server_default="0"),
    Column("fault", Text),
    # Venues that built a swap which was not signed; what is barred stays so until the order's end.
    Column("barred", ARRAY(Text)),
    # Whose quote fixed the bound: where that one is barred, its bound goes with it.
    Column("fixed_by", Text),
    Column("created_at", Time, nullable=False, server_default=func.clock_timestamp()),
    Column("updated_at", Time, nullable=False, server_default=func.clock_timestamp()),
    Column("finished_at", Time),
    # Nothing is sent after this. Only what waits may have no end.
    Column("expires_at", Time),
    # What an order waits for, as it was asked for; prices are quote per base.
    Column("target_price", Numeric),
    Column("limit_price", Numeric),
    Column("trail_bps", Integer),
    Column("confirm_ms", Integer),
    Column("launch_at", Time),
    # The mint that it waits to be listed, the US dollars that its pool has to hold, the risks that are taken.
    Column("token_address", Text),
    Column("min_liquidity", BigInteger),
    Column("accepted_risks", ARRAY(Text)),
    # Until when it waits; null for ever.
    Column("good_until", Time),
    # What it waits for now: one comparison, by `conditions.Rule`, and not before `look_at`.
    Column("arm_rule", SmallInteger),
    Column("arm_price", Numeric),
    Column("look_at", Time),
    # The best price that a trailing stop has seen.
    Column("peak", Numeric),
    # A stop that has fired and now waits for its limit.
    Column("latched", Boolean, nullable=False, server_default=false()),
    # How often it fired, when last, and the first attempt of that time.
    Column("firings", Integer, nullable=False, server_default="0"),
    Column("fired_at", Time),
    Column("first_attempt", Integer, nullable=False, server_default="1"),
    # How often in a row it came back to wait, and after a rejection on the chain.
    Column("returns", Integer, nullable=False, server_default="0"),
    Column("rejections", Integer, nullable=False, server_default="0"),
    # Of those of a group that exclude each other one has the turn.
    Column("group_id", Uuid),
    Column("turn", Uuid),
    # The status of an order that moved nothing. Few end so, and only they stand in its index.
    Column("missed", Text, Computed(f"CASE WHEN {_one_of('status', MISSED)} THEN status END", True)),
    CheckConstraint(_one_of("status", Status), name="orders_status"),
    CheckConstraint(_one_of("side", Side), name="orders_side"),
    CheckConstraint(_one_of("swap_mode", SwapMode), name="orders_swap_mode"),
    CheckConstraint("amount > 0", name="orders_amount"),
    CheckConstraint(
        "(status = 'confirmed') = (filled_in IS NOT NULL AND filled_out IS NOT NULL)", name="orders_filled"
    ),
    # What statuses say, in the words of the partial indexes; see `predicates`.
    CheckConstraint(f"({predicates.IS_LIVE}) = (finished_at IS NULL)", name="orders_finished"),
    CheckConstraint(f"({predicates.IS_RUNNABLE}) = ({predicates.RUNNABLE})", name="orders_runnable"),
    CheckConstraint("(status = 'waiting') = (arm_rule IS NOT NULL)", name="orders_armed_waits"),
    CheckConstraint("arm_rule IS NULL OR lease_owner IS NULL", name="orders_armed_free"),
    CheckConstraint("arm_rule IS NOT NULL OR arm_price IS NULL AND look_at IS NULL", name="orders_armed"),
    CheckConstraint("next_run_at IS NULL OR expires_at IS NOT NULL", name="orders_ends"),
    CheckConstraint("turn IS NULL OR turn = group_id AND missed IS NULL", name="orders_turn_live"),
    CheckConstraint(
        f"group_id IS NULL OR turn IS NOT NULL OR NOT {_one_of('status', _UNSIGNED)}",
        name="orders_turn_taken",
    ),
    # Room on each page for an order's next versions.
    postgresql_with={"fillfactor": 75},
)
# No index names the status: an update that changes no indexed column leaves every index alone, and so do all
# moves of an order from its claim to its end.
Index("orders_due", orders.c.next_run_at, postgresql_where=text(predicates.RUNNABLE))
Index(
    "orders_urgent",
    orders.c.next_run_at,
    postgresql_where=text(f"{predicates.RUNNABLE} AND {predicates.IS_URGENT}"),
)
Index("orders_waiting", orders.c.expires_at, postgresql_where=text(predicates.WAITING))
# What the watcher compares with prices and clocks.
Index(
    "orders_armed",
    orders.c.pair,
    orders.c.arm_rule,
    orders.c.arm_price,
    orders.c.number,
    postgresql_where=text("arm_price IS NOT NULL"),
)
Index("orders_launch", orders.c.launch_at, postgresql_where=text("arm_rule = 4"))
Index("orders_listed", orders.c.token_address, postgresql_where=text("arm_rule = 5"))
Index("orders_look", orders.c.look_at, postgresql_where=text("look_at IS NOT NULL"))
Index(
    "orders_trail",
    orders.c.pair,
    orders.c.arm_rule,
    orders.c.peak,
    postgresql_where=text("trail_bps IS NOT NULL AND arm_rule IS NOT NULL"),
)
Index("orders_latched", orders.c.number, postgresql_where=text("latched AND arm_rule IS NOT NULL"))
Index("orders_group", orders.c.group_id, postgresql_where=text("group_id IS NOT NULL"))
# The last line of defence, as `swaps_one_live`: of a group no two are beyond waiting.
Index("orders_turn", orders.c.turn, unique=True, postgresql_where=text("turn IS NOT NULL"))
# What ended last: for those who watch, and for what goes by age.
Index("orders_ended", orders.c.finished_at, postgresql_where=text("finished_at IS NOT NULL"))
# What listings walk, newest first; see `listing_sql`.
Index("orders_created", orders.c.created_at, orders.c.number)
Index("orders_market", orders.c.pair, orders.c.side, orders.c.number)
Index(
    "orders_missed",
    orders.c.missed,
    orders.c.pair,
    orders.c.side,
    orders.c.number,
    postgresql_where=text("missed IS NOT NULL"),
)

swaps = Table(
    "swaps",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("signature", Text, nullable=False, unique=True),
    Column("raw", LargeBinary, nullable=False),
    Column("last_valid_height", BigInteger, nullable=False),
    Column("state", Text, nullable=False, server_default="signed"),
    Column("signed_at", Time, nullable=False, server_default=func.clock_timestamp()),
    Column("ended_at", Time),
    CheckConstraint("state IN ('signed', 'landed', 'rejected', 'lapsed')", name="swaps_state"),
)
Index(
    "swaps_one_live",
    swaps.c.order_id,
    unique=True,
    postgresql_where=text("state IN ('signed', 'landed')"),
)

order_events = Table(
    "order_events",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("status", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("at", Time, nullable=False, server_default=func.clock_timestamp()),
    Column("data", JSONB, nullable=False),
    # The transaction that wrote it; see `tail_sql`. No event of before that was known has one.
    Column("xact", Xid8, server_default=func.pg_current_xact_id()),
)
Index("order_events_xact", order_events.c.xact, postgresql_where=text("xact IS NOT NULL"))

#: One row for each order that may be in execution at once, in each class numbered from 1. An order in none is
#: not executing.
execution_slots = Table(
    "execution_slots",
    metadata,
    Column("class", Text, primary_key=True, server_default=MARKET),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("order_id", Uuid),
    Column("taken_at", Time),
    # Small and always written: room on each page keeps its updates in place.
    postgresql_with={"fillfactor": 50},
)

#: Orders of which at most one is filled. `turn`: the one that may be executed now; `filled`: that was.
groups = Table(
    "order_groups",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("turn", Uuid),
    Column("filled", Uuid),
    Column("idempotency_key", Text, unique=True),
    Column("request_hash", LargeBinary),
    Column("created_at", Time, nullable=False, server_default=func.clock_timestamp()),
    CheckConstraint(_one_of("rule", ("oco",)), name="order_groups_rule"),
)

#: Idempotency keys whose orders retention has removed: keys never expire.
spent_keys = Table(
    "spent_keys",
    metadata,
    Column("idempotency_key", Text, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("status", Text, nullable=False),
    Column("finished_at", Time, nullable=False),
)

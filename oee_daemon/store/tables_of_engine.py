"""The engine's tables besides those of orders, as SQLAlchemy Core: who watches, what was seen, what is kept.

They stand in the `metadata` of `tables`. Whoever compares a database with it imports this module.
Statements on them are SQL, in the module that each comment names.
"""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    Numeric,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from oee_daemon.store.tables import Time, Units, Xid8, metadata

#: The one row that says who watches prices: each new leader raises the fence. `seen_at`: until when somebody
#: did.
watch = Table(
    "watch",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("owner", Text, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("lease_until", Time, nullable=False),
    Column("seen_at", Time),
    # Orders that have fired by a price.
    Column("fired", BigInteger, nullable=False, server_default="0"),
    # Orders whose price is there and which wait for room, and since when there are any.
    Column("deferred", Integer, nullable=False, server_default="0"),
    Column("deferred_since", Time),
    # Looks at an order whose price was there for a little, and not for its own size.
    Column("missed", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("one = 1"),
    postgresql_with={"fillfactor": 50},
)

#: How often orders have gone back to wait, by why.
returned = Table(
    "returned",
    metadata,
    Column("code", Text, primary_key=True),
    Column("total", BigInteger, nullable=False),
)

#: The newest price of each pair that somebody waits for, as the leader says once a second.
feeds = Table(
    "feeds",
    metadata,
    Column("pair", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("bid", Numeric),
    Column("ask", Numeric),
    Column("slot", BigInteger),
    # When it was so; null until there is a price.
    Column("priced_at", Time),
    Column("cadence_ms", Integer, nullable=False),
    Column("max_age_ms", Integer, nullable=False),
    postgresql_with={"fillfactor": 50},
)

#: Times in which nobody saw a fresh price of a pair that orders waited on. `ended`: null while it lasts.
gaps = Table(
    "gaps",
    metadata,
    Column("pair", Text, primary_key=True),
    Column("begun", Time, primary_key=True),
    Column("ended", Time),
    Column("reason", Text, nullable=False),
    # The transaction that wrote it, by which it is news.
    Column("xact", Xid8, server_default=func.pg_current_xact_id()),
)
Index("gaps_xact", gaps.c.xact, postgresql_where=text("xact IS NOT NULL"))

#: Which workers take up what is due, as each says once a second. Not logged: see `readiness_sql`.
workers = Table(
    "workers",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("network", Text, nullable=False),
    Column("seen_at", Time, nullable=False),
    # The newest halt for which it has said that it sends nothing; see `halt_row`.
    Column("quiet", BigInteger),
    prefixes=["UNLOGGED"],
    postgresql_with={"fillfactor": 50},
)

#: Tokens that are not pinned: those that the user added, and those that an order named by a mint. None is
#: ever deleted: by its decimals alone the amounts of past orders can be shown.
tokens = Table(
    "tokens",
    metadata,
    Column("mint", Text, primary_key=True),
    # What the user calls it; none where it goes by its mint.
    Column("symbol", Text),
    Column("decimals", Integer, nullable=False),
    # What the chain said of it when it was added or named; see `engine_token_desk`.
    Column("facts", JSONB, nullable=False),
    # The extensions whose risk the user took.
    Column("accepted", ARRAY(Text), nullable=False, server_default="{}"),
    Column("added", Boolean, nullable=False, server_default="false"),
    Column("made_at", Time, nullable=False, server_default=func.clock_timestamp()),
    CheckConstraint("decimals BETWEEN 0 AND 255", name="tokens_decimals"),
)
Index("tokens_symbol", func.lower(tokens.c.symbol), unique=True)

#: The one row that says whether the engine is halted; none where it never was. See `halt_row`.
halt = Table(
    "halt",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("halted", Boolean, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("at", Time, nullable=False),
    Column("reason", Text),
    Column("by", Text),
    CheckConstraint("one = 1", name="halt_one"),
)

#: What orders have spent, in millionths of a US dollar, by the minute in which they ended; and what each
#: that has not ended may spend at its worst. `units`: of its input. See `spending_sql`.
spent = Table(
    "spent",
    metadata,
    Column("minute", Time, primary_key=True),
    Column("amount", Units, nullable=False),
    CheckConstraint("amount >= 0", name="spent_amount"),
)
reservations = Table(
    "reservations",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("amount", Units, nullable=False),
    Column("units", Units, nullable=False),
)
#: Orders whose part in `spent` is in it, for as long as it counts.
counted = Table(
    "counted",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("minute", Time, nullable=False),
)

#: Up to where each target outside has been told what happens. See `telling_sql`.
tellings = Table(
    "tellings",
    metadata,
    Column("target", Text, primary_key=True),
    Column("seen", Text, nullable=False),
    Column("halt", BigInteger, nullable=False),
    Column("owner", Text, nullable=False),
    Column("lease_until", Time, nullable=False),
)

#: The one row that says whose database this is; see `engine_row`.
engine = Table(
    "engine",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("id", Uuid, nullable=False),
    Column("network", Text, nullable=False),
    Column("chain", Text, nullable=False),
    Column("wallet", Text, nullable=False),
    # Where the database was last seen to be: its server, and that server's timeline. Null where it can't say.
    Column("server", Text),
    Column("timeline", Text),
    # The newest landing of which it is known that the database has its swap, or that it was looked into.
    Column("newest_fill", Text),
    CheckConstraint("one = 1"),
)

#: Live orders that may have been executed without a trace in this database; see `recall`.
doubts = Table(
    "doubts",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    # The chain that it may be on.
    Column("chain", Text, nullable=False),
    # Until when another engine may sign for it: the one whose copy this is. Null: there is none.
    Column("until", Time),
    # The last height at which what was signed can land; null until the chain could be asked.
    Column("last_height", BigInteger),
)

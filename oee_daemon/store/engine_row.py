"""The SQL of whose database this is, the row in `engine`, and of where it is.

`engine.engine_identity` compares.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import ProgrammingError

from oee_daemon.store.predicates import IS_THERE
from oee_daemon.store.sql_statement import Statement, named_row

#: Any number that is ours: who reads and writes the row waits for each other on it.
_LOCK_NUMBER = 0x0EE_1DE47

_WHERE = Statement("""
    -- where: the server, its timeline, the bytes of its log that are on disk, and since when it runs
    SELECT (SELECT system_identifier::text FROM pg_control_system()),
        left(pg_walfile_name(pg_current_wal_lsn()), 8),
        (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint, pg_postmaster_start_time()
""")
_IS_THERE = Statement(f"-- is_there: whether this connection leads to where it was seen\nSELECT {IS_THERE}")
_LOCK = Statement(f"-- lock: until the transaction ends\nSELECT pg_advisory_xact_lock({_LOCK_NUMBER})")
_WHOSE = Statement(
    "-- whose: what the first start wrote, and the last saw\n"
    "SELECT network, chain, wallet, server, timeline, newest_fill FROM engine",
    named_row,
)
_WRITE = Statement("""
    -- write: whose it is, once, and where it is seen now
    INSERT INTO engine (one, id, network, chain, wallet, server, timeline, newest_fill)
    VALUES (1, gen_random_uuid(), %(network)s, %(chain)s, %(wallet)s, %(server)s, %(timeline)s, %(newest)s)
    ON CONFLICT (one) DO UPDATE SET newest_fill = EXCLUDED.newest_fill,
        server = coalesce(EXCLUDED.server, engine.server),
        timeline = coalesce(EXCLUDED.timeline, engine.timeline)
""")


class Where(NamedTuple):
    """A Postgres server, its timeline, the bytes of its log that are on disk, and since when it runs."""

    server: str
    timeline: str
    flushed: int
    started: datetime


def place(seen: Where | None) -> dict[str, Any]:
    """What `predicates.IS_THERE` asks for: true everywhere where nobody has seen where the database is."""
    return {"timeline": None, "started": None} if seen is None else {"timeline": seen[1], "started": seen[3]}


def is_there(conn: Connection, seen: Where | None) -> bool:
    """Whether this connection leads to where the database was `seen`; it leads there for good then. One that
    is as old as a server that lost its place to another leads to that server."""
    return bool(_IS_THERE.value(conn, place(seen)))


def where(conn: Connection) -> Where | None:
    """Where the database is; none where this role, or this kind of Postgres, may not know."""
    try:
        return Where(*_WHERE.one(conn))
    except ProgrammingError:
        return None


def lock(conn: Connection) -> None:
    """Waits until nobody else compares or writes; holds until the transaction ends."""
    _LOCK.first(conn)


def whose(conn: Connection) -> Any:
    """The row in `engine`; none where no engine has worked on the database yet."""
    return _WHOSE.first(conn)


def write(
    conn: Connection, here: Where | None, newest: str | None, *, network: str, chain: str, wallet: str
) -> None:
    """`newest`: the signature of the newest landing. Network, chain and wallet stay what they were."""
    server, timeline = (None, None) if here is None else here[:2]
    values = {"network": network, "chain": chain, "wallet": wallet, "newest": newest}
    _WRITE.run(conn, values | {"server": server, "timeline": timeline})

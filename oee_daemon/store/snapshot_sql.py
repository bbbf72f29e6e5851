"""The SQL of a backup: what a database holds, in which snapshot, and the end of all that was live."""

from __future__ import annotations

from typing import NamedTuple

from psycopg.rows import class_row
from sqlalchemy import Connection

from oee_daemon.store.predicates import IS_LIVE
from oee_daemon.store.sql_statement import Statement


class Holds(NamedTuple):
    """What a database holds: its schema's revision, its orders and those of them that are not final."""

    revision: str
    orders: int
    live: int


_HOLDS = Statement(
    f"""
    -- holds: of any release's schema
    SELECT (SELECT version_num FROM alembic_version) AS revision,
        count(*) AS orders, count(*) FILTER (WHERE {IS_LIVE}) AS live FROM orders
    """,  # noqa: S608  # a predicate of ours
    class_row(Holds),
)
_SNAPSHOT = Statement(
    "-- snapshot: the name by which another connection sees what this one sees\nSELECT pg_export_snapshot()"
)
# The first is over by every clock, also on a machine whose clock is set back after the restore.
_END_ALL = (
    Statement(
        "-- end: every order's time, and its time to wait\n"
        "UPDATE orders SET expires_at = 'epoch', good_until = 'epoch' WHERE finished_at IS NULL"
    ),
    Statement("-- free: every slot\nUPDATE execution_slots SET order_id = NULL, taken_at = NULL"),
    Statement("-- disown: the next start says whose this is\nDELETE FROM engine"),
)
_ANALYZE = Statement("-- analyze: everything that came\nANALYZE")


def holds(conn: Connection) -> Holds:
    return _HOLDS.one(conn)


def export(conn: Connection) -> str:
    return str(_SNAPSHOT.value(conn))


def end_all(conn: Connection) -> None:
    """Ends the time of every live order, takes it from its holder, and makes the database nobody's."""
    for statement in _END_ALL:
        statement.run(conn)


def analyze(conn: Connection) -> None:
    _ANALYZE.run(conn)

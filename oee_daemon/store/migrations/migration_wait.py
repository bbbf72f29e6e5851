"""Whom a migration waits for: who reads a table in a transaction that stays open holds it up whole.

It is said while it waits, and again when it gives up; what holds the tables is never ended from here.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

from psycopg.rows import class_row
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from oee_daemon.start_errors import Unsuitable
from oee_daemon.store.sql_statement import Statement

log = logging.getLogger(__name__)

#: Seconds that a migration waits for a table; less than a command waits for the daemon's start.
PATIENCE_S = 20
#: Between two looks, seconds.
_LOOK_S = 0.25
#: Postgres's words for a lock that did not come in time, and for two that wait for each other.
_HELD_UP = ("55P03", "40P01")


class Holder(NamedTuple):
    """A session of Postgres that holds up another one; what it may not tell is empty."""

    pid: int
    who: str
    state: str
    held: timedelta
    doing: str

    def __str__(self) -> str:
        parts = [f"process {self.pid} of Postgres", self.who, self.state, f"for {self.held}", self.doing]
        return ", ".join(part for part in parts if part)


_PROCESS = Statement("-- process: that others are asked about\nSELECT pg_backend_pid()")
_PATIENCE = Statement(
    "-- patience: of all that follows in the transaction\nSELECT set_config('lock_timeout', %(most)s, true)"
)
_HOLDERS = Statement(
    """
    -- holders: who holds up that process, the longest transaction first
    SELECT pid, concat_ws(' ', usename, nullif(application_name, ''), client_addr) AS who,
        coalesce(state, '') AS state,
        date_trunc('second', coalesce(clock_timestamp() - xact_start, interval '0')) AS held,
        coalesce(left(regexp_replace(query, '\\s+', ' ', 'g'), 80), '') AS doing
    FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids(%(pid)s::int)) ORDER BY xact_start, pid LIMIT 3
    """,
    class_row(Holder),
)


@contextmanager
def told(db: Engine, conn: Connection) -> Iterator[None]:
    """While `conn` migrates: logs whom it waits for. Raises `Unsuitable`, naming them, where a table did not
    become free within `PATIENCE_S`."""
    pid = _PROCESS.value(conn)
    seen: list[Holder] = []
    over = threading.Event()
    looks = threading.Thread(target=_look, args=(db, pid, seen, over), name="migration", daemon=True)
    looks.start()
    try:
        yield
    except OperationalError as e:
        if getattr(e.orig, "sqlstate", None) not in _HELD_UP:
            raise
        raise _gave_up(seen) from None
    finally:
        over.set()
        looks.join()


def be_patient(conn: Connection) -> None:
    """From here on this transaction waits for no lock for longer than `PATIENCE_S`."""
    _PATIENCE.first(conn, {"most": f"{PATIENCE_S}s"})


def _look(db: Engine, pid: int, seen: list[Holder], over: threading.Event) -> None:
    while not over.wait(_LOOK_S):
        try:
            with db.connect() as conn:
                found = _HOLDERS.all(conn, {"pid": pid})
        except SQLAlchemyError:
            # Whoever migrates finds out by himself, and says so.
            continue
        if found and {one.pid for one in found} != {one.pid for one in seen}:
            log.warning("the migration waits", extra={"reason": "; ".join(map(str, found))})
        if found:
            seen[:] = found


def _gave_up(seen: list[Holder]) -> Unsuitable:
    who = "; ".join(map(str, seen)) or "somebody who can't be seen, as a prepared transaction"
    end = f" or end it: SELECT pg_terminate_backend({seen[0].pid})" if seen else ""
    return Unsuitable(
        f"The database can't be brought to this release's schema: its tables are held by {who}. Nothing was"
        f" changed. Wait until that is done{end}; then start the daemon again.",
        code="schema_held",
    )

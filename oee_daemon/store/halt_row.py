"""The SQL of a halt: the row that says that nothing may be signed or sent, and the lock that makes it true.

Whoever stores a signed swap holds `LOCK` in the shared way until its commit, and reads the row in a second
statement, whose snapshot is younger than the lock. Whoever halts takes `LOCK` alone: what was being stored is
stored by then, and what comes later sees the row. The flag without the lock lets a swap be stored whose
statement began before the halt and commits after it. `engine.halting` says what follows for sends.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from psycopg.rows import class_row
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from oee_daemon.contract.storable import storable
from oee_daemon.store.database import transactions
from oee_daemon.store.predicates import IS_SENT
from oee_daemon.store.sql_statement import Statement

#: Any number that is ours.
LOCK = 0x0EE_4A17
#: Runs before each statement that stores what may be sent, in its transaction.
SHARED_LOCK = f"""
    -- may_store: waits for who halts, and makes who halts wait
    SELECT pg_advisory_xact_lock_shared({LOCK})
"""
#: Milliseconds that a halt waits for those who store; then their connections are ended, which undoes what
#: they have not committed. How often.
PATIENCE_MS, TRIES = 400, 10
#: Postgres's word for a lock that did not come in time.
_LATE = "55P03"
#: The most swaps that are told of as what may still land.
MOST = 1000


class Halt(NamedTuple):
    """A halt that holds: the how manyth of this database, since when, why, and who asked for it."""

    number: int
    at: datetime
    reason: str | None
    by: str | None


class MayLand(NamedTuple):
    """A signed swap that the chain may have, or still take."""

    order_id: UUID
    attempt: int
    signature: str
    signed_at: datetime


class Seen(NamedTuple):
    """A worker that was there of late; `quiet`: the newest halt for which it said that it sends nothing."""

    owner: str
    quiet: int | None
    seen_s: float


_HALT = "number, at, reason, by"
_READ = Statement(
    f"-- halt: the one that holds\nSELECT {_HALT} FROM halt WHERE one = 1 AND halted",
    class_row(Halt),
)
_NUMBER = Statement("-- number: of the newest halt\nSELECT number FROM halt WHERE one = 1")
_PATIENCE = Statement(
    f"-- patience: for the lock alone\nSELECT set_config('lock_timeout', '{PATIENCE_MS}', true)"
)
_ALONE = Statement(f"-- alone: once nobody stores\nSELECT pg_advisory_xact_lock({LOCK})")
_END_HOLDERS = Statement(f"""
    -- end_holders: ends the connections of those who hold the lock and do not come to their commit
    SELECT pg_terminate_backend(pid) FROM pg_locks
    WHERE locktype = 'advisory' AND classid = 0 AND objid = {LOCK} AND objsubid = 1 AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND pid <> pg_backend_pid()
""")  # noqa: S608  # a number of ours
# Since when and why stay what the first one said, unless the next one says more.
_HALT_NOW = Statement(
    f"""
    -- halt_now: from this commit on
    INSERT INTO halt (one, halted, number, at, reason, by)
    VALUES (1, true, 1, clock_timestamp(), %(reason)s, %(by)s)
    ON CONFLICT (one) DO UPDATE SET halted = true,
        number = halt.number + (NOT halt.halted)::int,
        at = CASE WHEN halt.halted THEN halt.at ELSE EXCLUDED.at END,
        reason = CASE WHEN halt.halted THEN coalesce(EXCLUDED.reason, halt.reason) ELSE EXCLUDED.reason END,
        by = CASE WHEN halt.halted THEN halt.by ELSE EXCLUDED.by END
    RETURNING {_HALT}
    """,  # noqa: S608  # the names are our own columns
    class_row(Halt),
)
_RESUME = Statement(
    f"""
    -- resume: whatever is due may go on
    UPDATE halt SET halted = false WHERE one = 1 AND halted RETURNING {_HALT}
    """,  # noqa: S608
    class_row(Halt),
)
_MAY_LAND = Statement(
    f"""
    -- may_land: signed swaps of which the chain has not said what became of them, the newest first
    SELECT order_id, swaps.attempt, swaps.signature, signed_at FROM swaps JOIN orders ON orders.id = order_id
    WHERE swaps.state = 'signed' AND next_run_at IS NOT NULL AND {IS_SENT}
    ORDER BY signed_at DESC LIMIT {MOST}
    """,  # noqa: S608
    class_row(MayLand),
)
# The table is not logged: a crash of Postgres, or another server that takes over, empties it, and who lived
# before is not in it until its next beat. One row is nobody's: it says since when the others are complete, in
# milliseconds, as `quiet`. No beat forgets it.
_NOBODY = ""
_WORKERS = Statement(
    f"""
    -- workers: who may be sending, each with what it has said
    SELECT owner, quiet, extract(epoch FROM clock_timestamp() - seen_at)::float AS seen_s FROM workers
    WHERE owner <> '{_NOBODY}'
    """,  # noqa: S608
    class_row(Seen),
)
_NOW_MS = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_KNOWN = Statement(f"""
    -- known: for how long the table of workers has lost nothing, seconds
    SELECT ({_NOW_MS} - quiet) / 1000.0 FROM workers WHERE owner = '{_NOBODY}'
""")  # noqa: S608
_KNOWN_FROM_NOW = Statement(f"""
    -- known_from_now: the table of workers has lost what was in it, or the clock was set back
    INSERT INTO workers (owner, network, seen_at, quiet)
    VALUES ('{_NOBODY}', '', '9999-01-01T00:00:00Z', {_NOW_MS})
    ON CONFLICT (owner) DO UPDATE SET quiet = LEAST(workers.quiet, EXCLUDED.quiet) RETURNING owner
""")  # noqa: S608
_QUIET = Statement("""
    -- quiet: a worker sends nothing any more, as this halt asks
    UPDATE workers SET quiet = %(number)s WHERE owner = %(owner)s RETURNING owner
""")


def read(conn: Connection) -> Halt | None:
    """The halt that holds; none where the engine works."""
    return _READ.first(conn)


def set_alone(conn: Connection, reason: str | None, by: str | None) -> Halt:
    """Halts in a database that nobody else works on."""
    # Whatever the words are, the halt holds.
    said = {name: None if text is None else storable(text) for name, text in (("reason", reason), ("by", by))}
    return _HALT_NOW.one(conn, said)


def restore_lost(conn: Connection, number: int) -> bool:
    """Halts anew where the halt of that number was made, and the database has forgotten it."""
    if (_NUMBER.value(conn) or 0) >= number:
        return False
    set_alone(conn, "the database forgot that it was halted", None)
    return True


def halt(db: Engine, reason: str | None, by: str | None) -> Halt:
    """Halts. Once this returns, nothing is stored as signed until `resume`.

    Raises `DBAPIError` where Postgres is away, or somebody keeps on storing.
    """
    for left in reversed(range(TRIES)):
        try:
            with transactions(db).begin() as conn:
                _PATIENCE.first(conn)
                _ALONE.first(conn)
                return set_alone(conn, reason, by)
        except OperationalError as e:
            if getattr(e.orig, "sqlstate", None) != _LATE or not left:
                raise
        # Frozen in the middle of it, or behind a standby that does not answer: it can't be waited for.
        with db.connect() as conn:
            _END_HOLDERS.all(conn)
    raise AssertionError


def resume(conn: Connection) -> Halt | None:
    """Ends the halt. None: there was none."""
    return _RESUME.first(conn)


def may_land(conn: Connection) -> list[MayLand]:
    """What was signed before and is not over: `MOST` at most."""
    return _MAY_LAND.all(conn)


def workers(conn: Connection) -> list[Seen]:
    return _WORKERS.all(conn)


def known_s(conn: Connection) -> float:
    """For how many seconds, at least, nobody who said that he is there has been lost from `workers`."""
    known = _KNOWN.value(conn)
    if known is None or known < 0:
        _KNOWN_FROM_NOW.first(conn)
        return 0.0
    return float(known)


def quiet(conn: Connection, owner: str, number: int) -> None:
    """Says that `owner` sends nothing any more, and will not before this halt is over."""
    _QUIET.first(conn, {"owner": owner, "number": number})

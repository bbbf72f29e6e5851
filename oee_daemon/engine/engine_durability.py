"""Checks that the servers keep what the promise rests on, where no connection can set it: at each start, and
for the doctor.

A connection's own settings are pinned (`postgres_connection`). Here is what the server, its standbys and
whatever stands before it do: what makes the promise void is refused, what weakens it is told.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import redis
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from oee_daemon.queue import queue_roster
from oee_daemon.queue.queue_connection import asked_once
from oee_daemon.start_errors import StartFailed, Unreachable, Unsuitable
from oee_daemon.store import server_fact_sql
from oee_daemon.store.database import said, transactions
from oee_daemon.store.sql_statement import driver

log = logging.getLogger(__name__)

#: The oldest PostgreSQL whose SQL is enough, and the oldest Redis that knows `BLMOVE`.
OLDEST, OLDEST_REDIS = 14, (6, 2)
#: How often it is looked whether statements change their process: other clients of a pooler come in between.
_LOOKS = 8
#: Seconds for an answer of the queue.
_QUEUE_S = 2.0
#: Connections that ought to stay free for whoever looks after the database.
_SPARE = 3

_POOLER = (
    " Every order relies on settings and prepared statements of its own connection, which are then another"
    " client's. Let OEE_DATABASE_URL lead to Postgres itself, or to a pool in session mode (PgBouncer:"
    " pool_mode = session for this database)."
)


@dataclass(frozen=True, slots=True)
class Weakness:
    """Something that Postgres may lose what it acknowledged by, or stores nothing by. `code` is stable."""

    code: str
    message: str


def require(db: Engine) -> list[Weakness]:
    """What weakens the promise. Raises `Unreachable` where Postgres can't be asked, `Unsuitable` where orders
    would not be safe in it."""
    try:
        with db.connect() as conn:
            if driver(conn).pooled:
                _refuse_shared(db, conn)
            found = server_fact_sql.look(conn)
    except SQLAlchemyError as e:
        raise away(e) from None
    if found.major < OLDEST:
        raise Unsuitable(f"The database is PostgreSQL {found.major}; 15 or later is asked for.")
    if found.encoding != "UTF8":
        # What a venue or a program on the chain says may be in any letters, and is stored with a move.
        raise Unsuitable(
            f"The database's encoding is {found.encoding}: an order could not end whose reason has a letter"
            " that it lacks. Make one in UTF8, and carry over what this one holds with pg_dump: CREATE"
            " DATABASE oee ENCODING 'UTF8' TEMPLATE template0."
        )
    if found.standby:
        raise Unsuitable(
            "The database at OEE_DATABASE_URL is a standby, which can't be written to. Let it lead to the"
            " primary (with several hosts: target_session_attrs=primary)."
        )
    return _weaknesses(found)


def look(conn: Connection, needed: int) -> list[Weakness]:
    """The same of a database that is at work, and whether its connections suffice for `needed` of ours."""
    found = server_fact_sql.look(conn)
    weak = _weaknesses(found)
    free = found.connections - (found.used - found.ours)
    if needed + _SPARE > free:
        message = (
            f"The engine may need {needed} connections at once, and the server leaves it {free} of its"
            f" {found.connections}: raise max_connections, or lower OEE_WORKER_THREADS."
        )
        weak.append(Weakness("connections_short", message))
    return weak


def _weaknesses(found: Any) -> list[Weakness]:
    weak = []
    if found.standby or found.read_only:
        why = "it is a standby" if found.standby else "default_transaction_read_only is on"
        weak.append(
            Weakness("read_only", f"It takes no writes, because {why}: no order moves, none is accepted.")
        )
    if found.fsync != "on":
        weak.append(Weakness("fsync_off", "fsync is off: a power cut loses orders, or the whole database."))
    if found.full_page_writes != "on":
        message = (
            "full_page_writes is off: a power cut may damage the database. (Some file systems allow it.)"
        )
        weak.append(Weakness("full_page_writes_off", message))
    if found.unlogged:
        message = f"These tables are UNLOGGED, and a crash of Postgres empties them: {found.unlogged}."
        weak.append(Weakness("unlogged", message))
    if found.standbys and not found.synchronous_names:
        message = (
            "Its standbys are asynchronous: a failover forgets the last orders, of which some were executed."
            " Name a synchronous one: synchronous_standby_names."
        )
        weak.append(Weakness("asynchronous_standbys", message))
    return weak


def _refuse_shared(db: Engine, first: Connection) -> None:
    """Raises `Unsuitable` where what passes our statements on gives them now to one, now to another process.

    A pool in transaction mode gives whoever asks next the process that was given back last, though its former
    user still has a connection.
    """
    with transactions(db).connect() as second:
        for _ in range(_LOOKS):
            before = server_fact_sql.process(first)
            with second.begin():
                taken = server_fact_sql.process(second)
                if taken == before or server_fact_sql.process(first) != before:
                    raise _mixed_error("transaction")


def _mixed_error(mode: str) -> Unsuitable:
    return Unsuitable(f"The database stands behind a connection pool in {mode} mode." + _POOLER)


def require_queue(url: str, ours: str = "") -> None:
    """Raises `Unsuitable` where the queue's server lets us not in or is too old. One that is away may come:
    Postgres knows what is due. `ours`: the `fingerprint` of the database; workers of another one are told."""
    try:
        with asked_once(url, wait_s=_QUEUE_S) as client:
            about: Any = client.info("server")
            databases = {worker.get("database") for worker in queue_roster.present(client)}
    except (redis.AuthenticationError, redis.ResponseError, ValueError) as e:
        # A wrong password is among the connection's errors otherwise.
        raise Unsuitable(
            f"The queue's server refuses us: {_first_line(e)}. Check OEE_REDIS_URL: oee doctor"
        ) from None
    except (redis.RedisError, OSError) as e:
        log.warning("the queue can't be reached", extra={"reason": _first_line(e)})
        return
    version = str(about["redis_version"])
    if ours and databases - {None, ours, server_fact_sql.UNKNOWN}:
        log.warning("another engine's workers are on this queue's database: each takes the other's messages")
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_REDIS:
        raise Unsuitable(
            f"The queue's server is Redis {version}; Redis 7 or Valkey 8, or later, is asked for."
        )


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0].rstrip(".")


def away(error: SQLAlchemyError) -> StartFailed:
    """Why Postgres could not be asked, in a sentence."""
    why = said(error) if isinstance(error, DBAPIError) else _first_line(error)
    if "statement pooling" in why:
        # It refuses the driver's own first transaction.
        return _mixed_error("statement")
    return Unreachable(
        f"The database can't be used: {why}. Check OEE_DATABASE_URL and the server: oee doctor"
    )

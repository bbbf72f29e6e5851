"""A connection to Postgres on which the engine's promise may rest: its settings are ours, its waits end.

What a role, a database, the server or `PGOPTIONS` would have it otherwise is overruled for each connection
before it is used. And who is never answered is told so: a peer that went silent looks like one that thinks.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

RV = TypeVar("RV")

#: Seconds that Postgres may work on one statement, and wait for another's lock in it, before it gives up.
STATEMENT_S, LOCK_S = 6.0, 4.0
#: How much longer its answer may take to arrive, seconds, before the connection counts as lost.
GRACE_S = 2.0
#: Seconds for which a transaction of ours may do nothing, holding its locks, before Postgres ends it.
IDLE_S = 30.0
#: Seconds to wait for a connection to be made before Postgres counts as away.
CONNECT_TIMEOUT_S = 5
#: What a connection begins with where its address says nothing else: TCP tells of a peer that is gone.
_DEFAULTS: dict[str, Any] = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "application_name": "oee",
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 8000,
}
#: What it begins with whatever its address says. Everything is asked again and again: prepare at once.
_FIXED: dict[str, Any] = {"autocommit": True, "prepare_threshold": 0, "client_encoding": "utf8"}
#: What holds whoever set it otherwise. Without the first, Postgres acknowledges what a crash forgets.
_PINNED = {
    # Stronger is welcome: a standby that has applied it as well.
    "synchronous_commit": "CASE current_setting('synchronous_commit') WHEN 'remote_apply'"
    " THEN 'remote_apply' ELSE 'on' END",
    "default_transaction_isolation": "'read committed'",
    "standard_conforming_strings": "'on'",
    "timezone": "'UTC'",
    "datestyle": "'ISO, MDY'",
    "intervalstyle": "'postgres'",
    "bytea_output": "'hex'",
    # Up to version 17 what the planner may not do counts as endless work, which the server would compile for
    # seconds, again in each connection.
    "jit": "'off'",
    # Between two steps of an order its connection may rest for as long as the chain takes.
    "idle_session_timeout": "'0'",
    "transaction_timeout": "'0'",
    # A table of another program's must not stand in front of ours, as one in a schema named as the role does.
    "search_path": "coalesce((SELECT quote_ident(nspname) FROM pg_class t JOIN pg_namespace n"
    " ON n.oid = t.relnamespace WHERE t.oid = to_regclass('order_numbers')), current_setting('search_path'))",
}

# Known to every role and every kind of Postgres.
_SERVER = "CASE WHEN NOT pg_is_in_recovery() THEN extract(epoch FROM pg_postmaster_start_time())::text END"


class Silent(psycopg.OperationalError):
    """No answer came in time. What was asked may have been done all the same."""


class Bounded(psycopg.Connection[Any]):
    """A connection on which every wait ends: past `answer_s` it is closed, and `Silent` is raised.

    It is closed without a word. A request to cancel would end the server's own wait for a synchronous
    standby, and with it the commit, as if the standby had it.
    """

    #: Seconds for one answer; whoever knows better sets another.
    answer_s = STATEMENT_S + GRACE_S
    #: Something between us and Postgres passes statements on: the process that answers is not the one
    #: that welcomed us.
    pooled = False
    #: The process that answers was come to by a socket of its machine, and not over a network.
    near = False
    #: When it was begun, by the monotonic clock; the server that it led to then, told from every other, and
    #: from itself after a restart: none for a standby.
    begun = 0.0
    server: str | None = None
    #: When it had begun in a state in which it takes no writes; it may stay so when new ones take some again.
    barred_at: float | None = None

    def wait(self, gen: PQGen[RV], *args: Any, **options: Any) -> RV:
        try:
            return super().wait(_until(gen, self.answer_s), *args, **options)
        except Silent:
            self.close()
            raise


def _until(gen: PQGen[RV], timeout_s: float) -> Generator[Any, Any, RV]:
    """`gen`, for `timeout_s` seconds; psycopg wakes it every tenth of a second where nothing comes."""
    deadline = time.monotonic() + timeout_s
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > deadline:
                raise Silent(f"Postgres gave no answer within {timeout_s:g} s")
            wanted = gen.send(ready)
    except StopIteration as end:
        found: RV = end.value
        return found


def connect(statement_s: float, *args: Any, **parameters: Any) -> Bounded:
    """A connection on which Postgres may work for `statement_s` on each statement."""
    begun = time.monotonic()
    made = Bounded.connect(*args, **_DEFAULTS | parameters | _FIXED)
    try:
        patient = statement_s > STATEMENT_S
        limits = {
            "statement_timeout": statement_s,
            "lock_timeout": statement_s if patient else LOCK_S,
            "idle_in_transaction_session_timeout": 0 if patient else IDLE_S,
        }
        pinned = _PINNED | {name: f"'{round(seconds * 1000)}'" for name, seconds in limits.items()}
        wanted = ", ".join(f"('{name}', {value})" for name, value in pinned.items())
        # Not in the start-up packet's options: a PgBouncer refuses those. Not all are known to each version.
        told = made.execute(
            f"SELECT pg_backend_pid(), {_SERVER}, inet_server_addr() IS NULL, "  # noqa: S608
            "current_setting('transaction_read_only') = 'on', count(set_config(name, value, false)) "
            f"FROM (VALUES {wanted}) AS pinned(name, value) WHERE current_setting(name, true) IS NOT NULL",
            prepare=False,
        ).fetchone()
        assert told is not None
        # From now on: who is let in and then not answered, as by a pool that has no place left, is told soon.
        made.answer_s = statement_s + GRACE_S
        made.begun, made.server, made.near = begun, told[1], told[2]
        made.barred_at = time.monotonic() if told[3] else None
        made.pooled = told[0] != made.info.backend_pid
        if made.pooled:
            # What was prepared may be another client's, or gone.
            made.prepare_threshold = None
        made.autocommit = False
    except BaseException:
        made.close()
        raise
    return made

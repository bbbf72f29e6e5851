"""Whether a due order would be taken up now: the workers' beats in Postgres, and what has become of what is
due.

A beat says that its worker reaches a Postgres that takes writes, and looks for what is due. The table is not
logged: it survives no crash, costs no disk, and is whole again a second later; who halts waits that long.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from oee_daemon.store.predicates import HELD, MAY_RUN, RUNNABLE
from oee_daemon.store.sql_statement import Statement

#: For how long a worker counts as there after a beat, and for how long its beat is kept.
THERE = timedelta(seconds=5)
KEPT = timedelta(minutes=1)
#: How long an order may be due, with nobody at work on it and no order being claimed, before nobody seems to
#: work.
PATIENCE = timedelta(seconds=8)
#: The network of a worker that looks for nothing any more.
NOWHERE = ""

# A clock that jumped makes those who live look long gone, until their next beat: who halts has to wait for
# it, as where the table was lost. See `halt_row`. A row that is held is one of a worker that beats, or being
# forgotten by another one: two who each forgot the other would wait for one another.
_BEAT = Statement("""
    -- beat: a worker says that it looks for what is due
    WITH gone AS (
        DELETE FROM workers WHERE owner IN (
            SELECT owner FROM workers WHERE owner NOT IN (%(owner)s, '')
                AND NOT seen_at BETWEEN clock_timestamp() - %(kept)s AND clock_timestamp() + %(kept)s
            FOR UPDATE SKIP LOCKED
        ) RETURNING owner
    ), unsure AS (
        UPDATE workers SET quiet = (extract(epoch FROM clock_timestamp()) * 1000)::bigint
        WHERE owner = '' AND EXISTS (SELECT FROM gone)
    )
    INSERT INTO workers (owner, network, seen_at) VALUES (%(owner)s, %(network)s, clock_timestamp())
    ON CONFLICT (owner) DO UPDATE SET seen_at = EXCLUDED.seen_at, network = EXCLUDED.network
    RETURNING xmax = 0, (SELECT number FROM halt WHERE one = 1 AND halted)
""")
_GONE = Statement("""
    -- gone: a worker has ended
    DELETE FROM workers WHERE owner = %(owner)s RETURNING owner
""")
# A backlog is no standstill: while orders are claimed, those that are due come to their turn.
_LOOK = Statement(f"""
    -- readiness: whether Postgres takes writes, a worker is there, and what is due is taken up
    SELECT current_setting('transaction_read_only') = 'off',
        EXISTS (SELECT FROM workers WHERE network = %(network)s
            AND abs(extract(epoch FROM clock_timestamp() - seen_at)) < extract(epoch FROM
            %(there)s::interval)),
        NOT EXISTS (SELECT FROM orders WHERE {RUNNABLE} AND network = %(network)s
            AND next_run_at < clock_timestamp() - %(patience)s::interval AND NOT {HELD} AND {MAY_RUN})
        OR EXISTS (SELECT FROM execution_slots WHERE taken_at > clock_timestamp() - %(patience)s::interval)
""")  # noqa: S608  # constants of this page


@dataclass(frozen=True, slots=True)
class Readiness:
    """`writable`: Postgres takes writes. `worker`: one is there. `moving`: what is due is taken up."""

    writable: bool
    worker: bool
    moving: bool


def beat(conn: Connection, owner: str, network: str) -> int | None:
    """Says that `owner` looks for what is due, and forgets who has not said so for long. The number of the
    halt that holds; none where there is none.

    Who halts asks the workers of whom it sees a beat: one that it could not see has to look once more.
    """
    values = {"owner": owner, "network": network, "kept": KEPT}
    row = _BEAT.one(conn, values)
    if row[0]:
        row = _BEAT.one(conn, values)
    return None if row[1] is None else int(row[1])


def gone(conn: Connection, owner: str) -> None:
    """Says that `owner` has nothing any more."""
    _GONE.first(conn, {"owner": owner})


def look(conn: Connection, network: str) -> Readiness:
    values = {"network": network, "there": THERE, "patience": PATIENCE}
    return Readiness(*_LOOK.one(conn, values))

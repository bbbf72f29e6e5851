"""Databases of a test's own, used again: one that is as it was made is emptied instead of dropped.

Making and dropping one costs a quarter of a second of the server's time, emptying one a fiftieth of that.
A test may do to its database what it likes: one whose schema, statistics or settings it touched is dropped
after it, and so is one that somebody is still connected to.
"""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
from sqlalchemy import make_url

#: What is the same in a database that the next test may have: an `ALTER` leaves a newer row in a catalogue.
_SHAPE = """
SELECT ROW(
    (SELECT array_agg((relname, relkind, relpersistence, reloptions, CASE relkind WHEN 'r' THEN reltuples END)
        ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace),
    (SELECT array_agg((datconnlimit, datallowconn)) FROM pg_database WHERE datname = current_database()),
    (SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
        WHERE datname = current_database()),
    (SELECT array_agg(version_num) FROM alembic_version),
    (SELECT max(xmin::text::bigint) FROM pg_attribute), (SELECT max(xmin::text::bigint) FROM pg_constraint),
    (SELECT max(xmin::text::bigint) FROM pg_index), (SELECT max(xmin::text::bigint) FROM pg_trigger),
    (SELECT max(xmin::text::bigint) FROM pg_proc), (SELECT max(xmin::text::bigint) FROM pg_rewrite),
    (SELECT max(xmin::text::bigint) FROM pg_type), (SELECT max(xmin::text::bigint) FROM pg_namespace),
    (SELECT count(*) FROM pg_statistic WHERE starelid >= 16384),
    (SELECT count(*) FROM pg_publication), (SELECT count(*) FROM pg_extension)
)::text
"""
#: The rows of a migrated database are its revision, and that its list of workers is whole. A few rows are
#: deleted, in a fifth of the time that new files of the table and its indexes take. Up to 8 pages are to the
#: planner what none are.
EMPTY = """
DO $$ DECLARE one record; held boolean; BEGIN
    FOR one IN SELECT oid::regclass AS name, relkind FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S') AND relname <> 'alembic_version'
    LOOP
        IF one.relkind = 'S' THEN
            PERFORM setval(one.name, (SELECT seqstart FROM pg_sequence WHERE seqrelid = one.name), false);
        ELSE
            EXECUTE 'SELECT EXISTS (SELECT FROM ' || one.name || ')' INTO held;
            IF held AND pg_relation_size(one.name) <= 65536 THEN EXECUTE 'DELETE FROM ' || one.name;
            ELSIF held THEN EXECUTE 'TRUNCATE ' || one.name;
            END IF;
        END IF;
    END LOOP;
    INSERT INTO workers (owner, network, seen_at, quiet) VALUES ('', '', '9999-01-01T00:00:00Z', 0);
END $$
"""

Connection = psycopg.Connection[tuple[Any, ...]]


def connect(url: str) -> Connection:
    """To look from behind; every statement commits."""
    address = make_url(url)
    return psycopg.connect(
        host=str(address.query["host"]),
        port=str(address.query["port"]),
        user=address.username,
        dbname=address.database,
        autocommit=True,
    )


def hold_key(conn: Connection, key: str) -> None:
    """In a transaction that is open: a copy of some order with this key, so that whoever stores one with the
    same key waits in the middle of it until the transaction ends."""
    conn.execute("CREATE TEMPORARY TABLE copied AS SELECT * FROM orders LIMIT 1")
    conn.execute("ALTER TABLE copied DROP COLUMN missed")
    conn.execute("UPDATE copied SET id = gen_random_uuid(), number = -1, idempotency_key = %s", (key,))
    names = conn.execute(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
        " WHERE attrelid = 'copied'::regclass AND attnum > 0 AND NOT attisdropped"
    ).fetchone()
    assert names is not None
    copy = f"INSERT INTO orders ({names[0]}) SELECT {names[0]} FROM copied"  # noqa: S608  # names of our own
    conn.execute(copy.encode())


def waiting(conn: Connection, what: str) -> bool:
    """Whether anybody waits for a lock of this type, as `pg_locks` names it."""
    query = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = %s)"
    row = conn.execute(query, (what,)).fetchone()
    assert row is not None
    return bool(row[0])


class Databases:
    """Copies of one template on one Postgres."""

    TEMPLATE = "oee_template"

    def __init__(self, url: str) -> None:
        """Makes the template a copy of `url`, to which nobody may be connected."""
        self._url = make_url(url)
        self._free: list[str] = []
        #: What each looked like, and the connection that empties it: a new one plans everything anew.
        self._shapes: dict[str, tuple[str, Connection]] = {}
        self._admin = connect(self.url("postgres"))
        self._admin.execute(f"CREATE DATABASE {self.TEMPLATE} TEMPLATE {self._url.database}".encode())
        # It would work for what tests have deleted, and make statistics for some of them, by the clock.
        self._admin.execute("ALTER SYSTEM SET autovacuum = off")
        self._admin.execute("SELECT pg_reload_conf()")

    def close(self) -> None:
        for own in (self._admin, *(kept for _, kept in self._shapes.values())):
            own.close()

    def url(self, name: str) -> str:
        return self._url.set(database=name).render_as_string(hide_password=False)

    def take(self) -> str:
        """The address of a migrated database with nothing in it."""
        if self._free:
            return self._free.pop()
        name = f"t_{uuid.uuid4().hex[:12]}"
        self._admin.execute(f"CREATE DATABASE {name} TEMPLATE {self.TEMPLATE}".encode())
        url = self.url(name)
        kept = connect(url)
        self._shapes[url] = _shape(kept), kept
        return url

    def give(self, url: str) -> None:
        """It is used no more: whoever else is connected to it is thrown out."""
        name = make_url(url).database
        shape, kept = self._shapes[url]
        others = self._admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND pid <> %s",
            (name, kept.info.backend_pid),
        ).fetchall()
        try:
            kept.execute(EMPTY)
            # Who was there may come back, and write again what was emptied.
            clean = not others and _shape(kept) == shape
        except psycopg.Error:
            clean = False
        if clean:
            self._free.append(url)
        else:
            kept.close()
            del self._shapes[url]
            self._admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


def _shape(conn: Connection) -> str:
    row = conn.execute(_SHAPE).fetchone()
    assert row is not None
    # What it has read is counted now, and not when it has rested for ten seconds: tests look at the counts.
    conn.execute("SELECT pg_stat_force_next_flush()")
    return str(row[0])

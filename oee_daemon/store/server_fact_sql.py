"""The SQL that asks a server what it is and how it keeps what it acknowledged.

`engine.engine_durability` judges.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from oee_daemon.store.sql_statement import Statement, named_row

#: The fingerprint of a database that may not say which it is.
UNKNOWN = "unknown"
#: What a crash must not empty.
_KEPT = ["orders", "order_events", "swaps", "execution_slots", "spent_keys", "tokens"]

_LOOK = Statement(
    """
    -- look: what the promise rests on, and how many connections there are and are used
    SELECT current_setting('server_version_num')::int / 10000 AS major, pg_is_in_recovery() AS standby,
        current_setting('default_transaction_read_only') = 'on' AS read_only,
        current_setting('server_encoding') AS encoding,
        current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
        current_setting('synchronous_standby_names') AS synchronous_names,
        (SELECT count(*) FROM pg_stat_replication) AS standbys,
        (SELECT coalesce(string_agg(relname, ', ' ORDER BY relname), '') FROM pg_class
            WHERE relpersistence = 'u' AND relkind = 'r' AND relname = ANY (%(tables)s::text[])
                AND pg_table_is_visible(oid)) AS unlogged,
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
            - coalesce(current_setting('reserved_connections', true), '0')::int AS connections,
        (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
        (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'
            AND application_name = 'oee' AND datname = current_database()) AS ours
    """,
    named_row,
)
_MAY_TELL = Statement(
    "-- may tell: the server's identifier\nSELECT has_function_privilege('pg_control_system()', 'execute')"
)
_FINGERPRINT = Statement("""
    -- fingerprint: of this server's identifier and this database's
    SELECT left(md5(concat(system_identifier, '/', oid)), 12) FROM pg_control_system(), pg_database
    WHERE datname = current_database()
""")
_PROCESS = Statement("-- process: which of the server's answers\nSELECT pg_backend_pid()")


def look(conn: Connection) -> Any:
    return _LOOK.first(conn, {"tables": _KEPT})


def fingerprint(conn: Connection) -> str:
    """Tells this database from every other one, however it was reached, if it may say so."""
    found: str | None = _FINGERPRINT.value(conn) if _MAY_TELL.value(conn) else None
    return found or UNKNOWN


def process(conn: Connection) -> Any:
    return _PROCESS.first(conn)

"""The SQL that removes orders which ended long ago, and keeps their keys; `engine.retention` says when."""

from oee_daemon.store.sql_statement import Statement, named_row

#: Any number that is ours: whoever holds it in a transaction is the one who removes.
LOCK_NUMBER = 0x0EE_01D
LOCK = Statement(f"-- lock retention: whether it could be\nSELECT pg_try_advisory_xact_lock({LOCK_NUMBER})")
# A key that is being asked for right now is left for the next run: `creating_sql.create` holds the same lock
# while it looks for the key, so it finds either the order or the spent key, and never neither.
# The statement's time, not the clock's, which moves on: only that bounds a search in an index.
OLD = Statement("""
    -- old: the `most` orders that ended first, longer than `kept` ago
    SELECT id FROM (
        SELECT id, idempotency_key FROM orders
        WHERE finished_at < statement_timestamp() - %(kept)s::interval
        ORDER BY finished_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
    ) AS old
    WHERE idempotency_key IS NULL OR pg_try_advisory_xact_lock(hashtextextended(idempotency_key, 0))
""")
#: In this order, for the ids that `OLD` found. An earlier version let a group and an order have one key:
#: whichever goes first spends it.
REMOVE = (
    Statement("""
        -- keep keys: of the orders that are being removed
        INSERT INTO spent_keys (idempotency_key, order_id, status, finished_at)
        SELECT idempotency_key, id, status, finished_at FROM orders
        WHERE id = ANY (%(ids)s) AND idempotency_key IS NOT NULL
        ON CONFLICT (idempotency_key) DO NOTHING
    """),
    Statement("-- remove events\nDELETE FROM order_events WHERE order_id = ANY (%(ids)s)"),
    Statement("-- remove swaps\nDELETE FROM swaps WHERE order_id = ANY (%(ids)s)"),
    Statement("""
        -- remove groups: of which no other order is kept; a group's key is spent with its last order, or the
        -- one that was filled
        WITH gone AS (
            DELETE FROM order_groups g
            WHERE g.id IN (SELECT group_id FROM orders WHERE id = ANY (%(ids)s))
                AND NOT EXISTS (SELECT FROM orders o WHERE o.group_id = g.id AND o.id <> ALL (%(ids)s))
            RETURNING g.idempotency_key, (SELECT o.id FROM orders o WHERE o.group_id = g.id
                ORDER BY o.id = g.filled DESC NULLS LAST, o.finished_at DESC LIMIT 1) AS order_id
        )
        INSERT INTO spent_keys (idempotency_key, order_id, status, finished_at)
        SELECT gone.idempotency_key, o.id, o.status, o.finished_at
        FROM gone JOIN orders o ON o.id = gone.order_id WHERE gone.idempotency_key IS NOT NULL
        ON CONFLICT (idempotency_key) DO NOTHING
    """),
    Statement("-- remove orders\nDELETE FROM orders WHERE id = ANY (%(ids)s)"),
)
SPENT = Statement(
    "-- spent: what became of the removed order of a key\n"
    "SELECT order_id, status, finished_at FROM spent_keys WHERE idempotency_key = %(key)s",
    named_row,
)

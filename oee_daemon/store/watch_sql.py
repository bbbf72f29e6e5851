"""The SQL of the watcher: who leads, what is nearest, what has fired, what has lapsed.

The condition is compared again on the locked row, with the fence of the leader and the age of the price by
Postgres's clock: a frozen leader that wakes up fires nothing. What was edited since the leader looked at it
has another fence, and is looked at anew. Locks are taken orders first, then groups, and
skipped where another has them: what is missed is met again at the next tick. Nothing commits by itself.
"""

from __future__ import annotations

from oee_daemon.store.group_sql import DISARMED, SUSPENDED, TURN_GIVEN, TURNS
from oee_daemon.store.order_rows import ORDER, said
from oee_daemon.store.predicates import ABSURD, HALTED, IS_THERE, over
from oee_daemon.store.sql_statement import Statement, named_row

#: Candidates of one pair and rule that one look finds; and stops, whose prices are held all at once: those
#: that are found only once others have fired would begin to hold in the middle of a crash.
MOST, MOST_STOPS = 100, 1000
#: Trailing stops of one pair that follow it in one statement, which has to end in time however many there
#: are: those that are furthest behind; the others at the next looks.
MOST_FOLLOW = 5000

_OVER = over("w.lease_until")
BEAT = Statement(
    f"""
    -- watch beat: leads, or goes on leading, where anybody waits; what is due by the clock alone
    WITH led AS (
        INSERT INTO watch AS w (one, owner, fence, lease_until)
        SELECT 1, %(owner)s, 1, clock_timestamp() + %(lease)s
        WHERE %(may)s AND (EXISTS (SELECT FROM orders WHERE arm_price IS NOT NULL)
            OR EXISTS (SELECT FROM orders WHERE arm_rule = 5)
            OR EXISTS (SELECT FROM feeds))
        ON CONFLICT (one) DO UPDATE SET owner = excluded.owner, lease_until = excluded.lease_until,
            fence = w.fence + (w.owner <> excluded.owner OR {_OVER})::int
        WHERE w.owner = excluded.owner OR {_OVER}
        RETURNING fence
    )
    SELECT (SELECT fence FROM led) AS fence, clock_timestamp() AS now,
        (SELECT lease_until FROM watch) AS leased_until,
        (SELECT min(expires_at) FROM orders
            WHERE finished_at IS NULL AND next_run_at IS NULL AND expires_at IS NOT NULL) AS lapses,
        (SELECT min(launch_at) FROM orders WHERE arm_rule = 4 AND NOT {SUSPENDED}) AS launches,
        (SELECT min(look_at) FROM orders WHERE look_at IS NOT NULL) <= clock_timestamp()
            OR (SELECT max(look_at) FROM orders WHERE look_at IS NOT NULL) > clock_timestamp() + {ABSURD}
            AS looks,
        EXISTS (SELECT FROM orders WHERE arm_price IS NOT NULL) AS armed,
        EXISTS (SELECT FROM orders WHERE arm_rule = 5) AS listed,
        EXISTS (SELECT FROM feeds) AS fed
    """,  # noqa: S608  # names of our own
    named_row,
)
LEAVE = Statement("""
    -- watch leave: another may lead at once
    UPDATE watch SET lease_until = clock_timestamp() WHERE owner = %(owner)s
""")
#: For a `WITH RECURSIVE`: the pairs of what is armed, from one to the next in the index; the last is none.
ARMED_PAIRS = """pairs AS (
        (SELECT pair FROM orders WHERE arm_price IS NOT NULL ORDER BY pair LIMIT 1)
        UNION ALL
        SELECT (SELECT o.pair FROM orders o WHERE o.arm_price IS NOT NULL AND o.pair > pairs.pair
            ORDER BY o.pair LIMIT 1) FROM pairs WHERE pairs.pair IS NOT NULL
    )"""
POSTS = Statement(
    f"""
    -- watch posts: the nearest price of each pair and rule
    WITH RECURSIVE {ARMED_PAIRS}
    SELECT pair,
        (SELECT max(arm_price) FROM orders o
            WHERE arm_price IS NOT NULL AND o.pair = p.pair AND arm_rule = 0) AS buy_limit,
        (SELECT min(arm_price) FROM orders o
            WHERE arm_price IS NOT NULL AND o.pair = p.pair AND arm_rule = 1) AS sell_limit,
        (SELECT max(arm_price) FROM orders o
            WHERE arm_price IS NOT NULL AND o.pair = p.pair AND arm_rule = 2) AS sell_stop,
        (SELECT min(arm_price) FROM orders o
            WHERE arm_price IS NOT NULL AND o.pair = p.pair AND arm_rule = 3) AS buy_stop,
        pair IN (SELECT o.pair FROM orders o WHERE trail_bps IS NOT NULL AND arm_rule IS NOT NULL) AS trails
    FROM pairs p WHERE pair IS NOT NULL
    """,  # noqa: S608  # names of our own
    named_row,
)


#: The price that an order is armed with was learned, so that it does not rest.
_LEARNED = """arm_rule IN (0, 1)
                    AND arm_price <> CASE WHEN latched THEN limit_price ELSE target_price END"""


def _met_text(rule: int, price: str, order: str, most: int = MOST) -> str:
    # By the table's column: the bare name is that of the text that is told.
    return f"""(SELECT {ORDER}, orders.arm_rule, orders.arm_price::text FROM orders
            WHERE arm_price IS NOT NULL AND pair = p.pair AND arm_rule = {rule} AND arm_price {price}
                AND (look_at IS NULL OR look_at <= clock_timestamp()
                    OR look_at > clock_timestamp() + {ABSURD} OR {_LEARNED})
                AND NOT {SUSPENDED}
            ORDER BY orders.arm_price {order}, number LIMIT {most})"""  # noqa: S608  # names of our own


_MET = (
    _met_text(0, ">= p.ask", "DESC"),
    _met_text(1, "<= p.bid", "ASC"),
    _met_text(2, ">= p.bid", "DESC", MOST_STOPS),
    _met_text(3, "<= p.ask", "ASC", MOST_STOPS),
)
PROBE = Statement(
    f"""
    -- watch probe: the orders whose price is met, of all pairs; reads alone
    SELECT t.* FROM unnest(%(pairs)s::text[], %(bids)s::numeric[], %(asks)s::numeric[]) AS p (pair, bid, ask)
    CROSS JOIN LATERAL ({" UNION ALL ".join(_MET)}) t
    """,  # noqa: S608
    named_row,
)

#: What a move from `waiting` to `pending` sets. A launch that nobody was there for is over after the time of
#: a firing: whoever wakes up a day later must not trade all that was meant for then. `doubt_sql` counts on
#: it: past that a copy of the database takes the order for its own.
FIRED = f"""status = 'pending', fence = o.fence + 1, event_seq = event_seq + 1,
            updated_at = clock_timestamp(),
            returns = CASE WHEN fired_at > clock_timestamp() - interval '1 hour' THEN returns ELSE 0 END,
            firings = firings + 1, first_attempt = attempt, fired_at = clock_timestamp(),
            next_run_at = clock_timestamp(), {DISARMED},
            expires_at = least(good_until, clock_timestamp() + make_interval(secs => valid_for_s),
                CASE WHEN arm_rule = 4 AND good_until IS NULL
                    THEN launch_at + make_interval(secs => valid_for_s) END)"""
SAID = said("jsonb_build_object('trigger', trigger || jsonb_build_object('firing', firings))")
FIRE = Statement(f"""
    -- fire: orders of one pair whose condition is met, each once, of a group one
    WITH leads AS (
        SELECT FROM watch WHERE one = 1 AND fence = %(fence)s AND lease_until > clock_timestamp()
            AND %(price_at)s::timestamptz > clock_timestamp() - %(max_age)s::interval AND NOT {HALTED}
    ), told AS (
        SELECT * FROM unnest(%(ids)s::uuid[], %(triggers)s::jsonb[], %(limits)s::numeric[],
            %(receives)s::numeric[], %(spends)s::numeric[], %(fences)s::bigint[])
            AS t (id, trigger, limit_price, receive, spend, seen)
    ), locked AS (
        SELECT o.id, o.type, o.number, o.group_id AS oco, o.turn IS NOT NULL AS holds
        FROM orders o
        WHERE EXISTS (SELECT FROM leads) AND o.id = ANY (%(ids)s::uuid[]) AND o.status = 'waiting'
            AND o.fence = (SELECT seen FROM told WHERE told.id = o.id)
            AND (o.expires_at IS NULL OR o.expires_at > clock_timestamp())
            AND CASE o.arm_rule WHEN 0 THEN o.arm_price >= %(ask)s WHEN 1 THEN o.arm_price <= %(bid)s
                WHEN 2 THEN o.arm_price >= %(bid)s WHEN 3 THEN o.arm_price <= %(ask)s ELSE false END
        ORDER BY o.id FOR UPDATE OF o SKIP LOCKED
    ), {TURNS}, moved AS (
        UPDATE orders o SET {FIRED}, turn = free.oco,
            limit_price = coalesce(o.limit_price, told.limit_price),
            min_receive = coalesce(o.min_receive, told.receive), max_spend = coalesce(o.max_spend, told.spend)
        FROM free JOIN told USING (id) WHERE o.id = free.id
        RETURNING o.id, event_seq, status, attempt, updated_at, firings, told.trigger
    ), {SAID}
    SELECT id FROM moved
""")  # noqa: S608
_LAPSED_BY = "jsonb_build_object('by', CASE WHEN expires_at = 'epoch' THEN 'restored' ELSE 'expiresAt' END)"
# An end is final: a database that took over may have forgotten that the order was executed, which only doubt
# finds out (see `engine_identity`). What merely fires there is claimed by nobody before that.
LAPSE = Statement(f"""
    -- lapse: orders that waited until their time was over, while the database is where it was
    WITH due AS (
        SELECT id FROM orders
        WHERE finished_at IS NULL AND next_run_at IS NULL AND expires_at <= clock_timestamp()
            AND {IS_THERE}
        ORDER BY expires_at LIMIT {MOST} FOR UPDATE SKIP LOCKED
    ), moved AS (
        UPDATE orders o SET status = 'expired', fence = fence + 1, event_seq = event_seq + 1,
            updated_at = clock_timestamp(), finished_at = clock_timestamp(),
            {DISARMED}, turn = NULL
        FROM due WHERE o.id = due.id AND o.status = 'waiting'
        RETURNING o.id, event_seq, status, attempt, updated_at, expires_at, o.group_id, o.turn
    ), {TURN_GIVEN}, {said(_LAPSED_BY)}
    SELECT id FROM moved
""")  # noqa: S608
LEARN = Statement("""
    -- learn: at which marginal price each order's own size would be met; looked at again after a rest
    WITH missed AS (
        SELECT o.id, t.price
        FROM unnest(%(ids)s::uuid[], %(olds)s::numeric[], %(prices)s::numeric[], %(fences)s::bigint[])
            AS t (id, old, price, seen) JOIN orders o USING (id)
        WHERE o.status = 'waiting' AND o.arm_price = t.old AND o.arm_rule IN (0, 1) AND o.fence = t.seen
        ORDER BY o.id FOR UPDATE OF o SKIP LOCKED
    )
    UPDATE orders o SET arm_price = missed.price, look_at = clock_timestamp() + %(rest)s
    FROM missed WHERE o.id = missed.id
""")
LOOK = Statement(f"""
    -- look: orders whose rest is over are compared with their own price again
    WITH due AS (
        SELECT id FROM orders WHERE look_at <= clock_timestamp() OR look_at > clock_timestamp() + {ABSURD}
        ORDER BY look_at LIMIT {MOST} FOR UPDATE SKIP LOCKED
    )
    UPDATE orders o SET look_at = NULL, arm_price = CASE WHEN arm_price IS NULL OR arm_rule NOT IN (0, 1)
        THEN arm_price WHEN latched THEN limit_price ELSE target_price END
    FROM due WHERE o.id = due.id AND o.status = 'waiting' RETURNING o.id
""")  # noqa: S608
PEAKS = Statement(f"""
    -- peaks: trailing stops of a pair follow the best price since each was placed or launched, in whole
    -- hundredths of a percent of it
    WITH behind AS (
        SELECT id FROM orders
        WHERE trail_bps IS NOT NULL AND arm_rule IS NOT NULL AND pair = %(pair)s AND NOT latched
            AND (greatest(updated_at, launch_at) <= %(price_at)s::timestamptz
                OR greatest(updated_at, launch_at) > clock_timestamp() + {ABSURD})
            AND CASE arm_rule WHEN 2 THEN coalesce(peak <= %(bid)s::numeric * 10000 / 10001, true)
                WHEN 3 THEN coalesce(peak >= %(ask)s::numeric * 10001 / 10000, true) ELSE false END
            AND EXISTS (SELECT FROM watch WHERE fence = %(fence)s AND lease_until > clock_timestamp()
                AND %(price_at)s::timestamptz > clock_timestamp() - %(max_age)s::interval)
        ORDER BY CASE arm_rule WHEN 2 THEN peak / %(bid)s::numeric ELSE %(ask)s::numeric / peak END
            NULLS FIRST LIMIT {MOST_FOLLOW} FOR UPDATE SKIP LOCKED
    )
    UPDATE orders o SET peak = CASE arm_rule WHEN 2 THEN %(bid)s::numeric ELSE %(ask)s::numeric END,
        arm_price = CASE arm_rule WHEN 2 THEN %(bid)s::numeric * (10000 - trail_bps) / 10000
            ELSE %(ask)s::numeric * (10000 + trail_bps) / 10000 END
    FROM behind WHERE o.id = behind.id
""")  # noqa: S608
ROOM = Statement("""
    -- room: orders that have fired and are not sent
    SELECT count(*) FROM orders WHERE next_run_at IS NOT NULL AND firings > 0 AND status <> 'submitted'
""")
SEEN = Statement("""
    -- seen: what the leader sees of each pair; a gap where it sees nothing fresh
    WITH told AS (
        SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS t (pair text, source text, state text,
            bid numeric, ask numeric, slot bigint, priced_at timestamptz, cadence_ms int, max_age_ms int)
    ), leads AS (
        UPDATE watch SET seen_at = clock_timestamp(), fired = fired + %(fired)s, missed = missed + %(missed)s,
            deferred = %(deferred)s,
            deferred_since = CASE WHEN %(deferred)s > 0 THEN coalesce(deferred_since, clock_timestamp()) END
        WHERE fence = %(fence)s RETURNING one
    ), kept AS (
        INSERT INTO feeds AS f SELECT pair, source, state, bid, ask, slot, priced_at, cadence_ms, max_age_ms
        FROM told WHERE EXISTS (SELECT FROM leads)
        ON CONFLICT (pair) DO UPDATE SET source = excluded.source, state = excluded.state,
            bid = coalesce(excluded.bid, f.bid), ask = coalesce(excluded.ask, f.ask),
            slot = coalesce(excluded.slot, f.slot), priced_at = coalesce(excluded.priced_at, f.priced_at),
            cadence_ms = excluded.cadence_ms, max_age_ms = excluded.max_age_ms
    ), gone AS (
        DELETE FROM feeds WHERE pair <> ALL (SELECT pair FROM told) AND EXISTS (SELECT FROM leads)
    ), closed AS (
        UPDATE gaps SET ended = clock_timestamp() FROM told
        WHERE gaps.pair = told.pair AND gaps.ended IS NULL AND state = 'live' AND EXISTS (SELECT FROM leads)
    )
    INSERT INTO gaps (pair, begun, reason)
    SELECT pair, gap_begun, state FROM told JOIN jsonb_to_recordset(%(rows)s::jsonb) AS g (pair text,
        gap_begun timestamptz) USING (pair)
    WHERE state <> 'live' AND gap_begun < clock_timestamp() - %(gap)s::interval
        AND EXISTS (SELECT FROM leads)
        AND NOT EXISTS (SELECT FROM gaps o WHERE o.pair = told.pair AND o.ended IS NULL)
    ON CONFLICT DO NOTHING
""")
AWAY = Statement("""
    -- away: pairs that orders waited on while nobody watched, as a new leader finds them
    INSERT INTO gaps (pair, begun, ended, reason)
    SELECT pair, begun, clock_timestamp(), 'away' FROM unnest(%(pairs)s::text[]) AS p (pair),
        LATERAL (SELECT greatest((SELECT seen_at FROM watch), (SELECT min(updated_at) FROM orders o
            WHERE o.pair = p.pair AND arm_price IS NOT NULL)) AS begun) b
    WHERE begun < clock_timestamp() - %(gap)s::interval ON CONFLICT DO NOTHING
""")

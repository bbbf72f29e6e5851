"""The SQL of what waits, for those who look: how far each order's price is, which are nearest, who watches.

Reads alone. However many orders wait, each look goes by the index `orders_armed` and stops after a page.
"""

from __future__ import annotations

from oee_daemon.orders.conditions import Rule
from oee_daemon.store.predicates import WAITING
from oee_daemon.store.sql_statement import Statement, named_row
from oee_daemon.store.watch_sql import ARMED_PAIRS

#: What an order of `o` waits for: a trailing stop's price moves, a latched one waits for its limit. Null of
#: one that waits for any price, or has not seen a first one.
_WANTED = """nullif(nullif(CASE WHEN o.latched THEN o.limit_price
        WHEN o.trail_bps IS NOT NULL THEN o.arm_price ELSE o.target_price END, 0), 1e30)"""
#: The price that it is compared with: of what is bought the ask, of what is sold the bid.
_PRICE = "CASE WHEN o.side = 'buy' THEN f.ask ELSE f.bid END"
_MOVES = f"""(10000 * CASE WHEN o.arm_rule IN (0, 2) THEN ({_PRICE}) - ({_WANTED})
        WHEN o.arm_rule IN (1, 3) THEN ({_WANTED}) - ({_PRICE}) END / nullif({_PRICE}, 0))"""
#: By how many hundredths of a per cent that price has to move; less than 0 where it has come that far. What
#: is further than a bigint can say is told as this far: one such order kept all others from being listed.
_AWAY = f"round(sign{_MOVES} * least(abs{_MOVES}, 1e15))"
_STALE = (
    "f.priced_at <= clock_timestamp() - make_interval(secs => f.max_age_ms / 1000.0) OR f.state <> 'live'"
)

MARKETS = Statement(
    f"""
    -- markets: the price of each of these orders that wait
    SELECT o.id, ({_PRICE})::text AS price, ({_AWAY})::bigint AS away_bps, f.priced_at AS at,
        coalesce({_STALE}, true) AS stale
    FROM orders o JOIN feeds f ON f.pair = o.pair
    WHERE o.id = ANY (%(ids)s::uuid[]) AND o.status = 'waiting'
    """,  # noqa: S608  # the names are our own columns
    named_row,
)


def _nearest_by(rule: int, order: str) -> str:
    return f"""(SELECT id, number, side, arm_rule, arm_price, target_price, limit_price, trail_bps, latched
            FROM orders WHERE arm_price IS NOT NULL AND pair = f.pair AND arm_rule = {rule} {{rest}}
            ORDER BY arm_price {order}, number LIMIT %(most)s)"""  # noqa: S608


_RULES = " UNION ALL ".join(
    _nearest_by(rule, order) for rule, order in enumerate(("DESC", "ASC", "DESC", "ASC"))
)
#: The nearest one by each rule.
_FIRST = _RULES.format(rest="").replace("%(most)s", "1")
#: What waits by these rules waits for no price.
_UNPRICED = ", ".join(str(rule.value) for rule in Rule if rule > Rule.BUY_STOP)
# Those that nobody sees a price of are looked for by their pairs: most pairs have one.
_NEAREST = f"""
    -- nearest: what waits, the nearest to its price first; then what has none, by age
    WITH RECURSIVE {ARMED_PAIRS}, near AS (
        SELECT o.id, o.number, {_AWAY} AS away FROM feeds f CROSS JOIN LATERAL ({_RULES}) o
        WHERE f.ask IS NOT NULL {{pair}} ORDER BY away, number LIMIT %(most)s
    ), others AS (
        SELECT id, number FROM (
            (SELECT id, number FROM orders WHERE arm_rule IN ({_UNPRICED}) {{both}}
                ORDER BY number LIMIT %(most)s)
            UNION ALL
            SELECT o.id, o.number FROM pairs p CROSS JOIN LATERAL (
                SELECT id, number FROM orders WHERE arm_price IS NOT NULL AND orders.pair = p.pair {{both}}
                ORDER BY number LIMIT %(most)s
            ) o WHERE NOT EXISTS (SELECT FROM feeds f WHERE f.pair = p.pair AND f.ask IS NOT NULL)
        ) found ORDER BY number LIMIT %(most)s
    )
    SELECT id FROM (
        SELECT id, 0 AS part, away, number FROM near UNION ALL SELECT id, 1, NULL, number FROM others
    ) found ORDER BY part, away, number LIMIT %(most)s
"""  # noqa: S608


def nearest(names: tuple[str, ...]) -> Statement[tuple[object, ...]]:
    """`names`: the columns among pair, side and type that the orders are narrowed by."""
    rest = "".join(f" AND {name} = %({name})s" for name in names if name != "pair")
    pair = " AND f.pair = %(pair)s" if "pair" in names else ""
    both = rest + (" AND pair = %(pair)s" if "pair" in names else "")
    return Statement(_NEAREST.format(rest=rest, pair=pair, both=both))


FEEDS = Statement(
    f"""
    -- feeds: the newest price of each pair that is watched, and what waits for it
    SELECT f.pair, f.bid::text AS bid, f.ask::text AS ask, f.priced_at AS at, f.source, f.slot,
        CASE WHEN f.state = 'live' AND coalesce({_STALE}, true) THEN 'stale' ELSE f.state END AS state,
        f.cadence_ms, f.max_age_ms,
        (SELECT extract(epoch FROM clock_timestamp() - g.begun)::float FROM gaps g
            WHERE g.pair = f.pair AND g.ended IS NULL LIMIT 1) AS blind_s,
        (SELECT count(*) FROM orders o WHERE o.pair = f.pair AND o.arm_price IS NOT NULL) AS waiting,
        (SELECT min({_AWAY})::bigint FROM ({_FIRST}) o) AS nearest_bps
    FROM feeds f ORDER BY f.pair
    """,  # noqa: S608
    named_row,
)
PRICES = Statement(
    f"""
    -- prices: of these pairs those that the watch over what waits sees fresh
    SELECT f.pair, f.bid::text AS bid, f.ask::text AS ask, f.priced_at AS at, f.slot, f.source,
        extract(epoch FROM clock_timestamp() - f.priced_at)::float AS age_s
    FROM feeds f WHERE f.pair = ANY (%(pairs)s::text[]) AND NOT coalesce({_STALE}, true)
    """,  # noqa: S608
    named_row,
)
_DEFERRED = """coalesce(w.deferred, 0) AS deferred,
        extract(epoch FROM clock_timestamp() - w.deferred_since)::float AS deferred_s,
        (SELECT count(*) FROM orders WHERE latched AND arm_rule IS NOT NULL) AS latched"""
GLANCE = Statement(
    f"""
    -- glance: the watch over prices in one row; reads no more of what waits than the nearest of each pair
    WITH seen AS (
        SELECT f.pair, coalesce({_STALE}, true) AS stale,
            extract(epoch FROM clock_timestamp() - f.priced_at) AS age_s,
            (SELECT min({_AWAY})::bigint FROM ({_FIRST}) o) AS nearest_bps
        FROM feeds f
    )
    SELECT w.owner, w.seen_at, coalesce(w.fired, 0) AS fired, clock_timestamp() AS now, {_DEFERRED},
        coalesce(w.missed, 0) AS missed, (SELECT jsonb_object_agg(code, total) FROM returned) AS returned,
        coalesce(w.lease_until > clock_timestamp(), false) AS leads,
        (SELECT count(*) FROM gaps) AS gaps, (SELECT count(*) FROM seen) AS pairs,
        ARRAY(SELECT pair FROM seen WHERE stale ORDER BY pair) AS stale,
        ARRAY(SELECT pair FROM seen ORDER BY pair) AS names,
        ARRAY(SELECT (CASE WHEN age_s < 0 THEN 0 ELSE age_s END)::float FROM seen ORDER BY pair) AS ages,
        (SELECT pair FROM seen ORDER BY nearest_bps, pair LIMIT 1) AS nearest,
        (SELECT min(nearest_bps) FROM seen) AS nearest_bps
    FROM (SELECT) one LEFT JOIN watch w ON true
    """,  # noqa: S608
    named_row,
)
LEADER = Statement(
    f"""
    -- leader: who watches, how many orders wait, and what does so although its price was there
    SELECT clock_timestamp() AS at, w.owner, w.seen_at, {_DEFERRED},
        (SELECT count(*) FROM orders WHERE {WAITING}) AS waiting
    FROM (SELECT) one LEFT JOIN watch w ON w.lease_until > clock_timestamp()
    """,  # noqa: S608
    named_row,
)
HELD_BACK = Statement("""
    -- held_back: of these orders those whose group's turn another has, and which
    SELECT o.id, g.turn FROM orders o JOIN order_groups g ON g.id = o.group_id
    WHERE o.id = ANY (%(ids)s::uuid[]) AND o.status = 'waiting' AND g.turn <> o.id
""")
GAPS = Statement("""
    -- gaps: times in which nobody saw a fresh price of an order's pair while it waited
    SELECT g.begun, g.ended, g.reason FROM orders o JOIN gaps g ON g.pair = o.pair
    WHERE o.id = %(id)s AND o.type <> 'market' AND coalesce(g.ended, 'infinity') > o.created_at
        AND g.begun < coalesce(o.finished_at, 'infinity')
    ORDER BY g.begun DESC LIMIT 20
""")
LEGS = Statement("""
    -- legs: the other orders of an order's group
    SELECT l.id, l.type, l.status FROM orders o JOIN orders l ON l.group_id = o.group_id AND l.id <> o.id
    WHERE o.id = %(id)s AND o.group_id IS NOT NULL ORDER BY l.number
""")

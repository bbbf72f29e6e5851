"""With a long history every reading, and the engine's own look-ups, cost what they cost without one.

What a statement touched is read in Postgres's own counters, so that it does not matter who runs it, or how;
the plans of listings are looked at besides.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, Engine, text

from oee_daemon.contract.status import Status
from oee_daemon.engine.retention import Retention
from oee_daemon.networks.simulated.simulated_ledger import Ledger
from oee_daemon.networks.simulated.simulated_schema import open_file
from oee_daemon.orders.order import Order
from oee_daemon.reads.reads_history import History
from oee_daemon.store import lease_sql, move_sql, order_rows
from oee_daemon.store.database import open_database
from oee_daemon.store.listing_sql import NEAR, Filter
from oee_daemon.store.sql_statement import Statement
from tests.kit.daemons import until
from tests.kit.databases import Databases
from tests.kit.engine import Bench
from tests.kit.long_history import FILL, FILTERS, JUP, LIVE, MET, ORDERS, SOL, START, USDC, WIF
from tests.kit.now import now


@pytest.fixture(scope="module")
def long_ago(databases: Databases) -> Iterator[str]:
    """The address of the database with the history."""
    url = databases.take()
    db = open_database(url, pool_size=1)
    with db.connect() as own:
        for statement in FILL.split(";\n"):
            own.execute(text(statement.replace(":00", r"\:00"))) if statement.strip() else None
        # By itself it would leave the indexes alone: what earlier tests have deleted is few rows of so many.
        own.execute(text("VACUUM (ANALYZE, INDEX_CLEANUP ON)"))
    db.dispose()
    yield url
    databases.give(url)


@pytest.fixture(scope="module", params=["custom", "generic"])
def db(request: pytest.FixtureRequest, long_ago: str) -> Iterator[Engine]:
    """One connection, whose plans are made for each call's values, or once for all values."""
    engine = open_database(long_ago, pool_size=1)
    with engine.connect() as conn:
        conn.execute(text(f"SET plan_cache_mode = force_{request.param}_plan"))
    yield engine
    engine.dispose()


# An index that never had an entry is its first page alone, and nothing can be read in it: only the planner
# looks there, once for each plan of its table, as it remembers a tree's height but not that there is none.
COUNTED = text("""
    SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname <> 'execution_slots'),
        (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes),
        (SELECT sum(idx_blks_hit + idx_blks_read) FROM pg_statio_user_indexes
            WHERE pg_relation_size(indexrelid) > current_setting('block_size')::int)
""")


@dataclass(frozen=True, slots=True)
class Cost:
    """Rows read in whole tables, entries read in indexes, and pages of indexes."""

    rows: int
    entries: int
    pages: int


def cost(db: Engine, call: Callable[[], object]) -> Cost:
    """What `call` reads of a history, by Postgres's own count."""
    call()  # what a first call reads once, like the catalogue, is nobody's cost

    def count() -> list[int]:
        with db.connect() as conn:
            conn.execute(text("SELECT pg_stat_force_next_flush()"))
            return [int(n) for n in conn.execute(COUNTED).one()]

    before = count()
    call()
    return Cost(*(now - then for now, then in zip(count(), before, strict=True)))


#: Pages from the root to the leaf of an index, for all looks of one page of a listing.
DESCENTS = 75


def fill(db: Engine) -> float:
    """Pages that an entry fills in the index whose entries are widest; a column more makes them wider."""
    asked = "SELECT max(relpages / reltuples) FROM pg_class WHERE relkind = 'i' AND reltuples > 1000"
    with db.connect() as conn:
        return float(conn.execute(text(asked)).scalar_one())


@pytest.mark.parametrize(("limit", "cursor"), [(200, "19900"), (5, "2000")])
@pytest.mark.parametrize("name", FILTERS)
def test_a_listing_touches_what_it_shows(db: Engine, name: str, limit: int, cursor: str) -> None:
    history = History(db)
    found = cost(db, lambda: history.page(FILTERS[name], limit=limit, cursor=cursor))
    assert found.rows == 0
    # The runs are looked for twice and the page is read in its index and by number; a time costs its guess.
    assert found.entries <= 6 * (limit + 1) + 60 + 2 * NEAR
    # The looks for the runs, each from a root to a leaf, and the pages that so many entries fill.
    assert found.pages <= DESCENTS + 1.5 * found.entries * fill(db)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def after_each(monkeypatch: pytest.MonkeyPatch, then: Callable[[str, Any], object]) -> None:
    """Calls `then` with each statement that was run, and its values."""
    ask = Statement.ask

    def hooked(self: Statement[Any], raw: Any, values: Mapping[str, Any]) -> Any:
        found = ask(self, raw, values)
        then(self.text, values)
        return found

    monkeypatch.setattr(Statement, "ask", hooked)


@pytest.mark.parametrize("name", FILTERS)
def test_a_listings_plan_reads_indexes_and_sorts_a_page_at_most(
    long_ago: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    db, limit = open_database(long_ago, pool_size=1), 50
    seen: list[tuple[str, Any]] = []
    after_each(monkeypatch, lambda sql, values: seen.append((sql, values)))
    History(db).page(FILTERS[name], limit=limit, cursor="15000")
    assert seen
    raw = db.raw_connection()
    cursor = raw.cursor()
    for sql, values in seen:
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + sql, values)
        (((found,),),) = cursor.fetchall()
        for node in nodes(found["Plan"]):
            assert node["Node Type"] != "Seq Scan", node
            assert node["Node Type"] != "Sort" or node["Plans"][0]["Actual Rows"] <= 3 * limit, node
    raw.close()
    db.dispose()


def walk(history: History, wanted: Filter, limit: int) -> list[Order]:
    found: list[Order] = []
    cursor: str | None = None
    while True:
        page, cursor = history.page(wanted, limit=limit, cursor=cursor)
        assert len(page) == limit or cursor is None
        found += page
        if cursor is None:
            return found


def fits(order: Order, wanted: Filter) -> bool:
    return (
        (not wanted.status or order.status in wanted.status)
        and wanted.pair in (None, order.pair)
        and wanted.token in (None, order.input_mint, order.output_mint)
        and wanted.side in (None, order.side)
        and wanted.type in (None, order.type)
        and (wanted.since is None or order.created_at >= wanted.since)
        and (wanted.until is None or order.created_at < wanted.until)
    )


def any_filter(draw: random.Random) -> Filter:
    """Any combination; what is drawn does not matter, it only has to vary."""
    times = sorted(START + timedelta(seconds=draw.uniform(0, 10 * ORDERS)) for _ in range(2))
    statuses = draw.sample([s.value for s in Status], draw.randint(1, 4))
    return Filter(
        status=tuple(statuses) if draw.random() < 0.5 else (),
        pair=f"{draw.choice([SOL, MET, WIF, JUP])}/{USDC}" if draw.random() < 0.4 else None,
        token=draw.choice([SOL, USDC, MET]) if draw.random() < 0.3 else None,
        side=draw.choice(["buy", "sell"]) if draw.random() < 0.4 else None,
        since=times[0] if draw.random() < 0.5 else None,
        until=times[1] if draw.random() < 0.5 else None,
    )


def test_pages_together_hold_all_that_fits_newest_first(long_ago: str) -> None:
    db = open_database(long_ago, pool_size=1)
    history, draw = History(db), random.Random(7)
    everything = walk(history, Filter(), 1000)
    assert [o.number for o in everything] == list(range(ORDERS, 0, -1))
    for wanted in [*FILTERS.values(), *(any_filter(draw) for _ in range(15))]:
        fitting = [o.number for o in everything if fits(o, wanted)]
        first, cursor = history.page(wanted, limit=7, cursor=None)
        assert [o.number for o in first] == fitting[:7], wanted
        assert (cursor is None) == (len(fitting) <= 7)
        if len(fitting) < 600:
            assert [o.number for o in walk(history, wanted, 1000)] == fitting, wanted
    db.dispose()


def test_orders_that_end_between_two_looks_leave_no_gap_in_a_page(
    long_ago: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page is one moment, though it takes several statements."""
    db, other = open_database(long_ago, pool_size=1), open_database(long_ago, pool_size=1)
    wanted, history = Filter(status=("failed", "cancelled")), History(db)
    (first,) = history.page(Filter(status=("cancelled",)), limit=1, cursor=None)[0]
    expected = [o.number for o in walk(history, wanted, 1000)]
    moves = 0

    def interfere(_sql: str, _values: Any) -> None:
        nonlocal moves
        moves += 1
        with other.connect() as conn:
            conn.execute(
                text("UPDATE orders SET status = :to WHERE id = :id"),
                {"to": "expired" if moves % 2 else "cancelled", "id": first.id},
            )

    after_each(monkeypatch, interfere)
    cursor = str(first.number + 1)
    page, following = history.page(wanted, limit=40, cursor=cursor)
    monkeypatch.undo()
    assert moves > 2
    below = [n for n in expected if n <= first.number]
    assert [o.number for o in page] == below[:40]
    assert following is not None
    with other.connect() as conn:
        conn.execute(text("UPDATE orders SET status = 'cancelled' WHERE id = :id"), {"id": first.id})
    db.dispose()
    other.dispose()


def _one(db: Engine, number: int) -> UUID:
    with db.connect() as conn:
        return UUID(
            str(conn.execute(text("SELECT id FROM orders WHERE number = :n"), {"n": number}).scalar())
        )


def test_one_order_is_found_by_its_id_and_by_a_prefix(db: Engine) -> None:
    history, wanted = History(db), _one(db, 77)
    for name in (str(wanted), str(wanted)[:9]):
        found = cost(db, lambda name=name: history.detail(history.resolve(name)))  # type: ignore[misc]
        assert found.rows == 0
        assert found.entries <= 10
        assert found.pages <= 20


def test_fills_are_paged_by_index_to_the_end(db: Engine) -> None:
    ledger = Ledger(db)
    before, most = (300, "signature 300"), 50

    def page(**what: Any) -> list[Any]:
        asked: dict[str, Any] = {"now_ms": ORDERS, "limit": most, "before": None} | what
        return now(ledger.landed(**asked))

    assert [r.slot for r in page(before=before, limit=3)] == [299, 298, 296]
    for what in ({}, {"before": before}):
        found = cost(db, lambda what=what: page(**what))  # type: ignore[misc]
        assert found.rows == 0, what
        assert found.entries <= most, what
        assert found.pages <= 10, what


def _rolled_back(db: Engine, work: Callable[[Connection], object]) -> Callable[[], object]:
    """Does it, and undoes it: the history stays as it is."""

    def call() -> None:
        with db.execution_options(isolation_level="READ COMMITTED").connect() as conn:
            work(conn)
            conn.rollback()

    return call


def test_the_engines_own_looks_see_live_orders_only(db: Engine) -> None:
    looks: dict[str, Callable[[Connection], object]] = {
        "due": lambda c: lease_sql.due(c, network="simulated", owner="one", busy=[], limit=20),
        "stuck": lambda c: lease_sql.stuck(c, "simulated", timedelta(minutes=5)),
        "forget_rings": lambda c: lease_sql.forget_rings(c, "simulated"),
        "clear_leases": lambda c: lease_sql.clear_leases(c, "home:"),
    }
    for name, look in looks.items():
        found = cost(db, _rolled_back(db, look))
        assert found.rows == 0, name
        assert found.entries <= 10 * LIVE, name
        assert found.pages <= 10 * LIVE, name


def test_retention_finds_at_once_that_nothing_is_old_enough(db: Engine) -> None:
    found = cost(db, lambda: Retention(db, days=30_000).once())
    assert (found.rows, found.entries) == (0, 0)
    assert found.pages <= 10


def test_an_order_is_accepted_claimed_and_moved_by_index(db: Engine) -> None:
    number = ORDERS - LIVE + 3
    order_id = _one(db, number)
    with db.connect() as conn:
        order = order_rows.find(conn, order_id)
    assert order is not None
    tried: dict[str, Callable[[Connection], object]] = {
        "find": lambda c: order_rows.find(c, order_id),
        "find_key": lambda c: order_rows.find_key(c, "a key that nobody used"),
        "live_swap": lambda c: order_rows.live_swap(c, order_id),
        "cancel": lambda c: move_sql.cancel(c, order_id),
        "events": lambda c: order_rows.events(c, order_id),
        "extend": lambda c: lease_sql.extend(c, order),
    }
    for name, move in tried.items():
        found = cost(db, _rolled_back(db, move))
        assert found.rows == 0, name
        assert found.entries <= 20, name
        assert found.pages <= 60, name


def test_only_the_last_move_of_an_order_touches_an_index(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """The moves before it change no column that an index knows; there is room for them on the page."""
    db, file = open_database(database_url, pool_size=1), open_file(tmp_path / "chain.db")
    bench = Bench(db, redis_url, file)
    execution = bench.execution()
    for _ in range(20):
        assert bench.run_to_end(execution, bench.place(key=str(uuid4())).id).status is Status.CONFIRMED
    # What a connection has done is counted once it ends.
    bench.close()
    with db.connect() as conn:
        counted = text("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'orders'")
        until(lambda: conn.execute(counted).one()[0] >= 4 * 20, what="the count")
        updates, hot = conn.execute(counted).one()
    assert updates - hot == 20
    for engine in (db, file):
        engine.dispose()

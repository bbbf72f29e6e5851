"""The line to Postgres: what flies together, what an error, a loss, a lock or silence costs, and whom."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from oee_daemon import failpoints
from oee_daemon.store import database
from oee_daemon.store.database import transactions
from oee_daemon.store.postgres_connection import Silent
from oee_daemon.store.postgres_line import Batch, Line, Row, answered, asked
from tests.kit.daemons import until
from tests.kit.proxy import Proxy

#: Inserts, or adds to, a thing; answers with its sum, and with nothing where it shall be zero.
PUT = Batch(f"""
    -- put: adds to things
    WITH {asked("id int, v int, note text", "id")}, put AS (
        INSERT INTO things (id, v, note) SELECT id, v, note FROM asked
        ON CONFLICT (id) DO UPDATE SET v = things.v + excluded.v RETURNING id, v, xmin::text AS flight
    )
    {answered("SELECT n, put.v, flight FROM asked JOIN put USING (id) WHERE put.v <> 0")}
""")  # noqa: S608
COUNT = Batch(f"""
    -- count: how many things there are
    WITH {asked("x int", "x")}
    {answered("SELECT n, (SELECT count(*) FROM things) AS things, pg_backend_pid() AS pid FROM asked")}
""")  # noqa: S608


@pytest.fixture
def things(db: Engine) -> Engine:
    with db.connect() as conn:
        conn.execute(text("CREATE TABLE things (id int PRIMARY KEY, v int CHECK (v < 100), note text)"))
    return db


@pytest.fixture
def proxy(things: Engine, database_url: str, homes: Path) -> Iterator[Proxy]:
    made = Proxy(database_url, homes)
    yield made
    made.close()


def on(url: str, use: Callable[[Line], Awaitable[Any]], **options: Any) -> Any:
    """What `use` makes of a line of its own."""

    async def main() -> Any:
        line = Line(url, **options)
        try:
            return await asyncio.wait_for(use(line), 30)
        finally:
            await line.close()

    return asyncio.run(main())


def put(line: Line, ids: Sequence[int], **row: Any) -> Awaitable[list[Any]]:
    asks = [line.ask(PUT, {"id": n, "v": 1, "note": ""} | row) for n in ids]
    return asyncio.gather(*asks, return_exceptions=True)


def values(db: Engine) -> dict[int, int]:
    with db.connect() as conn:
        return dict(tuple(row) for row in conn.execute(text("SELECT id, v FROM things")))


def flights(rows: list[Row]) -> int:
    return len({row["flight"] for row in rows})


def test_what_is_asked_in_one_turn_is_one_transaction_and_each_gets_its_own_answer(
    things: Engine, database_url: str
) -> None:
    async def use(line: Line) -> list[Any]:
        return await asyncio.gather(*(line.ask(PUT, {"id": n, "v": n % 7}) for n in range(20, 0, -1)))

    rows = on(database_url, use)
    assert [row and row["v"] for row in rows] == [n % 7 or None for n in range(20, 0, -1)]
    assert flights([row for row in rows if row]) == 1
    assert len(values(things)) == 20


def test_what_is_asked_while_a_flight_is_under_way_is_the_next_one(
    things: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oee_daemon.store.postgres_line.LOCK_S", 20.0)

    async def use(line: Line) -> list[Row]:
        await put(line, [0])
        with transactions(things).begin() as conn:
            conn.execute(text("LOCK TABLE things"))
            asks = [asyncio.ensure_future(put(line, [0]))]
            await asyncio.to_thread(until_waits, things)
            for n in range(1, 11):
                asks.append(asyncio.ensure_future(put(line, [n])))
                await asyncio.sleep(0)
        return [row for rows in await asyncio.gather(*asks) for row in rows]

    assert flights(on(database_url, use)) == 2


def test_the_next_flight_departs_before_who_was_told_goes_on(
    things: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    async def use(line: Line) -> None:
        await put(line, [0])
        second: list[asyncio.Task[None]] = []

        def hit(name: str, _attempt: int | None = None) -> None:
            seen.append(name)
            # What is made ready here runs before any answer that is read later.
            if not second:
                second.append(asyncio.ensure_future(one(2)))

        async def one(number: int) -> None:
            await line.ask(PUT, {"id": number, "v": 1, "note": ""})
            seen.append(f"told {number}")

        monkeypatch.setattr(failpoints, "hit", hit)
        await one(1)
        await second[0]

    on(database_url, use)
    assert seen == ["flight_sent", "flight_sent", "told 1", "told 2"]


def test_an_error_costs_the_row_that_made_it_and_nobody_else(things: Engine, database_url: str) -> None:
    async def use(line: Line) -> list[Any]:
        asks = [line.ask(PUT, {"id": n, "v": 100 if n == 3 else 1}) for n in range(6)]
        # No text of Postgres's, and no number.
        asks += [line.ask(PUT, {"id": 6, "note": "\ud800"}), line.ask(PUT, {"id": "seven"})]
        rows = await asyncio.gather(*asks, return_exceptions=True)
        # What was prepared before is used again.
        await put(line, [1])
        return rows

    rows = on(database_url, use)
    assert isinstance(rows[3], IntegrityError) and not rows[3].connection_invalidated
    assert "things_v_check" in str(rows[3].orig) and "Failing row" not in str(rows[3]).split("\n")[0]
    assert all(isinstance(row, DBAPIError) for row in rows[6:])
    assert values(things) == {0: 1, 1: 2, 2: 1, 4: 1, 5: 1}


def test_what_is_no_json_is_refused_before_it_waits(things: Engine, database_url: str) -> None:
    loop: dict[str, Any] = {"id": 1}
    loop["note"] = loop

    async def use(line: Line) -> list[Any]:
        asks = [line.ask(PUT, loop), line.ask(PUT, {"id": 2, "v": 1})]
        return await asyncio.gather(*asks, return_exceptions=True)

    refused, done = on(database_url, use)
    assert isinstance(refused, ValueError) and done["v"] == 1


def test_a_flight_has_a_bound_on_its_rows_and_none_on_their_size(things: Engine, database_url: str) -> None:
    async def use(line: Line) -> list[Any]:
        return await put(line, range(20), note="x" * 1_000_000)

    assert flights(on(database_url, use, most=6)) == 4
    assert flights(on(database_url, use, most=1)) == 20
    assert len(values(things)) == 20


@pytest.mark.parametrize("heard", [True, False])
def test_a_lost_answer_is_one_to_each_of_a_flight_and_the_next_one_flies(
    things: Engine, proxy: Proxy, heard: bool
) -> None:
    async def use(line: Line) -> list[Any]:
        await put(line, [0])
        proxy.lose(b"put_", heard=heard)
        lost = await put(line, [1, 2, 3])
        assert (await put(line, [4]))[0]["v"] == 1
        return lost

    for error in on(proxy.url, use):
        assert isinstance(error, OperationalError) and error.connection_invalidated
    assert set(values(things)) == {0, 4} | ({1, 2, 3} if heard else set())


def test_silence_has_an_end_and_is_believed_of_the_connection(things: Engine, proxy: Proxy) -> None:
    async def use(line: Line) -> list[Any]:
        before, usual = await line.ask(COUNT, {"x": 1}), line.answer_s
        proxy.hush()
        line.answer_s = 0.3
        lost = await put(line, [1, 2])
        line.answer_s = usual
        after = await line.ask(COUNT, {"x": 1})
        assert before and after and before["pid"] != after["pid"]
        return lost

    for error in on(proxy.url, use):
        assert isinstance(error, OperationalError) and isinstance(error.orig, Silent)


def test_a_connection_that_others_found_silent_or_that_rested_for_long_is_made_anew(
    things: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def use(line: Line) -> list[int]:
        async def pid() -> int:
            row = await line.ask(COUNT, {"x": 1})
            assert row is not None
            return int(row["pid"])

        pids = [await pid(), await pid()]
        database.silence(line._url)
        pids.append(await pid())
        monkeypatch.setattr("oee_daemon.store.postgres_line.STALE_S", 0.0)
        return [*pids, await pid()]

    one, same, other, third = on(database_url, use)
    assert one == same and len({one, other, third}) == 3


def test_one_that_the_server_closed_meanwhile_costs_nobody_an_answer(
    things: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oee_daemon.store.postgres_line.FRESH_S", 0.0)

    async def use(line: Line) -> None:
        row = await line.ask(COUNT, {"x": 1})
        assert row is not None
        with things.connect() as conn:
            conn.execute(text("SELECT pg_terminate_backend(CAST(:pid AS int))"), row)
        # The server's farewell comes before the end, and only the end shows that the connection is gone.
        ended = select.poll()
        ended.register(line._socket, getattr(select, "POLLRDHUP", select.POLLHUP))
        assert ended.poll(5000), "the end of the connection"
        assert (await put(line, [1]))[0]["v"] == 1

    on(database_url, use)


def test_one_that_is_closed_under_way_is_a_lost_answer(
    things: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oee_daemon.store.postgres_line.LOCK_S", 20.0)

    async def use(line: Line) -> list[Any]:
        row = await line.ask(COUNT, {"x": 1})
        assert row is not None
        await put(line, [1])
        with transactions(things).begin() as held:
            held.execute(text("LOCK TABLE things"))
            asks = asyncio.ensure_future(put(line, [1, 2]))
            await asyncio.to_thread(until_waits, things)
            held.execute(text("SELECT pg_terminate_backend(CAST(:pid AS int))"), row)
            lost = await asks
        assert (await put(line, [1]))[0]["v"] == 2
        return lost

    for error in on(database_url, use):
        assert isinstance(error, OperationalError) and error.connection_invalidated


def until_waits(db: Engine) -> None:
    """Somebody waits for a lock."""

    def waits() -> bool:
        with db.connect() as conn:
            found = conn.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))
            return bool(found.scalar_one())

    until(waits, within=20, what="a wait for the lock")


def test_a_held_row_holds_the_others_up_for_a_moment_only(
    things: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oee_daemon.store.postgres_line.LOCK_S", 0.2)

    async def use(line: Line) -> list[Any]:
        await put(line, range(4))
        with transactions(things).begin() as conn:
            conn.execute(text("UPDATE things SET v = 9 WHERE id = 2"))
            # While it is still held.
            return await put(line, range(4))

    held = on(database_url, use)[2]
    assert isinstance(held, OperationalError) and not held.connection_invalidated
    assert values(things) == {0: 2, 1: 2, 2: 9, 3: 2}


def test_who_stopped_waiting_before_it_left_has_asked_for_nothing(things: Engine, database_url: str) -> None:
    async def use(line: Line) -> None:
        gone = asyncio.ensure_future(line.ask(PUT, {"id": 1, "v": 1}))
        await asyncio.sleep(0)
        gone.cancel()
        await put(line, [2])

    on(database_url, use)
    assert set(values(things)) == {2}


def test_no_server_is_an_error_to_each(database_url: str, tmp_path: Path) -> None:
    nowhere = make_url(database_url).update_query_dict({"host": str(tmp_path)})
    for error in on(nowhere.render_as_string(hide_password=False), lambda line: put(line, [1, 2])):
        # Nothing was asked, and so nothing was done.
        assert isinstance(error, OperationalError) and not error.connection_invalidated


def test_whoever_waits_at_the_end_has_lost_the_answer(things: Engine, database_url: str) -> None:
    async def use(line: Line) -> list[Any]:
        asks = asyncio.ensure_future(put(line, [1]))
        await asyncio.sleep(0)
        await line.close()
        return [*await asks, *await put(line, [2])]

    for error in on(database_url, use):
        assert isinstance(error, OperationalError) and error.connection_invalidated


def test_it_waits_for_the_disk_and_plans_by_key_whatever_others_set(db: Engine, database_url: str) -> None:
    names = {"synchronous_commit": "on", "plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
    with db.connect() as conn:
        for name in names:
            off = "auto" if name == "plan_cache_mode" else "on" if name == "enable_seqscan" else "off"
            conn.execute(text(f"ALTER ROLE oee IN DATABASE {db.url.database} SET {name} = '{off}'"))
    shown = ", ".join(f"current_setting('{name}') AS {name}" for name in names)
    found = answered(f"SELECT n, {shown} FROM asked")  # noqa: S608
    show = Batch(f"-- show: settings\nWITH {asked('x int', 'x')} {found}")
    assert on(database_url, lambda line: line.ask(show, {"x": 1})) == names


def test_what_was_prepared_is_used_again_also_after_a_failure(things: Engine, database_url: str) -> None:
    left = Batch(f"""
        -- left: what is prepared
        WITH {asked("x int", "x")}
        {answered("SELECT n, (SELECT count(*) FROM pg_prepared_statements) AS prepared FROM asked")}
    """)  # noqa: S608

    async def use(line: Line) -> list[int]:
        found = []
        for v in (1, 100, 1, 100):
            await put(line, [1], v=v)
            row = await line.ask(left, {"x": 1})
            assert row is not None
            found.append(row["prepared"])
        return found

    assert on(database_url, use) == [2, 2, 2, 2]


def test_the_statement_before_it_runs_once_for_a_flight_and_in_the_same_transaction(
    things: Engine, database_url: str
) -> None:
    note = "SELECT set_config('oee.note', concat(current_setting('oee.note', true), 'b'), true)"
    found = answered("SELECT n, current_setting('oee.note', true) AS note FROM asked")
    told = Batch(f"-- told: what was said\nWITH {asked('note text', 'note')} {found}", first=note)

    async def use(line: Line) -> list[Any]:
        return await asyncio.gather(*(line.ask(told, {"note": note}) for note in ("a", "b")))

    assert on(database_url, use) == [{"note": "b"}] * 2


def test_an_answer_that_can_not_be_read_is_lost(things: Engine, database_url: str) -> None:
    odd = Batch(f"-- odd: no list of rows\nWITH {asked('x int', 'x')} SELECT n FROM asked")  # noqa: S608

    async def use(line: Line) -> list[Any]:
        lost: list[Any] = list(await asyncio.gather(line.ask(odd, {"x": 1}), return_exceptions=True))
        assert (await put(line, [1]))[0]["v"] == 1
        return lost

    for error in on(database_url, use):
        assert isinstance(error, OperationalError) and error.connection_invalidated


@pytest.mark.parametrize(("place", "told"), [("flight_sent", 0), ("flight_told", 1)])
def test_a_loss_inside_a_flight_leaves_each_row_as_it_is_alone(
    things: Engine, database_url: str, tmp_path: Path, place: str, told: int
) -> None:
    async def use(line: Line) -> list[Any]:
        await put(line, [0])
        failpoints.arm(f"{place}=lose*1", tmp_path)
        rows = await put(line, [1, 2, 3])
        await put(line, [0])
        return rows

    try:
        rows = on(database_url, use)
    finally:
        failpoints.arm("", tmp_path)
    assert [isinstance(row, OperationalError) for row in rows] == [n >= told for n in range(3)]
    # What was sent is done; its answers alone are lost.
    until(lambda: values(things) == {0: 2, 1: 1, 2: 1, 3: 1}, within=20, what="the flight's commit")

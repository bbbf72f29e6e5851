"""The line to Postgres: what flies together, what an error, a loss, a lock or silence costs, and whom."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from oee_daemon import failpoints
from oee_daemon.store.database import transactions
from oee_daemon.store.postgres_line import SETTINGS, Batch, Line, Row, answered, asked
from tests.integration.line_rig import PUT, drop_things, on, put, until_waits, values


@pytest.fixture
def things(db: Engine, database_url: str) -> Iterator[Engine]:
    with db.connect() as conn:
        conn.execute(text("CREATE TABLE things (id int PRIMARY KEY, v int CHECK (v < 100), note text)"))
    yield db
    drop_things(database_url)


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
    monkeypatch.setitem(SETTINGS, "lock_timeout", "20s")

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


def test_a_held_row_holds_the_others_up_for_a_moment_only(
    things: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SETTINGS, "lock_timeout", "200ms")

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


def test_an_answer_is_seen_while_its_commit_waits_and_told_once_it_is_durable(
    things: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SETTINGS, "lock_timeout", "20s")
    with things.connect() as conn:
        conn.execute(text("ALTER TABLE things ADD UNIQUE (note) DEFERRABLE INITIALLY DEFERRED"))

    async def use(line: Line) -> tuple[bool, Row, Row | None]:
        heard: asyncio.Future[Row] = asyncio.get_running_loop().create_future()
        with things.connect() as conn:
            other = conn.execution_options(isolation_level="READ COMMITTED").begin()
            # The commit of the same note waits for what becomes of it.
            conn.execute(text("INSERT INTO things (id, v, note) VALUES (1, 1, 'same')"))
            row = {"id": 2, "v": 5, "note": "same"}
            asking = asyncio.ensure_future(line.ask(PUT, row, heard.set_result))
            seen = await heard
            await asyncio.to_thread(until_waits, things)
            told = asking.done()
            other.rollback()
        return told, seen, await asking

    told, seen, answer = on(database_url, use)
    assert not told
    assert seen == answer
    assert values(things) == {2: 5}

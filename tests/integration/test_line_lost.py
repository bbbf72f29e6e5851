"""The line to Postgres: what a loss, silence or a server that is gone costs each who asked."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import OperationalError

from oee_daemon import failpoints
from oee_daemon.store.database import transactions
from oee_daemon.store.postgres_connection import Silent
from oee_daemon.store.postgres_line import SETTINGS, Batch, Line, answered, asked
from tests.integration.line_rig import drop_things, on, put, until_waits, values
from tests.kit.daemons import until
from tests.kit.proxy import Proxy

COUNT = Batch(f"""
    -- count: how many things there are
    WITH {asked("x int", "x")}
    {answered("SELECT n, (SELECT count(*) FROM things) AS things, pg_backend_pid() AS pid FROM asked")}
""")  # noqa: S608


@pytest.fixture
def things(db: Engine, database_url: str) -> Iterator[Engine]:
    with db.connect() as conn:
        conn.execute(text("CREATE TABLE things (id int PRIMARY KEY, v int CHECK (v < 100), note text)"))
    yield db
    drop_things(database_url)


@pytest.fixture
def proxy(things: Engine, database_url: str, homes: Path) -> Iterator[Proxy]:
    made = Proxy(database_url, homes)
    yield made
    made.close()


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
        line._lead.silence()
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
    monkeypatch.setitem(SETTINGS, "lock_timeout", "20s")

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

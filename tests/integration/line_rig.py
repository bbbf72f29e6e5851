"""A line to Postgres of one's own, and a batch that adds to things."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from sqlalchemy import Engine, text

from oee_daemon.store.postgres_line import Batch, Line, answered, asked
from tests.kit.daemons import until
from tests.kit.databases import connect

#: Inserts, or adds to, a thing; answers with its sum, and with nothing where it shall be zero.
PUT = Batch(f"""
    -- put: adds to things
    WITH {asked("id int, v int, note text", "id")}, put AS (
        INSERT INTO things (id, v, note) SELECT id, v, note FROM asked
        ON CONFLICT (id) DO UPDATE SET v = things.v + excluded.v RETURNING id, v, xmin::text AS flight
    )
    {answered("SELECT n, put.v, flight FROM asked JOIN put USING (id) WHERE put.v <> 0")}
""")  # noqa: S608


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


def until_waits(db: Engine) -> None:
    """Somebody waits for a lock."""

    def waits() -> bool:
        with db.connect() as conn:
            found = conn.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))
            return bool(found.scalar_one())

    until(waits, within=20, what="a wait for the lock")


def drop_things(url: str) -> None:
    """So that the next test may have the database; where somebody holds the table, it is dropped with it."""
    with suppress(psycopg.Error), connect(url) as conn:
        conn.execute("SET lock_timeout = '200ms'")
        conn.execute("DROP TABLE things")

"""What a coroutine comes to, for a test that is none: one event loop for the whole process."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import cache
from typing import Any, TypeVar

from psycopg import RawCursor
from sqlalchemy import Connection

from oee_daemon.engine.engine_loop import Loop
from oee_daemon.store.postgres_line import Batch, Line, Row, encode
from oee_daemon.store.sql_statement import driver

T = TypeVar("T")


@cache
def loop() -> Loop:
    """It is made once, and goes with the process."""
    return Loop(16)


def now(work: Coroutine[Any, Any, T]) -> T:
    """What it returns or raises. Of two threads that ask, both run."""
    return loop().run(work)


class Within(Line):
    """Asks on a connection of the test's, in whose transaction it all stays."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    async def ask(
        self, batch: Batch, row: Mapping[str, Any], seen: Callable[[Row], None] | None = None
    ) -> Row | None:
        *before, last = batch.texts
        for text in before:
            RawCursor(driver(self._conn)).execute(text.encode())
        answer = RawCursor(driver(self._conn)).execute(last.encode(), [f"[{encode(row)}]"]).fetchone()
        assert answer is not None
        found: Row | None = answer[0][0] if answer[0] else None
        if found is not None:
            del found["n"]
            if seen is not None:
                seen(found)
        return found

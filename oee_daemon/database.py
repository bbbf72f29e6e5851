"""Opens Postgres: one pooled engine whose every statement is its own transaction.

Each move of an order is one statement (see `store`), so autocommit is the rule and `engine.begin` on
`transactions(db)` the exception. Nothing here knows a table.
"""

from __future__ import annotations

import select
import time
from typing import Any

# The whole before its part: a start imports it in two threads, and Python's import locks can't tell which
# of them has to wait where one begins with the part.
import psycopg  # noqa: F401
from psycopg.types.numeric import Int8Dumper
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InvalidatePoolError

#: Seconds to wait for a connection to be made before Postgres counts as away.
CONNECT_TIMEOUT_S = 5
#: Seconds for which a connection that was just used counts as alive.
FRESH_S = 0.05
_USED = "used"


def open_database(url: str, *, pool_size: int) -> Engine:
    """An engine in autocommit with at most `pool_size` connections; connects on first use."""
    address = make_url(url).set(drivername="postgresql+psycopg")
    db = create_engine(
        address,
        isolation_level="AUTOCOMMIT",
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=CONNECT_TIMEOUT_S,
        # The one used last is the warmest.
        pool_use_lifo=True,
        # Everything here is asked again and again: prepare at the first use.
        connect_args={
            "prepare_threshold": 0,
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": "oee",
            "options": "-c timezone=UTC",
        },
        # Nothing to roll back, then.
        skip_autocommit_rollback=True,
        # Parameters carry amounts and keys; they do not belong in logged errors.
        hide_parameters=True,
    )
    event.listen(db, "connect", _one_integer)
    event.listen(db, "checkout", _still_there)
    event.listen(db, "checkin", _given_back)
    return db


def _one_integer(connection: Any, _record: Any) -> None:
    """Every integer is sent as a bigint: by its size it would be one of three types, and each mix of types
    would be a statement of its own to prepare."""
    connection.adapters.register_dumper(int, Int8Dumper)


def _still_there(connection: Any, record: Any, _proxy: Any) -> None:
    """A connection that the server has closed is not handed out, nor are its older sisters: the pool makes
    another.

    So a restart of Postgres costs no request its answer, and what could not be sent is not mistaken for sent.
    Costs no round trip: there is something to read on an idle connection only where it ended. (`poll`, since
    `select` can't tell of descriptors above 1023.) One that was used just now is not looked at: under load
    that would be for nothing, and each look lets go of the interpreter.
    """
    if connection.closed or (
        time.monotonic() - record.info.get(_USED, 0.0) > FRESH_S and _readable(connection)
    ):
        raise InvalidatePoolError("the server closed it")


def _given_back(_connection: Any, record: Any) -> None:
    record.info[_USED] = time.monotonic()


def _readable(connection: Any) -> bool:
    look = select.poll()
    look.register(connection.fileno(), select.POLLIN)
    return bool(look.poll(0))


def transactions(db: Engine) -> Engine:
    """The same pool, for the few places where several statements are one transaction."""
    return db.execution_options(isolation_level="READ COMMITTED")

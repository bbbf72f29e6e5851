"""Opens Postgres: one pooled engine whose every statement is its own transaction.

Each move of an order is one statement (see `store`), so autocommit is the rule and `engine.begin` on
`transactions(db)` the exception. Nothing here knows a table.
"""

from __future__ import annotations

import asyncio
import logging
import select
import time
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar

# The whole before its part: a start imports it in two threads, and Python's import locks can't tell which
# of them has to wait where one begins with the part.
import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.numeric import Int8Dumper
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    DisconnectionError,
    InvalidatePoolError,
    OperationalError,
)

from oee_daemon.start_errors import BadSetting
from oee_daemon.store.postgres_connection import (
    CONNECT_TIMEOUT_S,
    GRACE_S,
    STATEMENT_S,
    Bounded,
    Silent,
    connect,
)

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)

#: Seconds for which a connection that was just used counts as alive.
FRESH_S = 0.05
#: Seconds between two looks at where new connections lead.
LEAD_S = 1.0
#: Seconds after which one that nobody used is replaced instead of trusted: what is between us and Postgres
#: may have forgotten it, and then says nothing.
STALE_S = 30.0
#: Connections that a pool keeps though nobody uses them: those above go back to the server.
KEPT = 32
#: Seconds for a statement of those that read or write a whole database.
LONG_S = 3600.0
_DRIVER = "postgresql+psycopg"
_USED = "used"
#: What an address may say after its `?`: what libpq knows, and not what the driver alone does.
_PARAMETERS = frozenset(one.keyword.decode() for one in pq.Conninfo.get_defaults())


class Lead:
    """Which server the newest connection to an address led to, and when somebody was last not answered there,
    for all who have older ones: what one of them learns the others need not.

    One that lost its place to another goes on answering those that it had; and what is stored there nobody
    who works reads.
    """

    def __init__(self) -> None:
        #: No connection can lead elsewhere than the next: it is Postgres's own socket on this machine, and
        #: not one of a program that passes on what it is told, over a network or as a pool.
        self.fixed = False
        self._begun, self._server = 0.0, ""
        self._silent_at = 0.0

    def note(self, made: Bounded) -> bool:
        """Learns of a new connection. Whether the older ones lead elsewhere."""
        self.fixed = made.info.host.startswith("/") and made.near and not made.pooled
        if made.server is None or made.begun < self._begun:
            return False
        before, self._begun, self._server = self._server, made.begun, made.server
        return before not in ("", made.server)

    def silence(self) -> None:
        """Somebody is not answered there: what is older is not trusted."""
        self._silent_at = time.monotonic()

    def trusts(self, made: Bounded, used: float) -> bool:
        """Whether that connection leads where new ones do, and nobody was silent since it was last used, by
        the monotonic clock. One that takes no writes is asked for anew: its role or its database may have
        been allowed some since, which only new connections know."""
        if made.barred_at is not None and time.monotonic() - made.barred_at > LEAD_S:
            return False
        return used >= self._silent_at and made.server in (None, self._server)


#: By address, for all pools and lines of this process: what one of them notices of a server, all heed.
_leads: dict[URL, Lead] = {}


def open_database(url: str | URL, *, pool_size: int, statement_s: float = STATEMENT_S) -> Engine:
    """An engine in autocommit with at most `pool_size` connections; connects on first use.

    `statement_s`: seconds for one statement, after which it ends with an error, whatever is silent.
    """
    address = address_of(url)
    db = create_engine(
        address,
        isolation_level="AUTOCOMMIT",
        pool_size=min(pool_size, KEPT),
        max_overflow=max(0, pool_size - KEPT),
        pool_timeout=CONNECT_TIMEOUT_S,
        # The one used last is the warmest.
        pool_use_lifo=True,
        # Nothing to roll back, then.
        skip_autocommit_rollback=True,
        # Parameters carry amounts and keys; they do not belong in logged errors.
        hide_parameters=True,
    )
    event.listen(
        db, "do_connect", lambda _dialect, _record, args, given: connect(statement_s, *args, **given)
    )
    pool = _Pool(lead_of(address), statement_s)
    event.listen(db, "connect", pool.made)
    event.listen(db, "checkout", pool.taken)
    event.listen(db, "checkin", pool.given_back)
    event.listen(db, "invalidate", pool.lost)
    return db


def address_of(url: str | URL) -> URL:
    """Where Postgres is, as libpq itself reads an address: several hosts, or a socket's folder for one; what
    only SQLAlchemy can read is read by it. Raises `BadSetting`."""
    if isinstance(url, URL):
        return url.set(drivername=_DRIVER)
    try:
        address = _read_by_libpq(url) or make_url(url).set(drivername=_DRIVER)
        odd = [name for name in address.query if name not in _PARAMETERS]
        postgresql.psycopg.dialect().create_connect_args(address)  # type: ignore[no-untyped-call]
    except (ValueError, ArgumentError):
        # Without a word of it: it may hold a password.
        raise BadSetting("OEE_DATABASE_URL is no address that Postgres's own programs can read.") from None
    if odd:
        # What only the driver knows would be taken for text that it is not, and say how we ask.
        named = odd[0] if odd[0].isidentifier() and "@" not in url.partition("?")[2] else "one"
        raise BadSetting(
            f"OEE_DATABASE_URL has a parameter that Postgres's own programs do not know: {named}. Leave it"
            " out."
        )
    return address


def _read_by_libpq(url: str) -> URL | None:
    # Two hosts by two parameters are SQLAlchemy's own way.
    if url.count("host=") > 1:
        return None
    try:
        given = conninfo_to_dict(f"postgresql:{url.partition(':')[2]}")
    except psycopg.Error:
        return None
    told = {name: str(value) for name, value in given.items()}
    # A password with a slash as it is, and a plus for a blank: libpq takes them for other parts.
    if "@" in told.get("dbname", "") or "+" in url.partition("?")[2]:
        return None
    user, password, name = (told.pop(part, None) for part in ("user", "password", "dbname"))
    return URL.create(_DRIVER, username=user, password=password, database=name, query=told)


async def aside(
    db: Engine, call: Callable[Concatenate[Connection, P], T], *args: P.args, **named: P.kwargs
) -> T:
    """For a coroutine what is asked seldom: on another thread, with a connection of the pool."""

    def asked() -> T:
        with db.connect() as conn:
            return call(conn, *args, **named)

    return await asyncio.to_thread(asked)


def lead_of(url: URL) -> Lead:
    return _leads.setdefault(url, Lead())


def look_anew(db: Engine) -> bool:
    """Makes a connection, by which all that are older are known to lead elsewhere, and are used no more.
    Whether they do. Raises `OperationalError`."""
    if lead_of(db.url).fixed:
        return False
    try:
        made, moved = _connect(db.url)
    except psycopg.Error as e:
        raise OperationalError(None, None, e) from e
    made.close()
    if moved:
        log.warning("Postgres was restarted, or another one took over: no older connection is used any more")
    return moved


def _connect(url: URL) -> tuple[Bounded, bool]:
    args, given = postgresql.psycopg.dialect().create_connect_args(url)  # type: ignore[no-untyped-call]
    made = connect(STATEMENT_S, *args, **given)
    return made, lead_of(url).note(made)


def dial(url: URL, settings: Mapping[str, str]) -> Bounded:
    """A connection in autocommit like a pool's, and in none, with those settings. Blocks."""
    made, _ = _connect(url)
    try:
        pairs = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in settings.items())
        made.autocommit = True
        made.execute(f"SELECT {pairs}", prepare=False)
    except BaseException:
        made.close()
        raise
    return made


class _Pool:
    """What is known of a pool's connections beside what the pool knows."""

    def __init__(self, lead: Lead, statement_s: float) -> None:
        self._lead = lead
        self._statement_s = statement_s

    def made(self, connection: Any, record: Any) -> None:
        self._lead.note(connection)
        # Every integer is sent as a bigint: by its size it would be one of three types, and each mix of
        # types would be a statement of its own to prepare.
        connection.adapters.register_dumper(int, Int8Dumper)
        record.info[_USED] = time.monotonic()

    def taken(self, connection: Bounded, record: Any, _proxy: Any) -> None:
        """A connection that the server has closed is not handed out, nor are its older sisters: the pool
        makes another. No more is one that was last used before a sister went silent, or long ago, or one
        that leads elsewhere than the newest.

        So a restart of Postgres costs no request its answer, and what could not be sent is not mistaken for
        sent. Costs no round trip: there is something to read on an idle connection only where it ended.
        (`poll`, since `select` can't tell of descriptors above 1023.) One that was used just now is not
        looked at: under load that would be for nothing, and each look lets go of the interpreter.
        """
        used = record.info.get(_USED, 0.0)
        idle = time.monotonic() - used
        if (
            connection.closed
            or not self._lead.trusts(connection, used)
            or (idle > FRESH_S and _readable(connection))
        ):
            raise InvalidatePoolError("the server closed it, is silent, or is not where new ones lead")
        if idle > STALE_S:
            raise DisconnectionError("nobody used it for too long")

    def given_back(self, connection: Bounded | None, record: Any) -> None:
        record.info[_USED] = time.monotonic()
        if connection is not None:
            connection.answer_s = self._statement_s + GRACE_S

    def lost(self, _connection: Any, _record: Any, error: BaseException | None) -> None:
        if isinstance(error, Silent):
            self._lead.silence()


def _readable(connection: Any) -> bool:
    look = select.poll()
    look.register(connection.fileno(), select.POLLIN)
    return bool(look.poll(0))


def transactions(db: Engine) -> Engine:
    """The same pool, for the few places where several statements are one transaction."""
    return db.execution_options(isolation_level="READ COMMITTED")


def said(error: DBAPIError) -> str:
    """The first line of what libpq or Postgres said, which names the server and holds no secret."""
    lines = [line.strip() for line in str(error.orig).splitlines() if line.strip()]
    return (lines[0] if lines else type(error.orig).__name__).rstrip(".")

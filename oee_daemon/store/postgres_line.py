"""One connection to Postgres for all that an event loop asks: group commit over libpq's pipeline mode.

What is asked in one turn of the loop, or while a flight is under way, is the next flight: the rows of each
statement together, all in one transaction, one round trip, one wait for the disk. Who comes alone goes at
once. An error ends a flight and undoes all of it; its requests then fly again, each alone, so that a bad row
fails nobody else. Nothing is answered before its commit. A flight whose answer is lost is a lost answer to
each of its requests. No statement stands here, and nothing of libpq anywhere else.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from inspect import cleandoc
from itertools import count
from typing import Any

import psycopg
from psycopg import pq
from psycopg.errors import error_from_result
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from oee_daemon import failpoints
from oee_daemon.store.database import FRESH_S, STALE_S, address_of, dial, lead_of
from oee_daemon.store.postgres_connection import GRACE_S, STATEMENT_S, Bounded, Silent

#: A row that is asked with, or answered: flat, by column.
Row = dict[str, Any]

#: Rows of one flight. More wait for the next one.
MOST_ROWS = 64
#: A wait for another's lock is short: everybody else waits with it. And a plan is made once for a connection,
#: maybe while its tables are empty. All is looked up by key, and in the order of the rows, for that is the
#: order of the locks.
SETTINGS = {"lock_timeout": "1s", "plan_cache_mode": "force_generic_plan"} | dict.fromkeys(
    ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "enable_bitmapscan"), "off"
)


def _plain(value: Any) -> str:
    """What JSON has no word for, as Postgres reads it."""
    if isinstance(value, timedelta):
        return f"{value.total_seconds():f} s"
    return f"\\x{value.hex()}" if isinstance(value, bytes) else str(value)


#: Rows, as the statement of a `Batch` is asked with them.
encode = json.JSONEncoder(separators=(",", ":"), default=_plain).encode
_DONE = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)


class Batch:
    """One statement for any number of rows.

    Its text is libpq's: `$1` is a JSON list of the rows, which `asked` reads. Its answer is a JSON list too,
    by `answered`: a row for each that it has an answer to, whose `n` is that of the row asked with. Its first
    line is `-- name: what it does`. `first` runs before it in the same transaction, and is asked with
    nothing: what it waits for has happened before the other's snapshot is taken.
    """

    __slots__ = ("name", "texts")

    def __init__(self, text: str, *, first: str | None = None) -> None:
        self.texts = tuple(cleandoc(each) for each in (first, text) if each is not None)
        self.name = self.texts[-1].removeprefix("-- ").partition(":")[0]


def asked(columns: str, order: str) -> str:
    """The rows asked with, for a `WITH`; `n` numbers them. `order`: in which they are locked."""
    return f"""asked AS MATERIALIZED (
        SELECT *, ordinality AS n FROM ROWS FROM (jsonb_to_recordset($1) AS ({columns})) WITH ORDINALITY
        ORDER BY {order}
    )"""  # noqa: S608  # the names are our own columns


def answered(query: str) -> str:
    """The answer of a `Batch`: the rows of a query, of which `n` is one column."""
    return f"SELECT json_agg(answer) FROM ({query}) answer"  # noqa: S608


@dataclass(slots=True, eq=False)
class _Request:
    batch: Batch
    row: str
    answer: asyncio.Future[Row | None]
    seen: Callable[[Row], None] | None
    found: Row | None = None
    #: Of a flight that failed.
    alone: bool = False


class Line:
    """Connects on first use, and again after a loss. Belongs to the event loop that uses it first.

    `most`: rows of one flight; 1 where nobody shall share one.
    """

    def __init__(self, url: str | URL, *, most: int = MOST_ROWS) -> None:
        self._url = address_of(url)
        self._lead = lead_of(self._url)
        self._most = most
        #: Until when the flight's answer has to be there, seconds.
        self.answer_s = STATEMENT_S + GRACE_S
        self._waiting: deque[_Request] = deque()
        self._flight: list[_Request] = []
        #: What the results under way are of: requests, or the text and the name of what was prepared.
        self._expected: deque[list[_Request] | tuple[str, str]] = deque()
        self._fault: psycopg.Error | None = None
        self._connection: Bounded | None = None
        self._socket = -1
        self._used = 0.0
        self._prepared: dict[str, str] = {}
        self._numbers = count(1)
        self._busy = self._closed = False
        self._dialing: asyncio.Task[None] | None = None
        self._late: asyncio.TimerHandle | None = None

    async def ask(
        self, batch: Batch, row: Mapping[str, Any], seen: Callable[[Row], None] | None = None
    ) -> Row | None:
        """What the statement answers for this row once that is durable; none where it has no answer.

        `seen`: is called with the answer while its commit waits for the disk, which may still fail: nothing
        that it does may be told, stored or sent. Once more where the flight has to be repeated.

        Raises `DBAPIError`: Postgres refused it, or could not be asked, and nothing was done; or, with
        `connection_invalidated`, its answer is lost, and it may have been done. Who stops waiting leaves it
        in the air.
        """
        loop = asyncio.get_running_loop()
        request = _Request(batch, encode(row), loop.create_future(), seen)
        self._waiting.append(request)
        if not self._busy:
            self._busy = True
            loop.call_soon(self._depart)
        return await request.answer

    async def close(self) -> None:
        """Who still waits has lost the answer."""
        self._closed = True
        if self._dialing is not None:
            await asyncio.wait([self._dialing])
        self._flight += self._waiting
        self._waiting.clear()
        self._lose(psycopg.OperationalError("the line is closed"))

    # Departing.

    def _depart(self) -> None:
        """Sends what waits, if anything does."""
        # Before anything is in the air, which would be lost with a connection that is found closed.
        fresh = self._is_fresh()
        self._flight = self._board()
        if not self._flight:
            self._busy = False
        elif self._closed:
            self._lose(psycopg.OperationalError("the line is closed"))
        elif fresh:
            self._send()
        else:
            self._dialing = asyncio.get_running_loop().create_task(self._dial())

    def _board(self) -> list[_Request]:
        flight: list[_Request] = []
        while self._waiting and len(flight) < self._most:
            request = self._waiting.popleft()
            # Whoever stopped waiting before it was sent has asked for nothing.
            if not request.answer.done():
                flight.append(request)
                if request.alone:
                    break
        return flight

    def _is_fresh(self) -> bool:
        """Nobody has closed the connection, what is between us and Postgres can't have forgotten it, and it
        leads where new ones do. So what can't be sent is not mistaken for sent."""
        idle = time.monotonic() - self._used
        if self._connection is not None and (
            idle > STALE_S or not self._lead.trusts(self._connection, self._used)
        ):
            self._disconnect()
        if self._connection is not None and idle > FRESH_S:
            self._read()
        return self._connection is not None

    async def _dial(self) -> None:
        try:
            made = await asyncio.to_thread(dial, self._url, SETTINGS)
            self._connection, self._prepared, self._socket = made, {}, made.pgconn.socket
            made.pgconn.nonblocking = 1
            made.pgconn.enter_pipeline_mode()
            asyncio.get_running_loop().add_reader(self._socket, self._read)
        except Exception as e:
            why = e if isinstance(e, psycopg.Error) else psycopg.OperationalError(str(e))
            self._lose(why, sent=False)
        else:
            if not self._closed:
                self._send()
        finally:
            self._dialing = None

    def _send(self) -> None:
        assert self._connection is not None
        pg = self._connection.pgconn
        self._fault = None
        self._expected.clear()
        self._late = asyncio.get_running_loop().call_later(self.answer_s, self._silent)
        kinds: dict[Batch, list[_Request]] = {}
        for request in self._flight:
            kinds.setdefault(request.batch, []).append(request)
        try:
            for batch, requests in kinds.items():
                rows = f"[{','.join([request.row for request in requests])}]".encode()
                for text in batch.texts:
                    last = text is batch.texts[-1]
                    pg.send_query_prepared(self._name(pg, batch, text), [rows] if last else [])
                    self._expected.append(requests if last else [])
                if any(request.seen for request in requests):
                    pg.send_flush_request()
            pg.pipeline_sync()
            if pg.flush():
                asyncio.get_running_loop().add_writer(self._socket, self._write)
            failpoints.hit("flight_sent")
        except (psycopg.Error, failpoints.Lost) as e:
            self._lose(e)

    def _name(self, pg: pq.abc.PGconn, batch: Batch, text: str) -> bytes:
        """The name of the prepared statement. A new one until Postgres has said that it is prepared: of a
        flight that failed nobody knows how far it came."""
        assert self._connection is not None
        known = self._prepared.get(text)
        if known is None:
            # Behind a pool that mixes sessions a name may be another's.
            known = "" if self._connection.pooled else f"{batch.name}_{next(self._numbers)}"
            pg.send_prepare(known.encode(), text.encode())
            self._expected.append((text, known))
        return known.encode()

    def _write(self) -> None:
        """What the socket had no room for."""
        assert self._connection is not None
        try:
            if not self._connection.pgconn.flush():
                asyncio.get_running_loop().remove_writer(self._socket)
        except psycopg.Error as e:
            self._lose(e)

    # Arriving.

    def _read(self) -> None:
        """Whatever there is to read, or the news that the connection is gone."""
        if self._connection is None:
            return
        pg = self._connection.pgconn
        try:
            pg.consume_input()
            while self._flight and self._connection is not None and not pg.is_busy():
                result = pg.get_result()
                if result is not None:
                    self._take(result)
                elif pg.status != pq.ConnStatus.OK:
                    raise psycopg.OperationalError(pg.get_error_message())
        except Exception as e:
            # Whatever it is, an answer that can't be read too: nobody waits for it for ever.
            self._lose(e)

    def _take(self, result: pq.abc.PGresult) -> None:
        if result.status == pq.ExecStatus.PIPELINE_SYNC:
            # The server has committed, or said why not.
            self._land()
        elif result.status == pq.ExecStatus.PIPELINE_ABORTED:
            pass
        elif result.status not in _DONE:
            self._fault = self._fault or error_from_result(result)
        elif isinstance(done := self._expected.popleft(), list):
            if done:
                self._hear(done, result.get_value(0, 0))
        elif done[1]:
            self._prepared[done[0]] = done[1]

    def _hear(self, requests: list[_Request], answer: bytes | None) -> None:
        rows: dict[int, Row] = {row.pop("n"): row for row in json.loads(answer or b"[]")}
        for n, request in enumerate(requests, 1):
            request.found = rows.get(n)
            if request.seen and request.found is not None and not request.answer.done():
                request.seen(request.found)

    def _land(self) -> None:
        self._used = time.monotonic()
        if self._late is not None:
            self._late.cancel()
        if self._fault is None:
            for told, request in enumerate(self._flight):
                if told:
                    failpoints.hit("flight_told")
                if not request.answer.done():
                    request.answer.set_result(request.found)
        elif len(self._flight) > 1:
            for request in reversed(self._flight):
                request.alone = True
                self._waiting.appendleft(request)
        else:
            self._fail(self._flight[0], self._fault, lost=False)
        self._flight = []
        # Before who was just told goes on: Postgres has the next flight while the loop does their work.
        self._depart()

    def _silent(self) -> None:
        self._lead.silence()
        self._lose(Silent(f"Postgres gave no answer within {self.answer_s:g} s"))

    def _lose(self, error: Exception, *, sent: bool = True) -> None:
        """The connection is gone, and with it what the flight came to, unless it was never `sent`."""
        flight, self._flight = self._flight, []
        self._disconnect()
        if not isinstance(error, psycopg.Error):
            error = psycopg.OperationalError("the answer was lost")
        for request in flight:
            self._fail(request, error, lost=sent)
        if flight:
            asyncio.get_running_loop().call_soon(self._depart)

    def _disconnect(self) -> None:
        if self._late is not None:
            self._late.cancel()
        if self._connection is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._socket)
            loop.remove_writer(self._socket)
            self._connection.close()
            self._connection = None

    @staticmethod
    def _fail(request: _Request, error: psycopg.Error, *, lost: bool) -> None:
        if not request.answer.done():
            # A flight ends with its commit: of a lost one nothing can be said, as of a commit. See
            # `sql_statement.fault`.
            text = None if lost else request.batch.texts[-1]
            found = DBAPIError.instance(text, None, error, psycopg.Error, connection_invalidated=lost)
            assert found is not None
            request.answer.set_exception(found)

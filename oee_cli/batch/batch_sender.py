"""One batch on its way: rows are read, sent a bounded number at once, and told as they end.

One thread reads, some send, one follows what was sent; who draws and who stops it is the caller, on its own.
What is held is bounded by what may be on its way at once, never by how many rows there are. Each row is in
one place at a time: in the slot, in_flight, or ended. Nothing here writes to a terminal.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from oee_cli.api.client_http import Client
from oee_cli.api.client_lost_answers import leaves_open
from oee_cli.api.client_place_once import dry_run_exit
from oee_cli.batch.batch_earlier import Earlier, same_terms
from oee_cli.batch.batch_in_flight import PAGE, PATIENCE, InFlightPoller, Placed
from oee_cli.batch.batch_options import Batch
from oee_cli.batch.batch_progress import BatchProgress
from oee_cli.batch.batch_reader import Row
from oee_cli.cli_errors import CliError, Forbidden, HomeLost, OutcomeUnknown, Stopped, Unreachable
from oee_cli.exit_codes import ExitCode, exit_code_of
from oee_daemon.contract.shapes import Order
from oee_daemon.contract.status import FINAL

#: Requests under way at once where each is short; a dry run's waits for venues.
_SENDERS = 16
#: Seconds between two tries to place an order while the daemon is away.
_PAUSE = 0.2
#: Seconds that a reader may take over a line when nothing more is told.
_LAST_WORD = 0.1
#: What the next row would meet as well.
_POINTLESS = (Unreachable, Forbidden, OutcomeUnknown)
#: Refusals that it would meet, too: they are of the daemon and of where this runs, and of no order.
_OF_ALL = ("other_network", "setting_not_in_force")
#: What no patience mends.
_FOR_GOOD = ("protocol_mismatch", Stopped.code, HomeLost.code, "other_database", "tls", "other_home")
_KEY_CONFLICT = "idempotency_key_reused"
_OTHER_OPTIONS = (
    "This batch placed the line with another --slippage or --valid-for. To place it once more: --batch NAME"
)

T = TypeVar("T")
Result = tuple[dict[str, Any], ExitCode]


class BatchSender:
    """`tell` gets each result, one at a time, from any thread; what it raises ends the batch.

    `timeout`: seconds for one order, from when it is sent. `earlier`: none where the batch has a name that
    nobody has had. `look_ahead`: reading never waits, so many rows can be looked up before they are sent.
    """

    def __init__(
        self,
        client: Client,
        batch: Batch,
        timeout: float,
        tell: Callable[[dict[str, Any]], None],
        earlier: Earlier | None = None,
        *,
        look_ahead: bool = False,
    ) -> None:
        self.client = client
        self.batch = batch
        self.timeout = timeout
        self._page = PAGE if look_ahead else 1
        self.progress = BatchProgress()
        #: The error that stopped the batch, if one did.
        self.trouble: BaseException | None = None
        #: Set once nothing is left to wait for.
        self.over = threading.Event()
        self._tell = tell
        self._earlier = earlier
        self._telling = threading.Lock()
        self._lock = threading.Lock()
        self._slot_free = threading.Condition(self._lock)
        self._slot_full = threading.Condition(self._lock)
        self._slot: Row | None = None
        self._idle = self._senders = 0
        self._stopping = self._silent = False
        self._read_whole = self._read_over = False
        self._in_flight = InFlightPoller(client, self._order_ended)

    def start(self, rows: Iterable[Row]) -> None:
        # Daemons: who is interrupted does not wait for them.
        threading.Thread(target=self._read, args=(iter(rows),), daemon=True).start()
        threading.Thread(target=self._in_flight.follow, daemon=True).start()

    def stop(self) -> None:
        """Sends nothing more. What was sent goes on, and is told as it ends."""
        with self._lock:
            self._stop()

    def silence(self) -> None:
        """Tells nothing more, as the caller leaves. A line that is being written is waited for a moment."""
        if not self._silent:
            self._silent = self._telling.acquire(timeout=_LAST_WORD)

    # Under the lock

    def _stop(self) -> None:
        self._stopping = True
        self._slot_free.notify_all()
        self._slot_full.notify_all()
        self._settle()

    def _settle(self) -> None:
        self.progress.complete = self._read_whole and self._slot is None
        read = self._read_over and self._slot is None
        if (read or self._stopping) and not self.progress.in_flight:
            self.over.set()
            self._slot_full.notify_all()
            self._in_flight.close()

    # Reading

    def _read(self, rows: Iterator[Row]) -> None:
        whole = False
        try:
            whole = all(self._offer(row) for row in self._skip_placed(rows))
        except BaseException as e:
            if not (self._stopping and isinstance(e, CliError)):
                self._break(e)
        with self._lock:
            self._read_whole = whole and not self._stopping
            self._read_over = True
            self._settle()

    def _skip_placed(self, rows: Iterator[Row]) -> Iterator[Row]:
        """The rows to send, each with the order that it has; those that ended are told here."""
        while self._earlier is not None and not self._stopping and (page := list(islice(rows, self._page))):
            for row in self._look_up(self._earlier, page):
                order = row.order
                ended = order is not None and self._is_ended(order) and _asks_the_same(row)
                if order is None or self.batch.dry_run or not ended:
                    yield row
                elif not self._stopping:
                    self._report(self._make_result(row, order, replayed=True))
        yield from rows

    def _look_up(self, earlier: Earlier, page: list[Row]) -> list[Row]:
        try:
            return self.patiently(lambda: earlier.found(page))
        except Forbidden:
            # Whoever sends them will say so, too.
            return page

    def patiently(self, ask: Callable[[], T]) -> T:
        """Asks for as long as `_execute` tries: what is sent without an answer may be bought twice."""
        until = time.monotonic() + min(PATIENCE, self.timeout)
        while True:
            try:
                with self.client.patience.waiting(until):
                    return ask()
            except Unreachable as e:
                if time.monotonic() > until or self._stopping or e.code in _FOR_GOOD:
                    raise
            self.over.wait(_PAUSE)

    def _offer(self, row: Row) -> bool:
        """Waits until a sender can take the row. Returns whether more may be offered."""
        with self._lock:
            while self._slot is not None and not self._stopping:
                self._slot_free.wait()
            if self._stopping:
                return False
            if row.fault is None:
                self._hand_over(row)
        if row.fault is not None:
            # Here, so that the next row is not on its way before this one has failed.
            self._report(_failure(row.line, row.fault))
        return not self._stopping

    def _hand_over(self, row: Row) -> None:
        self._slot = row
        most = self.batch.max_inflight
        if not self._idle and self._senders < (most if self.batch.dry_run else min(most, _SENDERS)):
            self._senders += 1
            threading.Thread(target=self._send, daemon=True).start()
        self._slot_full.notify()

    # Sending

    def _take(self) -> Row | None:
        """The next row, once there is one and room for it; `None` where nothing more is sent."""
        with self._lock:
            self._idle += 1
            while self._slot is None or self.progress.in_flight >= self.batch.max_inflight:
                if self._stopping or self.over.is_set():
                    return None
                self._slot_full.wait()
            if self._stopping:
                return None
            self._idle -= 1
            row, self._slot = self._slot, None
            self.progress.sent += 1
            self.progress.last_sent = row.line
            self.progress.in_flight += 1
            self.progress.unanswered += 1
            self._slot_free.notify()
            return row

    def _send(self) -> None:
        while (row := self._take()) is not None:
            result: Result | None
            try:
                result = self._check(row) if self.batch.dry_run else self._place(row)
            except CliError as e:
                if isinstance(e, _POINTLESS) or e.code in _OF_ALL:
                    self._break(e)
                if row.identity is not None and e.code == _KEY_CONFLICT:
                    e.hint = _OTHER_OPTIONS
                result = _failure(row.line, e)
            except Exception as e:
                result = _failure(row.line, CliError(f"A fault of ours: {type(e).__name__}: {e}"))
            with self._lock:
                self.progress.unanswered -= 1
            if result is not None:
                self._report(result, was_in_flight=True)

    def _check(self, row: Row) -> Result:
        # Written in another way it would be found all the same, and only the daemon would call it another.
        with self.client.patience.waiting(time.monotonic() + self.timeout):
            answer = self.client.dry_run(row.body, None if _asks_the_same(row) else row.key)
        return {"line": row.line, **answer}, dry_run_exit(answer)

    def _place(self, row: Row) -> Result | None:
        """Places the row. Returns its result where it has one already."""
        deadline = time.monotonic() + self.timeout
        if row.order is not None and _asks_the_same(row):
            order, replayed = row.order, True
        else:
            order, replayed = self._execute(row, deadline)
        if self._is_ended(order):
            return self._make_result(row, order, replayed=replayed)
        self._in_flight.add(Placed(row, order, replayed, deadline))
        return None

    def _execute(self, row: Row, deadline: float) -> tuple[Order, bool]:
        """Places the row, trying for as long as a daemon's restart takes: the key makes it one order."""
        until = min(deadline, time.monotonic() + PATIENCE)
        lost: CliError | None = None
        while True:
            try:
                return self.client.execute(row.body, row.key, deadline)
            except CliError as e:
                if not isinstance(e, Unreachable | OutcomeUnknown) and not (lost and leaves_open(e)):
                    raise
                if isinstance(e, OutcomeUnknown):
                    if e.retryable:
                        e.hint = "The same batch again finds it, or places it once."
                    lost = e
                if time.monotonic() > until or e.code in _FOR_GOOD:
                    raise lost or e from None
            self.over.wait(_PAUSE)

    # Ending

    def _is_ended(self, order: Order) -> bool:
        # What waits is answered once it is durable: it may wait for days.
        return self.batch.detach or order["status"] in FINAL or order["status"] == "waiting"

    def _make_result(self, row: Row, order: Order, *, replayed: bool) -> Result:
        result: dict[str, Any] = {"line": row.line, "order": order}
        if replayed:
            result["replayed"] = True
            with self._lock:
                self._count_replayed(row, order["createdAt"])
        durable = self.batch.detach or order["status"] == "waiting"
        return result, ExitCode.DONE if durable else exit_code_of(order)

    def _order_ended(self, placed: Placed, order: Order, unknown: CliError | None) -> None:
        result, code = self._make_result(placed.row, order, replayed=placed.replayed)
        if unknown is not None:
            if isinstance(unknown.__cause__, Stopped):
                self._break(unknown.__cause__)
            result, code = {**result, "error": unknown.as_dict()}, unknown.exit_code
        self._report((result, code), was_in_flight=True)

    def _report(self, told: Result, *, was_in_flight: bool = False) -> None:
        result, code = told
        with self._telling:
            try:
                self._tell(result)
            except BaseException as e:
                self._break(e)
                return
            with self._lock:
                self._count(result, code)
                if was_in_flight and self.progress.in_flight:
                    self.progress.in_flight -= 1
                    self._slot_full.notify()
                if code is not ExitCode.DONE and self.batch.stop_on_failure:
                    self._stop()
                self._settle()

    def _count(self, result: dict[str, Any], code: ExitCode) -> None:
        progress = self.progress
        progress.codes[code] += 1
        progress.ended += 1
        if code is ExitCode.DONE and result.get("order", {}).get("status") == "waiting":
            progress.waiting += 1
        if code is not ExitCode.DONE and progress.first_failed is None:
            progress.first_failed = result["line"]

    def _count_replayed(self, row: Row, at: str) -> None:
        progress = self.progress
        progress.replayed += 1
        progress.renewable += row.identity is not None
        progress.placed_from = min(progress.placed_from or at, at)
        progress.placed_to = max(progress.placed_to, at)

    def _break(self, reason: BaseException) -> None:
        """Stops the batch because of an error that makes every further row pointless."""
        with self._lock:
            self.trouble = self.trouble or reason
            if not isinstance(reason, CliError):
                # Nobody hears how the others end.
                self.progress.in_flight = 0
            self._stop()


def _failure(line: int, error: CliError) -> Result:
    return {"line": line, "error": error.as_dict()}, error.exit_code


def _asks_the_same(row: Row) -> bool:
    """Whether the order that was found for a row is what it asks for in this run; else the daemon refuses."""
    return row.order is not None and same_terms(row, row.order)

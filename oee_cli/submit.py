"""`oee submit`: many orders from a stream, a bounded number at once, one line of JSON for each that ended.

Memory is flat: lines are read as there is room, and nothing of a line is kept once its result is out.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from oee_cli.amounts import read_slippage
from oee_cli.client import Client
from oee_cli.errors import CliError, Lost, Terminated, Unreachable, UsageFault
from oee_cli.exit_codes import ExitCode, of_status, worst
from oee_cli.output import Output
from oee_cli.rows import Row, read_rows
from oee_cli.settings import load
from oee_cli.times import read_duration, read_whole_seconds

#: Between two redraws of the line of figures, seconds.
_REDRAW = 0.2
_MOST_AT_ONCE = 500
_FILE = "It takes a file with a JSON object or a CSV row for each order, or - for stdin."


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """How the lines are placed and waited for."""

    source: str
    name: str | None = None
    max_inflight: int = 50
    slippage: str | None = None
    valid_for: str | None = None
    timeout: str = "60"
    detach: bool = False
    dry_run: bool = False


def submit(batch: Batch, output: Output) -> ExitCode:
    """Places every line; the exit code is the worst that any of them had."""
    if not 1 <= batch.max_inflight <= _MOST_AT_ONCE:
        raise UsageFault(
            f"--max-inflight takes a whole number from 1 to {_MOST_AT_ONCE}.", hint="50 if not given."
        )
    timeout = read_duration(batch.timeout, "--timeout")
    defaults: dict[str, Any] = {}
    if batch.slippage is not None:
        defaults["slippageBps"] = read_slippage(batch.slippage)
    if batch.valid_for is not None:
        defaults["validForS"] = read_whole_seconds(batch.valid_for, "--valid-for")
    with _opened(batch.source) as lines:
        name = _batch_name(batch, output)
        client = Client(load(), output, connections=batch.max_inflight)
        try:
            client.ready()
            return _Run(client, output, batch, timeout).all(read_rows(lines, defaults, name))
        finally:
            client.close()


def _batch_name(batch: Batch, output: Output) -> str | None:
    if batch.name is not None:
        return batch.name
    if batch.source != "-":
        return str(Path(batch.source).resolve())
    if not batch.dry_run:
        output.note(
            "reading stdin without --batch NAME: lines without an idempotencyKey get a new key,\n"
            "  so running this again places them again"
        )
    return None


@contextmanager
def _opened(source: str) -> Iterator[TextIO]:
    if source == "-":
        if sys.stdin.isatty():
            raise UsageFault(
                "stdin is a terminal: nothing was piped in.", hint="oee submit - < orders.ndjson"
            )
        yield sys.stdin
        return
    try:
        with Path(source).open(encoding="utf-8", newline="") as lines:
            yield lines
    except (FileNotFoundError, IsADirectoryError, PermissionError) as e:
        raise UsageFault(f"{source} can't be read: {e.strerror}.", hint=_FILE) from None
    except UnicodeDecodeError:
        raise UsageFault(f"{source} is not UTF-8 text.", hint=_FILE) from None


class _Run:
    """One batch on its way. The counters are guarded by the lock that also orders the lines printed."""

    def __init__(self, client: Client, output: Output, batch: Batch, timeout: float) -> None:
        self.client = client
        self.output = output
        self.batch = batch
        self.timeout = timeout
        self.lock = threading.Lock()
        self.waiting: queue.Queue[Row | None] = queue.Queue(maxsize=1)
        self.codes: set[ExitCode] = set()
        self.counts = {"done": 0, "failed": 0, "read": 0}
        self.began = time.monotonic()
        self.drawn = 0.0
        #: Set by what makes every further line pointless: no daemon, no permission, a closed pipe.
        self.halt: BaseException | None = None

    def all(self, rows: Iterator[Row]) -> ExitCode:
        workers: list[threading.Thread] = []
        try:
            for row in rows:
                with self.lock:
                    self.counts["read"] += 1
                if len(workers) < self.batch.max_inflight:
                    workers.append(self._worker())
                self._hand_over(row)
                if self.halt is not None:
                    break
            for _ in workers:
                self._hand_over(None)
            for worker in workers:
                while worker.is_alive():
                    worker.join(0.1)
                    self._figures()
        except (KeyboardInterrupt, Terminated):
            self._interrupted()
            raise
        finally:
            self._erase()
        if isinstance(self.halt, BrokenPipeError):
            raise self.halt
        self._summary()
        return worst(self.codes)

    def _hand_over(self, row: Row | None) -> None:
        while self.halt is None:
            try:
                self.waiting.put(row, timeout=_REDRAW)
                return
            except queue.Full:
                self._figures()

    def _worker(self) -> threading.Thread:
        # Daemons: an interrupt must not wait for orders that go on without us.
        thread = threading.Thread(target=self._work, daemon=True)
        thread.start()
        return thread

    def _work(self) -> None:
        while self.halt is None:
            try:
                row = self.waiting.get(timeout=_REDRAW)
            except queue.Empty:
                continue
            if row is None:
                return
            try:
                self._result(*self._one(row))
            except BrokenPipeError as e:
                self.halt = e
                return

    def _one(self, row: Row) -> tuple[dict[str, Any], ExitCode]:
        """One line's result and exit code, whatever happens to it."""
        try:
            if row.fault is not None:
                raise row.fault
            return self._placed(row)
        except CliError as e:
            if isinstance(e, Unreachable) and not e.retryable:
                self.halt = e
            return {"line": row.line, "error": e.as_dict()}, e.exit_code
        except Lost as e:
            gone = self.client.unreachable(e)
            return {"line": row.line, "error": gone.as_dict()}, gone.exit_code
        except Exception as e:
            fault = CliError(f"A fault of ours: {type(e).__name__}: {e}")
            return {"line": row.line, "error": fault.as_dict()}, fault.exit_code

    def _placed(self, row: Row) -> tuple[dict[str, Any], ExitCode]:
        if self.batch.dry_run:
            answer = self.client.dry_run(row.body)
            return {"line": row.line, **answer}, ExitCode.DONE
        deadline = time.monotonic() + self.timeout
        order, replayed = self.client.execute(row.body, row.key or str(uuid.uuid4()), deadline)
        code = ExitCode.DONE
        if not self.batch.detach:
            from oee_cli.follow import final_order

            order = final_order(self.client, order, deadline)
            code = of_status(order["status"])
        result: dict[str, Any] = {"line": row.line, "order": order}
        return ({**result, "replayed": True} if replayed else result), code

    def _result(self, result: dict[str, Any], code: ExitCode) -> None:
        with self.lock:
            self.codes.add(code)
            self.counts["done" if code is ExitCode.DONE else "failed"] += 1
            if self.output.erasable and self.drawn:
                self.output.draw("")
            self.output.emit(result)
        self._figures()

    def _figures(self) -> None:
        """The line of figures, where stderr is a terminal."""
        if not self.output.erasable:
            return
        with self.lock:
            now = time.monotonic()
            if now - self.drawn >= _REDRAW:
                self.drawn = now
                self.output.draw(self._said(now))

    def _said(self, now: float) -> str:
        ended = self.counts["done"] + self.counts["failed"]
        rate = ended / max(0.001, now - self.began)
        flying = self.counts["read"] - ended
        said = f"{self.counts['done']:,} done   {self.counts['failed']:,} not   {flying:,} in flight"
        return f"{said}   {rate:.1f}/s"

    def _erase(self) -> None:
        if self.output.erasable and self.drawn:
            with self.lock:
                self.output.draw("")

    def _summary(self) -> None:
        verb = "checked" if self.batch.dry_run else "placed" if self.batch.detach else "confirmed"
        self.output.note(
            f"{_lines(self.counts['read'])}: {self.counts['done']:,} {verb}, {self.counts['failed']:,} not"
        )

    def _interrupted(self) -> None:
        self._erase()
        ended = self.counts["done"] + self.counts["failed"]
        again = self.batch.name is not None or self.batch.source != "-"
        self.output.warn(
            f"stopped: read {_lines(self.counts['read'])}, {ended:,} had ended. All of them go on.\n  "
            + ("the same command again goes on where it stopped" if again else "what was placed: oee history")
        )


def _lines(count: int) -> str:
    return f"{count:,} line{'' if count == 1 else 's'}"

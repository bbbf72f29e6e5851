"""`oee submit`: many orders from a stream, a bounded number at once, one line of JSON for each that ended.

What was typed becomes a `BatchSender` here, and what it counts becomes words. Leaving never touches an order.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import stat
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from oee_cli.api.client_http import Client, session
from oee_cli.batch import batch_summary
from oee_cli.batch.batch_earlier import Earlier
from oee_cli.batch.batch_input_lines import Lines
from oee_cli.batch.batch_options import Batch
from oee_cli.batch.batch_reader import Row, read_rows
from oee_cli.batch.batch_row_keys import Keys
from oee_cli.batch.batch_sender import BatchSender
from oee_cli.cli_errors import CliError, Forbidden, HomeLost, OutcomeUnknown, Terminated, UsageFault
from oee_cli.descriptors import check_direction, own_descriptor
from oee_cli.exit_codes import ExitCode, worst_exit_code
from oee_cli.network_badge import badge
from oee_cli.output import Output, clean_lines
from oee_cli.text.amount_text import short_ends
from oee_cli.text.time_text import read_duration, read_whole_seconds

#: Between two looks for a signal, and two redraws, seconds.
_TICK, _REDRAW = 0.05, 0.2
#: How long answers that are on their way are waited for when it is broken off, seconds.
_LAST_CALL = 0.1
_MOST_AT_ONCE = 500
#: Characters of a path in a sentence.
_SHOWN = 80
#: Nothing went wrong, only nobody waited for the end.
_GOES_ON = (ExitCode.UNKNOWN, ExitCode.TIMEOUT)
_FILE = "It takes a file with a JSON object or a CSV row for each order, or - for stdin."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    stream: BinaryIO
    #: Bytes, where it is a file that stays one: then it is there at once.
    size: int | None
    #: Where that file is, links followed, unless it is stdin: by its name the batch is found again.
    path: Path | None


@dataclass(frozen=True, slots=True)
class _Name:
    """What keys are made of, what 0.1.0 made them of, and how to get the same ones again."""

    name: str
    former: str | None
    again: str = "the same command again"


def submit(file: str, batch: Batch) -> ExitCode:
    """Places every line; the exit code is the worst that any of them had."""
    if not 1 <= batch.max_inflight <= _MOST_AT_ONCE:
        raise UsageFault(
            f"--max-inflight takes a whole number from 1 to {_MOST_AT_ONCE}.", hint="50 if not given."
        )
    timeout = read_duration(batch.timeout, "--timeout")
    defaults = batch.terms.body()
    if batch.valid_for is not None:
        defaults["validForS"] = read_whole_seconds(batch.valid_for, "--valid-for")
    if batch.name == "":
        raise UsageFault("--batch takes a name.", hint="For example --batch monday")
    output = Output(json=True, quiet=batch.quiet, no_color=batch.no_color)
    with (
        _open_source(file) as source,
        session(output, connections=batch.max_inflight, places=True) as client,
    ):
        return _Run(batch, output, source, _name_batch(batch, source)).all(client, timeout, defaults)


def _name_batch(batch: Batch, source: _Source) -> _Name:
    """A file is known by its own name, wherever it is moved to; what has none gets one that nobody had."""
    if batch.name is not None:
        return _Name(batch.name, batch.name)
    if source.path is not None:
        return _Name(source.path.name, str(source.path))
    name = f"b-{secrets.token_hex(4)}"
    return _Name(name, None, f"the same input with --batch {name}")


@contextmanager
def _open_source(source: str) -> Iterator[_Source]:
    if source == "-" and sys.stdin.isatty():
        raise UsageFault("stdin is a terminal: nothing was piped in.", hint="oee submit - < orders.ndjson")
    try:
        if (number := 0 if source == "-" else own_descriptor(source)) is not None:
            check_direction(number, write=False)
        # Not `sys.stdin`: whoever leaves while a thread reads it would wait for that thread.
        opened: Any = open(0, "rb", closefd=False) if source == "-" else Path(source).open("rb")  # noqa: SIM115
    except OSError as e:
        shown = "stdin" if source == "-" else short_ends(source, _SHOWN)
        raise UsageFault(f"{shown} can't be read: {e.strerror}.", hint=_FILE) from None
    try:
        found = os.fstat(opened.fileno())
        if stat.S_ISDIR(found.st_mode):
            raise UsageFault("stdin can't be read: Is a directory.", hint=_FILE)
        regular = stat.S_ISREG(found.st_mode)
        path = None if source == "-" or not regular else _find_path(source, found)
        yield _Source(stream=opened, size=found.st_size if regular else None, path=path)
    finally:
        # Not by its buffer, which a thread that waits for the next line keeps locked.
        opened.raw.close()


def _find_path(source: str, opened: os.stat_result) -> Path | None:
    """Where the file is that was opened; `None` where it has no name, as a shell's here-document."""
    path = Path(source).resolve()
    try:
        return path if os.path.samestat(path.stat(), opened) else None
    except OSError:
        return None


class _Run:
    """One batch from its first line to its summary, on the main thread."""

    def __init__(self, batch: Batch, output: Output, source: _Source, name: _Name) -> None:
        self.batch = batch
        self.output = output
        self.size = source.size
        self.lines = Lines(source.stream, piped=source.size is None)
        self.name = name
        self.writer = ResultWriter(output)

    def all(self, client: Client, timeout: float, defaults: dict[str, Any]) -> ExitCode:
        began = time.monotonic()
        keys = Keys(self.name.name, self.name.former, lambda: sender.patiently(lambda: _fetch_mints(client)))
        # A name that was just made up has placed nothing.
        earlier = None if self.name.former is None else Earlier(client, keys)
        # A file is there at once, so that reading it never waits.
        look_ahead = self.size is not None
        sender = BatchSender(client, self.batch, timeout, self.writer.tell, earlier, look_ahead=look_ahead)
        with _collect_signals() as came:
            sender.start(self._announce_name(read_rows(self.lines, defaults, keys)))
            self._watch(sender, came)
            if came:
                self._leave(sender)
        sender.silence()
        self.writer.erase()
        if came:
            raise KeyboardInterrupt if came[0] == signal.SIGINT else Terminated
        return self._conclude(sender, time.monotonic() - began)

    def _announce_name(self, rows: Iterator[Row]) -> Iterator[Row]:
        """Says under which name the batch can be repeated, where nobody would know: before anything is sent,
        and once it is seen to be one."""
        first = next(rows, None)
        if first is None:
            return
        if self.name.former is None and not self.batch.dry_run:
            self.output.note(f"batch {self.name.name}: {self.name.again} places nothing twice")
        yield first
        yield from rows

    def _watch(self, sender: BatchSender, came: list[int]) -> None:
        """Draws the progress until the batch is over, or a signal came."""
        line = batch_summary.ProgressLine()
        drawn = time.monotonic()
        while not sender.over.wait(_TICK) and not came:
            if self.output.erasable and time.monotonic() - drawn >= _REDRAW:
                drawn = time.monotonic()
                part = None if not self.size else min(1.0, self.lines.bytes_read / self.size)
                width, color = self.output.width(sys.stderr), self.output.color(sys.stderr)
                self.writer.draw(line.text(sender.progress, part, width, color=color))

    def _leave(self, sender: BatchSender) -> None:
        """Stops sending and leaves; what was sent goes on without this command."""
        sender.stop()
        until = time.monotonic() + _LAST_CALL
        while sender.progress.unanswered and time.monotonic() < until:
            sender.over.wait(_TICK / 5)
        sender.silence()
        self.writer.erase()
        text = batch_summary.broken_off(sender.progress, dry_run=self.batch.dry_run)
        then = "tells how they end" if sender.progress.complete else "goes on there"
        self.output.sentence("●", text, None if self.batch.dry_run else f"{self.name.again} {then}")

    def _conclude(self, sender: BatchSender, seconds: float) -> ExitCode:
        progress, trouble = sender.progress, sender.trouble
        if trouble is not None and (not isinstance(trouble, CliError) or not progress.ended):
            raise trouble
        codes = [*progress.codes]
        if isinstance(trouble, CliError):
            codes.append(trouble.exit_code)
            self.output.sentence("✗", clean_lines(trouble.message), trouble.hint)
        code = worst_exit_code(codes)
        verb = "checked" if self.batch.dry_run else "placed" if self.batch.detach else "confirmed"
        mark = "✓" if code is ExitCode.DONE else "●" if code in _GOES_ON else "✗"
        if batch_summary.nothing_new(progress) or not self.output.quiet:
            first, *more = batch_summary.sum_up_batch(progress, verb, seconds).splitlines()
            self.output.sentence(mark, first, "\n".join(more) or None)
        if not progress.complete and not self.batch.dry_run:
            why = f"stopped at line {progress.first_failed:,}, which failed; " if trouble is None else ""
            # In another home at the same place it would begin anew.
            lost = isinstance(trouble, HomeLost | OutcomeUnknown) and not trouble.retryable
            hint = None if lost else f"{self.name.again} goes on there"
            self.output.sentence(" ", why + batch_summary.unsent(progress), hint)
        return code


def _fetch_mints(client: Client) -> dict[str, str]:
    """Each token's mint by what it may be called."""
    try:
        listed = client.get("/api/tokens")["tokens"]
    except Forbidden:
        # Nothing will be placed under the keys that this makes.
        return {}
    return {name: t["mint"] for t in listed for name in (t["symbol"].lower(), t["mint"])}


class ResultWriter:
    """Writes results to stdout and draws the line on stderr, out of each other's way."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._stdout = sys.stdout.fileno()
        self._shared = sys.stdout.isatty() and output.erasable
        self._screen = threading.Lock()
        self._drawn = False

    def tell(self, result: dict[str, Any]) -> None:
        line = json.dumps(badge.on_object(result), separators=(",", ":")).encode() + b"\n"
        if not self._shared:
            self._write(line)
            return
        with self._screen:
            self._wipe()
            self._write(line)

    def draw(self, text: str) -> None:
        # A terminal that takes no more must not keep anybody from leaving.
        if self._screen.acquire(timeout=_TICK):
            self._drawn = True
            self._output.draw(text)
            self._screen.release()

    def erase(self) -> None:
        if self._screen.acquire(timeout=_TICK):
            self._wipe()
            self._screen.release()

    def _wipe(self) -> None:
        if self._drawn:
            self._output.draw("")
            self._drawn = False

    def _write(self, line: bytes) -> None:
        # Past Python's buffer: that is flushed at the end, and would wait for whoever writes to a full pipe.
        while line:
            line = line[os.write(self._stdout, line) :]


@contextmanager
def _collect_signals() -> Iterator[list[int]]:
    """Collects the signals that come, instead of an exception in the middle of anything."""
    came: list[int] = []
    caught = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda n, _: came.append(n)) for number in caught}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

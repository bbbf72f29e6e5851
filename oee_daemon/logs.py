"""One log line an event, as JSON on standard error, with the order's id where there is one.

Keys are column names (`order_id`, `attempt`, `signature`, `venue`). Nothing secret may be given to a log
call; what a server or a name makes us print loses its control characters here.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import select
import stat
import sys
import threading
import time
from datetime import UTC, datetime
from typing import Any, TextIO

log = logging.getLogger(__name__)

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
#: Made once: with arguments of its own `json.dumps` makes an encoder for each call.
_ENCODE = json.JSONEncoder(default=str, ensure_ascii=False).encode
_PLAIN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "color_message", "taskName"}

#: Seconds for which the same is not said again, and of how many lines that is remembered.
REPEAT_S, REPEATS_KNOWN = 1.0, 200


def clean(text: str) -> str:
    """`text` without control characters, so that nobody else's words can move a cursor."""
    return _CONTROL.sub("·", text)


def clean_lines(text: str) -> str:
    """The same, with its line breaks: what a server said is read line by line."""
    return "\n".join(clean(line) for line in text.splitlines())


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {k: v for k, v in record.__dict__.items() if k not in _PLAIN and v is not None}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        # Over the whole: JSON escapes line ends in values and tracebacks, but no C1 controls.
        return clean(_ENCODE(line))


class _Repeats(logging.Filter):
    """Lets who repeats itself speak once a second; the next line says how many were left out.

    Another's logger repeats itself with the same kind of exception, ours with the same words and values: a
    line of ours about another order is another line.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[object, ...], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        ours = record.name.startswith("oee_daemon")
        if ours and record.levelno < logging.WARNING:
            return True  # every move of an order: no two are alike
        now = time.monotonic()
        key = self._key(record, ours)
        said, left_out = self._seen.get(key, (-REPEAT_S, 0))
        if now - said < REPEAT_S:
            self._seen[key] = (said, left_out + 1)
            return False
        if left_out:
            record.repeated = left_out
        if len(self._seen) >= REPEATS_KNOWN:
            self._seen = {k: v for k, v in list(self._seen.items()) if now - v[0] < REPEAT_S}
        self._seen[key] = (now, 0)
        return True

    def _key(self, record: logging.LogRecord, ours: bool) -> tuple[object, ...]:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not ours:
            return record.name, type(error), getattr(error, "errno", None)
        values = {k: v for k, v in record.__dict__.items() if k not in _PLAIN} if ours else {}
        return record.name, record.levelno, str(record.msg), repr((record.args, error, values))


class _Plainly(logging.Handler):
    """One write a line to standard error, with no lock around it: a write is whole, and a lock that is held
    while another thread runs costs all of them.

    Whoever reads it makes nobody wait: for a terminal that was stopped, or a frozen `tee`, no order stands
    still. What they do not take is lost.
    """

    def __init__(self) -> None:
        super().__init__()
        self._read = _for_a_reader(sys.stderr.fileno())

    def handle(self, record: logging.LogRecord) -> bool:
        passed = bool(self.filter(record))
        if passed:
            self.emit(record)
        return passed

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = (self.format(record) + "\n").encode(errors="replace")
            if self._read is None:
                os.write(sys.stderr.fileno(), line)
            elif _has_room(self._read):
                os.write(self._read, line)
        except BlockingIOError:
            pass
        except Exception:
            self.handleError(record)


def _for_a_reader(descriptor: int) -> int | None:
    """What to write to where somebody reads it, without waiting; none where it is a file.

    Opened anew, since who else has it open would find himself not waiting either. What can't be, as a socket,
    is asked for room before each line.
    """
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return None
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_APPEND | os.O_NOCTTY | os.O_CLOEXEC
    with contextlib.suppress(OSError):
        return os.open(f"/proc/self/fd/{descriptor}", flags)
    return descriptor


def _has_room(descriptor: int) -> bool:
    look = select.poll()
    look.register(descriptor, select.POLLOUT)
    return bool(look.poll(0))


def _in_a_thread(what: threading.ExceptHookArgs) -> None:
    """What ended a thread, as a line like any other."""
    if what.exc_value is not None and not isinstance(what.exc_value, SystemExit):
        log.error("a thread ended by a fault of ours", exc_info=what.exc_value)


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Sends every logger of the process through one handler. Called once, by `__main__`."""
    # None of these is in a line, and a line is written at each move of an order.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = _Plainly() if stream is None else logging.StreamHandler(stream)
    handler.setFormatter(_Lines())
    handler.addFilter(_Repeats())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    threading.excepthook = _in_a_thread
    # Dramatiq says "critical" on each second without a queue, Alembic greets at each start.
    logging.getLogger("dramatiq").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)

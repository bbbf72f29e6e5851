"""One log line an event, as JSON on standard error, with the order's id where there is one.

Keys are column names (`order_id`, `attempt`, `signature`, `venue`). Nothing secret may be given to a log
call; what a server or a name makes us print loses its control characters here.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
#: Made once: with arguments of its own `json.dumps` makes an encoder for each call.
_ENCODE = json.JSONEncoder(default=str, ensure_ascii=False).encode
_PLAIN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "color_message", "taskName"}


def clean(text: str) -> str:
    """`text` without control characters, so that nobody else's words can move a cursor."""
    return _CONTROL.sub("·", text)


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


class _Plainly(logging.Handler):
    """One write a line to standard error, with no lock around it: a write is whole, and a lock that is held
    while another thread runs costs all of them."""

    def handle(self, record: logging.LogRecord) -> bool:
        passed = bool(self.filter(record))
        if passed:
            self.emit(record)
        return passed

    def emit(self, record: logging.LogRecord) -> None:
        try:
            os.write(sys.stderr.fileno(), (self.format(record) + "\n").encode(errors="replace"))
        except Exception:
            self.handleError(record)


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Sends every logger of the process through one handler. Called once, by `__main__`."""
    # None of these is in a line, and a line is written at each move of an order.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = _Plainly() if stream is None else logging.StreamHandler(stream)
    handler.setFormatter(_Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Dramatiq says "critical" on each second without a queue, Alembic greets at each start.
    logging.getLogger("dramatiq").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)

"""The file of a home that halts its engine where Postgres can't be told: `OEE_HOME/halted`.

`oee halt` writes it before it asks anybody. Daemon and workers of the home take nothing up while it is there;
the daemon writes its halt into Postgres, and then removes it: a halt that Postgres has is not told twice, or
it could not be ended from another host.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from oee_daemon.contract.atomic_file import atomic_write, flush_folder

#: Characters of a reason, and of who asked.
MOST_TEXT = 500


class Mark(NamedTuple):
    """What the file says: why, and who asked for it."""

    reason: str | None = None
    by: str | None = None


def path_of(home: Path) -> Path:
    return home / "halted"


def is_there(home: Path) -> bool:
    """Quick enough to be asked before each swap that is stored or sent."""
    return os.path.exists(f"{home}/halted")  # noqa: PTH110  # a `Path` would take five times as long


def read(home: Path) -> Mark | None:
    """What the file says; none where there is none. One that can't be read halts as well."""
    if not is_there(home):
        return None
    with suppress(OSError, ValueError, AttributeError):
        told = json.loads(path_of(home).read_text())
        return Mark(
            *(None if told.get(name) is None else str(told[name])[:MOST_TEXT] for name in Mark._fields)
        )
    return Mark()


def write(home: Path, mark: Mark) -> None:
    """Durable when this returns. Raises `OSError`."""
    atomic_write(path_of(home), json.dumps(mark._asdict()) + "\n")


def remove(home: Path) -> None:
    """Durable when this returns; harmless where there is none. Raises `OSError`."""
    path_of(home).unlink(missing_ok=True)
    flush_folder(home)

"""The file of a home that halts its engine where Postgres can't be told: `OEE_HOME/halted`.

`oee halt` writes it before it asks anybody. Daemon and workers of the home take nothing up while it is there;
the daemon writes its halt into Postgres, and then removes it: a halt that Postgres has is not told twice, or
it could not be ended from another host. Each network of a home has a database of its own: the file names
those that are meant and stays until each of them has the halt. Any other one of the home is halted by it,
too, once, and notes beside it, in `halted.NETWORK`, of which file that was.
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
    """What the file says: why, who asked for it, of which networks, and when, which tells two files apart."""

    reason: str | None = None
    by: str | None = None
    networks: tuple[str, ...] = ()
    at: str | None = None


def path_of(home: Path) -> Path:
    return home / "halted"


def is_there(home: Path) -> bool:
    """Quick enough to be asked before each swap that is stored or sent."""
    return os.access(
        f"{home}/halted", os.F_OK
    )  # what raises inside, as `exists` does, takes three times as long


def halts(home: Path | None, network: str) -> bool:
    """There is a file of which the database of `network` has not been told. As quick where there is none.
    `home`: none where nobody could have written one."""
    if home is None or not is_there(home):
        return False
    seen = content(home)
    return seen is None or not _has(home, network, seen)


def content(home: Path) -> bytes | None:
    """What stands in the file; none where there is none, or it can't be read."""
    return _bytes(path_of(home))


def parse(seen: bytes | None) -> Mark:
    """What the file says. One that can't be read halts as well."""
    with suppress(ValueError, AttributeError, TypeError):
        told = json.loads(seen or b"")
        reason, by, at = (
            None if told.get(name) is None else str(told[name])[:MOST_TEXT] for name in ("reason", "by", "at")
        )
        # A name is part of a path.
        networks = tuple(name for name in told.get("networks", ()) if str(name).isalnum())
        return Mark(reason, by, networks, at)
    return Mark()


def write(home: Path, mark: Mark) -> None:
    """Durable when this returns. Networks that another file names, and that have not been told, are named by
    this one too. Raises `OSError`."""
    before = content(home)
    owed = {name for name in parse(before).networks if before is None or not _has(home, name, before)}
    mark = mark._replace(networks=tuple(sorted(owed | {*mark.networks})))
    atomic_write(path_of(home), json.dumps(mark._asdict()) + "\n")


def told(home: Path, network: str, seen: bytes | None) -> None:
    """The database of `network` has been told of the file in which `seen` stood, or a person let it go on:
    durable when this returns. Another file, which came since, stays. Raises `OSError`."""
    if any(name != network and (seen is None or not _has(home, name, seen)) for name in parse(seen).networks):
        assert seen is not None
        atomic_write(_told_path(home, network), seen.decode())
    elif content(home) == seen:
        path_of(home).unlink(missing_ok=True)
        flush_folder(home)


def remember(home: Path, network: str, number: int | None) -> None:
    """Notes outside Postgres that its halt of that number holds; none: it is over. A standby that takes over
    may lack its commit. Raises `OSError`."""
    if number is None:
        _known_path(home, network).unlink(missing_ok=True)
    else:
        atomic_write(_known_path(home, network), f"{number}\n")


def remembered(home: Path, network: str) -> int:
    """The number of the halt that holds as far as this home knows; 0 where none does."""
    with suppress(ValueError):
        return int(_bytes(_known_path(home, network)) or 0)
    return 0


def _known_path(home: Path, network: str) -> Path:
    return home / f"halt.{network}"


def _told_path(home: Path, network: str) -> Path:
    return home / f"halted.{network}"


def _has(home: Path, network: str, seen: bytes) -> bool:
    return _bytes(_told_path(home, network)) == seen


def _bytes(path: Path) -> bytes | None:
    with suppress(OSError):
        return path.read_bytes()
    return None

"""The orders that this home's commands have seen last: a few lines in a file, for the Tab key.

Commands that place, watch or list write it; completion reads it, with the daemon down and without Typer.
It is a cache: two commands that write at once may lose each other's lines, never tear the file, and every
error is passed over in silence. Reading imports next to nothing, so the home is found here once more, by
the rule of `settings.load`, which costs four times `python -c pass`; a test holds the two together.
"""

# pathlib costs as much as all the rest of a Tab.
# ruff: noqa: PTH111, PTH118, PTH123, PTH208

from __future__ import annotations

import os
import sys
from contextlib import suppress

from oee_daemon.contract import home_files

# `typing` is a third of what a Tab costs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import Any

#: How many orders are kept.
LIMIT = 50
#: Statuses after which nothing is left to watch or cancel.
ENDED = ("confirmed", "failed", "cancelled", "expired")
#: Of an id, as `oee` prints it.
_SHORT = 8


class Recent:
    """Collects the orders that one command sees. Threads may share it."""

    def __init__(self, run_dir: Path, url: str | None) -> None:
        from threading import Lock

        self._path = os.path.join(run_dir, recent_file_name(url))
        self._new: dict[str, str] = {}
        self._statuses: dict[str, str] = {}
        self._saved = True
        self._lock = Lock()

    def note(self, orders: Iterable[Any]) -> None:
        """Remembers orders, the newest first, in memory. What is no order is passed over."""
        with self._lock:
            for order in reversed(list(orders)[:LIMIT]):
                try:
                    identifier, line = order["orderId"], describe_order(order)
                except (KeyError, TypeError):
                    continue
                self._new.pop(identifier, None)
                self._new[identifier] = line
                self._saved = False
            while len(self._new) > LIMIT:
                del self._new[next(iter(self._new))]

    def note_status(self, order_id: str, status: str) -> None:
        """Remembers how an order stands. It keeps its place, and gets none where it has none."""
        with self._lock:
            self._statuses.pop(order_id, None)
            self._statuses[order_id] = status
            self._saved = False
            if len(self._statuses) > LIMIT:
                del self._statuses[next(iter(self._statuses))]

    def unended(self) -> list[str]:
        """The ids of those in the file that had not ended when they were last seen."""
        lines = read_recent(self._path)
        return [line.split(" ", 1)[0] for line in lines if not line.endswith(ENDED)]

    def save(self) -> None:
        """Writes the new orders before those that the file has. A folder that is not there is not made."""
        from pathlib import Path

        from oee_daemon.contract.atomic_file import atomic_write

        with self._lock:
            if self._saved:
                return
            self._saved = True
            lines = list(reversed(self._new.values()))
            known = (line for line in read_recent(self._path) if line.split(" ", 1)[0] not in self._new)
            text = "".join(f"{self._as_it_stands(line)}\n" for line in [*lines, *known][:LIMIT])
            with suppress(OSError):
                atomic_write(Path(self._path), text, durable=False)

    def _as_it_stands(self, line: str) -> str:
        status = self._statuses.get(line.split(" ", 1)[0])
        return line if status is None else f"{line.rpartition(' ')[0]} {status}"


def describe_order(order: Any) -> str:
    """`ID SOL/USDC buy 1.5 submitted`; an amount of the quote is said with its token."""
    pair, amount = order["pair"], order["amount"]
    counted = order["inputToken"] if order["swapMode"] == "ExactIn" else order["outputToken"]
    if counted != pair.partition("/")[0]:
        amount = f"for {amount} {counted}"
    line = f"{order['orderId']} {pair} {order['side']} {amount} {order['status']}"
    return "".join(c for c in line if c.isprintable())


def read_recent(path: str) -> list[str]:
    """The lines of the file, the newest first; none where it can't be read."""
    try:
        with open(path, encoding="utf-8") as f:
            lines = f.read(LIMIT * 400).splitlines()
    except (OSError, ValueError):
        return []
    return [line for line in lines if line.isprintable() and line.count(" ") > 1]


def offer_orders(arguments: list[str]) -> int:
    """What the shells' scripts ask for by `oee __orders [all | live | wallets]`: `id<tab>what it is`, a line
    each."""
    home, url = _find_home()
    if arguments == ["wallets"]:
        return _offer_wallets(home)
    lines = read_recent(os.path.join(home, home_files.RUN, recent_file_name(url)))
    if arguments == ["live"]:
        lines.sort(key=lambda line: line.endswith(ENDED))
    for line in lines:
        identifier, _, what = line.partition(" ")
        sys.stdout.write(f"{identifier[:_SHORT]}\t{what}\n")
    return 0


def _offer_wallets(home: str) -> int:
    with suppress(OSError):
        for file in sorted(os.listdir(os.path.join(home, home_files.WALLETS))):
            if file.endswith(".json") and file.isprintable():
                sys.stdout.write(f"{file[:-5]}\twallets/{file}\n")
    return 0


def recent_file_name(url: str | None) -> str:
    """A file of its own for each daemon elsewhere: its orders are not this home's."""
    if not url:
        return "recent-orders"
    from zlib import crc32

    return f"recent-orders-{crc32(url.encode(errors='replace')):08x}"


def _find_home() -> tuple[str, str]:
    """Where the home is, and the daemon elsewhere, if any: the environment, the file, the default."""
    home, url = os.environ.get("OEE_HOME", ""), os.environ.get("OEE_URL", "")
    if not home or not url:
        from platformdirs import user_config_dir, user_data_dir

        kept, default = {}, home_files.ROOT_HOME
        # An account without a folder of its own has no file and no home by default.
        with suppress(RuntimeError):
            kept = _read_config(os.path.join(user_config_dir("oee", appauthor=False), home_files.CONFIG))
            default = default if os.geteuid() == 0 else user_data_dir("oee", appauthor=False)
        home = home or kept.get("home", "") or default
        url = url or kept.get("url", "")
    return os.path.expanduser(home), url.rstrip("/")


def _read_config(path: str) -> dict[str, str]:
    try:
        with open(path, "rb") as f:
            import tomllib

            table = tomllib.load(f)
    except (OSError, ValueError):
        return {}
    return {key.lower().removeprefix("oee_"): str(value) for key, value in table.items()}

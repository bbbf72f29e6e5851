"""Draws the README's screens: real commands on a real terminal, against a daemon of their own, as SVG.

    python docs/screens.py          all of them, into docs/screens/
    python docs/screens.py DIR      into another folder

What a command draws is taken as it is; nothing is written by hand here. Prices and routes follow from the
seed, so they are the same in each run; ids, times and signatures are not. It takes about half a minute.
"""

from __future__ import annotations

import codecs
import fcntl
import html
import io
import json
import os
import random
import re
import select
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

#: What is drawn: the file's name and the command. `ORDER` is one that needed a second attempt.
SCREENS = {
    "buy": "oee buy SOL USDC 1.5",
    "top": "oee top",
    "stats": "oee stats",
    "show": "oee show ORDER",
}
#: The terminal: columns, rows.
SIZE = (98, 60)
TOP_SIZE = (98, 34)
#: The market that is seen: its seed, and how often a swap fails.
MARKET = {"OEE_SIM_SEED": "11", "OEE_SIM_FAILURE_RATE": "0.2"}
#: What trades while `top` and `stats` look: how many orders, and the mean pause between two, seconds.
ORDERS, PAUSE = 120, 0.12
#: Sells: pair and the usual amount. Buys are their other side.
TRADED = (("SOL", "USDC", 4), ("JUP", "USDC", 900), ("BONK", "SOL", 2_000_000), ("WIF", "USDC", 300))
#: Seconds after which something is wrong.
PATIENCE = 60.0

OEE = Path(sys.executable).with_name("oee")
_ESCAPE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")
_TEXT = re.compile(
    r'<text class="([^"]+)" x="([^"]+)" y="([^"]+)" textLength="[^"]+" clip[^>]+>([^<]*)</text>'
)
#: A cell of Rich's drawing, in its units.
_CELL = 12.2
_THEME = TerminalTheme(
    (22, 27, 34),
    (201, 209, 217),
    [(72, 79, 88), (255, 123, 114), (87, 201, 110), (227, 179, 65), (121, 176, 255), (210, 168, 255),
     (80, 200, 215), (177, 186, 196)],
    [(110, 118, 129), (255, 161, 152), (126, 231, 135), (242, 204, 96), (165, 214, 255), (226, 197, 255),
     (121, 232, 245), (240, 246, 252)],
)  # fmt: skip
#: Rich's own, without the font that it would load from elsewhere.
_SVG = """<svg role="img" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono",
 monospace; font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: system-ui, sans-serif; }}
{styles}
</style>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


class Screen:
    """As much of a terminal as these commands ask for, with its colours."""

    def __init__(self) -> None:
        self.rows: list[list[tuple[str, str]]] = [[]]
        self.row = self.column = 0
        self.style = ""

    def feed(self, text: str) -> None:
        for numbers, letter, move, plain in _ESCAPE.findall(text):
            if plain:
                self._write(plain)
            elif move:
                self._to(self.row + (move == "\n"), 0 if move == "\r" else self.column)
            else:
                self._control(numbers, letter)

    def _to(self, row: int, column: int) -> None:
        self.row, self.column = max(0, row), column
        self.rows += [[] for _ in range(self.row + 1 - len(self.rows))]

    def _write(self, text: str) -> None:
        line = self.rows[self.row]
        line += [(" ", "")] * (self.column - len(line))
        line[self.column : self.column + len(text)] = [(sign, self.style) for sign in text]
        self.column += len(text)

    def _control(self, numbers: str, letter: str) -> None:
        if letter == "m":
            self.style = "" if numbers in ("", "0") else f"{self.style}\x1b[{numbers}m"
        elif letter == "A":
            self._to(self.row - int(numbers or 1), self.column)
        elif letter == "H":
            row, _, column = numbers.partition(";")
            self._to(int(row or 1) - 1, int(column or 1) - 1)
        elif letter == "K":
            del self.rows[self.row][0 if numbers == "2" else self.column :]
        elif letter == "J" or numbers == "?1049":
            self.rows, self.row, self.column = [[]], 0, 0

    @property
    def ansi(self) -> str:
        """The screen as text with its colours, for who can't place anything."""
        lines = []
        for line in self.rows:
            runs = groupby(line, key=lambda cell: cell[1])
            told = [(style, "".join(sign for sign, _ in cells)) for style, cells in runs]
            lines.append("".join(f"{style}{text}\x1b[0m" if style else text for style, text in told).rstrip())
        return "\n".join(lines).rstrip("\n")

    @property
    def accepted(self) -> int:
        """What `oee top` says of the orders that came; 0 where it is not seen."""
        found = re.search(r"(\d+) accepted", "".join(sign for line in self.rows for sign, _ in line))
        return int(found[1]) if found else 0


def drawn(
    command: str,
    environ: dict[str, str],
    size: tuple[int, int] = SIZE,
    until: Callable[[Screen], bool] | None = None,
) -> Screen:
    """What `command` leaves on a terminal; or what is there once it is as wanted, and a `q` ends it."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    running = subprocess.Popen(
        [OEE, *shlex.split(command)[1:]],
        env=environ | {"TERM": "xterm-256color"},
        preexec_fn=lambda: os.login_tty(slave),
    )
    os.close(slave)
    screen, rest, deadline = Screen(), "", time.monotonic() + PATIENCE
    decoder = codecs.getincrementaldecoder("utf-8")()
    while True:
        if time.monotonic() > deadline:
            raise SystemExit(f"{command}: never as wanted")
        if not select.select([master], [], [], 0.2)[0]:
            # Nothing is being drawn: what is seen is whole.
            if until is not None and until(screen):
                break
            continue
        try:
            rest += decoder.decode(os.read(master, 65536))
        except OSError:
            # Linux's way to say that nobody has the terminal open any more.
            break
        # An escape sequence may be cut in two by the read.
        whole = re.sub(r"\x1b(\[[?\d;]*)?\Z", "", rest)
        rest = rest[len(whole) :]
        screen.feed(whole)
    if until is not None:
        os.write(master, b"q")
    running.wait(PATIENCE)
    os.close(master)
    return screen


def _placed(found: re.Match[str]) -> str:
    """One run of signs, each part at its own place: viewers differ in how wide they draw a space."""
    kind, x, y, text = found.groups()
    parts = []
    for part in re.finditer(r"\S+( \S+)*", html.unescape(text).replace("\xa0", " ")):
        at, length = float(x) + part.start() * _CELL, len(part[0]) * _CELL
        said = html.escape(part[0], quote=False)
        parts.append(f'<text class="{kind}" x="{at:g}" y="{y}" textLength="{length:g}">{said}</text>')
    return "\n".join(parts)


def save(screen: Screen, name: str, title: str, folder: Path) -> None:
    """The screen as an SVG of its own: no font, script or picture from elsewhere."""
    text = Text.from_ansi(screen.ansi)
    console = Console(
        record=True, file=io.StringIO(), width=SIZE[0], force_terminal=True, color_system="truecolor"
    )
    console.print(text, no_wrap=True, overflow="ignore", crop=False)
    svg = console.export_svg(title=title, theme=_THEME, code_format=_SVG, unique_id=f"oee-{name}")
    (folder / f"{name}.svg").write_text(_TEXT.sub(_placed, svg), encoding="utf-8")


@contextmanager
def daemon() -> Iterator[dict[str, str]]:
    """The environment of a home with a daemon that is gone, with all that it stored, at the end."""
    # Open to pass, for the servers' account.
    base = Path(tempfile.mkdtemp(prefix="oee-s", dir="/tmp"))
    base.chmod(0o711)
    unset = ("COLUMNS", "LINES", "NO_COLOR")
    clean = {k: v for k, v in os.environ.items() if not k.startswith("OEE_") and k not in unset}
    own = {"OEE_HOME": str(base / "h"), "OEE_PORT": "0", "XDG_CONFIG_HOME": str(base), "LC_ALL": "C.UTF-8"}
    environ = clean | own | MARKET
    subprocess.run([OEE, "daemon", "start", "--quiet"], env=environ, check=True)
    try:
        yield environ
    finally:
        subprocess.run([OEE, "daemon", "stop"], env=environ, check=True, capture_output=True)
        shutil.rmtree(base, ignore_errors=True)


def trade(environ: dict[str, str]) -> None:
    """Many orders of several pairs, a few at a time, until all have ended."""
    chance = random.Random(7)  # noqa: S311  # amounts, not secrets
    process = subprocess.Popen(
        [OEE, "submit", "-", "--batch", "screens", "--quiet"],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    for _ in range(ORDERS):
        base, quote, usual = chance.choice(TRADED)
        order = {
            "inputToken": base,
            "outputToken": quote,
            "amount": str(max(1, usual * chance.randint(5, 20) // 10)),
        }
        if chance.random() < 0.5:
            order |= {"side": "buy", "inputToken": quote, "outputToken": base, "swapMode": "ExactOut"}
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        time.sleep(chance.expovariate(1 / PAUSE))
    process.stdin.close()
    process.wait(PATIENCE)


def retried(environ: dict[str, str]) -> str:
    """The first order that was confirmed in its second attempt."""
    command = [str(OEE), "history", "--status", "confirmed", "--limit", "all", "--json"]
    orders = json.loads(subprocess.run(command, env=environ, check=True, capture_output=True).stdout)
    found: str = [order["orderId"] for order in orders if order["attempt"] == 2][-1][:8]
    return found


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("screens")
    folder.mkdir(parents=True, exist_ok=True)
    with daemon() as environ:
        save(drawn(SCREENS["buy"], environ), "buy", SCREENS["buy"], folder)
        trading = threading.Thread(target=trade, args=(environ,))
        trading.start()
        busy = drawn(SCREENS["top"], environ, TOP_SIZE, lambda s: s.accepted > ORDERS * 2 // 3)
        save(busy, "top", SCREENS["top"], folder)
        trading.join()
        save(drawn(SCREENS["stats"], environ), "stats", SCREENS["stats"], folder)
        order = retried(environ)
        save(drawn(f"oee show {order}", environ), "show", f"oee show {order}", folder)


if __name__ == "__main__":
    main()

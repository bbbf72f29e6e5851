"""A command with a pseudo-terminal of its own, drawn onto a small screen that notices what a person would."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping

from tests.kit import forks
from tests.kit.commands import OEE, Cli

CTRL_C, CTRL_Z = b"\x03", b"\x1a"
WIDTHS = (60, 120)
_ESCAPE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


class Screen:
    """As much of a terminal as the live view asks for: lines, the cursor up and to the left, and erasing."""

    def __init__(self) -> None:
        self.lines: list[str] = [""]
        self.row = self.column = 0
        self.widest = 0
        self.cursor_hidden = False
        self.colored = False

    def feed(self, text: str) -> None:
        for numbers, letter, move, plain in _ESCAPE.findall(text):
            if plain:
                self._write(plain)
            elif move == "\r":
                self.column = 0
            elif move == "\n":
                self.row += 1
                self.lines += [""] * (self.row + 1 - len(self.lines))
            else:
                self._control(numbers, letter)

    def _write(self, text: str) -> None:
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[: self.column] + text + line[self.column + len(text) :]
        self.column += len(text)
        self.widest = max(self.widest, len(self.lines[self.row].rstrip()))

    def _control(self, numbers: str, letter: str) -> None:
        if letter == "A":
            self.row = max(0, self.row - int(numbers or 1))
        elif letter == "K":
            self.lines[self.row] = "" if numbers == "2" else self.lines[self.row][: self.column]
        elif letter in "hl" and numbers == "?25":
            self.cursor_hidden = letter == "l"
        elif letter == "m":
            self.colored = True
        else:
            raise AssertionError(f"a control that this screen does not know: {numbers}{letter}")

    @property
    def said(self) -> list[str]:
        return [line.rstrip() for line in self.lines if line.strip()]


Environ = Mapping[str, str]
NOTHING: Environ = {}
ALL_THREE: Mapping[int, int] = {}


class Terminal:
    """A command with a terminal of its own as all three streams, but for those that `streams` gives it."""

    def __init__(
        self,
        cli: Cli,
        *arguments: str,
        columns: int = 80,
        streams: Mapping[int, int] = ALL_THREE,
        environ: Environ = NOTHING,
        **more: str,
    ) -> None:
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        #: As it has to be found again: read before there is a command that changes it.
        self.before = termios.tcgetattr(self.master)
        self.process = self._begun(
            list(arguments), cli.environ | {"TERM": "xterm-256color"} | dict(environ) | more, slave, streams
        )
        os.close(slave)
        self.screen = Screen()
        self.raw = ""
        self._rest = b""

    @classmethod
    def of_shell(cls, cli: Cli, script: str, screen: Screen | None = None) -> Terminal:
        """One with bash in it, which has jobs where `script` begins with `set -m`."""
        made = cls.__new__(cls)
        made.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        made.process = subprocess.Popen(
            ["bash", "-c", script],
            env=cli.environ | {"TERM": "xterm-256color"},
            preexec_fn=lambda: os.login_tty(slave),
        )
        os.close(slave)
        made.screen, made.raw, made._rest = screen or Screen(), "", b""
        return made

    def _begun(
        self, arguments: list[str], environ: dict[str, str], slave: int, streams: Mapping[int, int]
    ) -> subprocess.Popen[bytes] | forks.Running:
        if forks.can(environ) and 0 not in streams:
            given = [streams.get(number, slave) for number in range(3)]
            return forks.Running("oee_cli", arguments, environ, given, folder=os.getcwd(), terminal=True)

        def prepare() -> None:
            os.login_tty(slave)
            for number, stream in streams.items():
                os.dup2(stream, number)

        return subprocess.Popen([*OEE, *arguments], env=environ, preexec_fn=prepare)

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def until(self, check: Callable[[Screen], bool], within: float = 20) -> None:
        """Reads what is drawn until the screen is as wanted."""
        deadline = time.monotonic() + within
        while not check(self.screen):
            assert self._read(deadline), f"never drawn: {self.screen.said}"

    def end(self, within: float = 20) -> int:
        deadline = time.monotonic() + within
        while self._read(deadline):
            pass
        os.close(self.master)
        return self.process.wait(within)

    def _read(self, deadline: float) -> bool:
        if not select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return False
        try:
            got = os.read(self.master, 65536)
        except OSError:
            # Linux's way to say that nobody has the terminal open any more.
            return False
        self._rest += got
        # A character or an escape sequence may be cut in two by the read.
        try:
            text = self._rest.decode()
        except UnicodeDecodeError:
            return bool(got)
        whole = re.sub(r"\x1b(\[[?\d;]*)?\Z", "", text)
        self._rest = text[len(whole) :].encode()
        self.raw += whole
        self.screen.feed(whole)
        return bool(got)


def shows(word: str) -> Callable[[Screen], bool]:
    return lambda screen: any(word in line for line in screen.said)

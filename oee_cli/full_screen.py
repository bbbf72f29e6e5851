"""A whole terminal for a while: its other screen, keys as they are pressed, everything put back at the end.

Whatever ends it, the terminal is as it was before anything else happens: a signal's handler puts it back
first and passes the signal on then. Ctrl-Z gives it back, too, until the command comes to the front again.
Nothing is known here of what is drawn.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from oee_cli.cli_errors import Terminated

#: The other screen, empty, without a cursor, where a line that is too long is cut and not folded; and back.
_ENTER = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
_LEAVE = b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
#: Signals that end the command.
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
#: What a terminal that says nothing of its size is taken for: columns, rows.
_USUAL_SIZE = (80, 24)
#: Seconds for a terminal that takes nothing any more to take the way back.
_PATIENCE = 0.2


def is_full_terminal() -> bool:
    """Whether stdin and stdout are a terminal that has another screen, and keys."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


class FullScreen:
    """The terminal of standard input and output, from `with` to its end. For the main thread only."""

    def __init__(self) -> None:
        self._in = sys.stdin.fileno()
        self._out = sys.stdout.fileno()
        self._active = self._leaving = False
        self._came: int | None = None
        self._shown: list[str] = []
        self._size = (0, 0)

    def __enter__(self) -> FullScreen:
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._waker, False)
        self._before = {number: signal.signal(number, self._end) for number in _ENDS}
        self._before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._suspend)
        # Nothing to do but to wake up: the size is looked at before each frame.
        self._before[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, lambda *_: None)
        self._wakeup = signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        try:
            self._take_terminal()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        self._restore_terminal()
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        # The pipe stays: a thread may still wake who is gone.

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows, as they are now; never too few to draw anything."""
        with suppress(OSError):
            columns, rows = os.get_terminal_size(self._out)
            if columns > 0 and rows > 0:
                return max(columns, 20), rows
        return _USUAL_SIZE

    def wake(self) -> None:
        """Ends a `keys` that is under way, or the next one; from any thread."""
        # A full pipe means that it is woken already.
        with suppress(OSError):
            os.write(self._waker, b"!")

    def keys(self, seconds: float) -> str:
        """What was typed; nothing after `seconds`, or when woken. Raises `BrokenPipeError` where the
        terminal is gone."""
        ready, _, _ = select.select([self._in, self._woken], [], [], max(0.0, seconds))
        if self._woken in ready:
            with suppress(BlockingIOError):
                os.read(self._woken, 4096)
        if self._in not in ready:
            return ""
        try:
            typed = os.read(self._in, 1024)
        except OSError:
            typed = b""
        if not typed:
            raise BrokenPipeError
        # An arrow or a function key is no letter.
        return "" if typed.startswith(b"\x1b") else typed.decode("ascii", "ignore")

    def draw(self, lines: list[str]) -> None:
        """Shows these lines from the top; only those that changed are written."""
        if not self._active:
            return
        size = self.size
        parts = []
        if size != self._size:
            self._size, self._shown = size, []
            parts.append("\x1b[2J")
        lines = lines[: size[1]]
        before = self._shown + [""] * (len(lines) - len(self._shown))
        after = lines + [""] * (len(before) - len(lines))
        for row, (old, new) in enumerate(zip(before, after, strict=True), 1):
            if old != new:
                # Erased first: at the last column it would take the last sign with it.
                parts.append(f"\x1b[{row};1H\x1b[2K{new}")
        self._shown = lines
        data = "".join(parts).encode(sys.stdout.encoding or "ascii", "replace")
        try:
            while data:
                data = data[os.write(self._out, data) :]
        except OSError:
            raise BrokenPipeError from None

    def _take_terminal(self) -> None:
        self._saved = termios.tcgetattr(self._in)
        self._active = True
        mode = termios.tcgetattr(self._in)
        # Keys one by one and unseen, Ctrl-S, too: a stopped terminal could not be given back. Ctrl-C and
        # Ctrl-Z stay signals.
        mode[0] &= ~termios.IXON
        mode[3] &= ~(termios.ECHO | termios.ICANON)
        mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._in, termios.TCSANOW, mode)
        os.write(self._out, _ENTER)
        self._size, self._shown = (0, 0), []

    def _restore_terminal(self) -> None:
        """Puts everything back, once, whatever of it still works."""
        if not self._active:
            return
        self._leaving = True
        # From the background, too, where changing the terminal would stop us instead.
        stopping = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        with suppress(OSError, termios.error):
            # A window that hangs must not keep the command from ending.
            if select.select([], [self._out], [], _PATIENCE)[1]:
                os.write(self._out, _LEAVE)
        with suppress(OSError, termios.error):
            # What was typed for us is not for the shell.
            termios.tcflush(self._in, termios.TCIFLUSH)
            termios.tcsetattr(self._in, termios.TCSANOW, self._saved)
        signal.signal(signal.SIGTTOU, stopping)
        self._active = self._leaving = False

    def _end(self, number: int, _frame: FrameType | None) -> None:
        if self._leaving:
            # The way back is not to be broken off; whoever is on it goes on with this then.
            self._came = number
            return
        self._restore_terminal()
        self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        if number == signal.SIGTERM:
            raise Terminated
        # As if we had never caught it.
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _suspend(self, _number: int, _frame: FrameType | None) -> None:
        self._restore_terminal()
        if self._came is not None:
            self._pass_on(self._came)
        stop_here(self._suspend)
        self._take_terminal()


def stop_here(caught: Callable[[int, FrameType | None], None]) -> None:
    """Stops this process as Ctrl-Z would that was not caught, and returns once it goes on, in front again;
    the next one `caught` catches."""
    signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTSTP)
    signal.signal(signal.SIGTSTP, caught)

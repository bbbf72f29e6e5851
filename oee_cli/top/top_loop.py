"""`oee top`: looks at the engine again and again, and shows what it saw until a key ends it.

Looking has a thread of its own, so that keys and resizing never wait for an answer. A daemon that goes away
is said so and asked until it is back; it is started at the beginning, never while one watches.
"""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import replace
from typing import Any

from oee_cli.api.client_http import Client, session
from oee_cli.cli_errors import CliError, ConnectionLost, NoSuchOrder, Unreachable, UsageFault
from oee_cli.full_screen import FullScreen, is_full_terminal
from oee_cli.output import Output
from oee_cli.text.time_text import read_duration
from oee_cli.top.top_frame import SORTS, Picture, Trouble, top_frame, top_snapshot

#: How often one may look, seconds.
_OFTEN, _SELDOM = 0.1, 3600.0
#: Seconds for an answer, after which the daemon counts as away.
_ANSWER_S = 5.0
#: The longest pause between two tries to reach a daemon that went away, seconds.
_TRY_AGAIN = 1.0
#: The longest pause between two frames, seconds: times go on between two looks.
_FRAME = 1.0


def show_top(interval: str, once: bool, output: Output) -> None:
    """Shows the engine until q; once, where that is asked for."""
    seconds = read_duration(interval, "--interval")
    if not _OFTEN <= seconds <= _SELDOM:
        raise UsageFault("--interval takes from 100ms to 1h.", hint="For example: oee top --interval 5s")
    once = once or output.json
    # Before a daemon is started for nothing.
    if not once and not is_full_terminal():
        raise UsageFault(
            "oee top fills a terminal, and there is none.",
            hint="One look as text: oee top --once\nAs JSON:          oee top --json",
            code="no_terminal",
        )
    with session(output) as client:
        try:
            first = _fetch(client)
        except ConnectionLost as lost:
            raise client.unreachable(lost) from None
        if output.json:
            output.emit(first)
        elif once:
            for line in top_snapshot(output, first):
                output.say(line)
        else:
            _watch(client, output, first, seconds)


def _fetch(client: Client) -> dict[str, Any]:
    """The engine as it is now. Raises `ConnectionLost`, and `CliError` for what the daemon refuses."""
    try:
        found: dict[str, Any] = client.ask("GET", "/api/engine", timeout=_ANSWER_S)
    except NoSuchOrder:
        raise Unreachable(
            "The daemon is of an older release, which can't be watched so.",
            hint="Bring it up: oee daemon restart",
            code="too_old",
        ) from None
    return found


class _Watcher(threading.Thread):
    """Looks every `interval` seconds, and keeps what it saw last. Wakes `screen` for each news."""

    def __init__(self, client: Client, screen: FullScreen, first: dict[str, Any], interval: float) -> None:
        super().__init__(daemon=True)
        self.client = client
        self.screen = screen
        self.interval = interval
        self.seen = first, time.monotonic()
        #: Why the last look failed.
        self.trouble: Trouble | None = None
        self._since = 0.0
        #: What ends the command: nothing that could pass.
        self.fault: BaseException | None = None
        self.going = threading.Event()
        self.going.set()

    def picture(self) -> Picture:
        """What was seen last, as it is now."""
        (seen, at), trouble, now = self.seen, self.trouble, time.monotonic()
        # What is not seen does not grow older.
        age = now - at if trouble is None else 0.0
        return Picture(engine=seen, age_s=age, interval_s=self.interval, trouble=trouble)

    def run(self) -> None:
        due = time.monotonic() + self.interval
        while self.fault is None:
            time.sleep(max(0.0, due - time.monotonic()))
            self.going.wait()
            due = time.monotonic() + self.interval
            self._look_once()
            if self.trouble is not None:
                due = min(due, time.monotonic() + _TRY_AGAIN)
            self.screen.wake()

    def _look_once(self) -> None:
        try:
            self.seen = _fetch(self.client), time.monotonic()
            self.trouble = None
        except ConnectionLost as lost:
            # Another daemon may listen in another place.
            self.client.close()
            self._note_trouble("the daemon does not answer", str(lost))
        except CliError as e:
            if e.retryable:
                self._note_trouble(e.message.partition(". ")[0], e.code)
            else:
                self.fault = e
        except BaseException as e:
            self.fault = e

    def _note_trouble(self, what: str, why: str) -> None:
        if self.trouble is None:
            self._since = time.monotonic()
        self.trouble = Trouble(what, why, time.monotonic() - self._since)


def _watch(client: Client, output: Output, first: dict[str, Any], interval: float) -> None:
    sort, paused = 0, False
    with FullScreen() as screen:
        watcher = _Watcher(client, screen, first, interval)
        picture = watcher.picture()
        watcher.start()
        while watcher.fault is None:
            if not paused:
                picture = watcher.picture()
            picture = replace(picture, sort=SORTS[sort], paused=paused)
            columns, rows = screen.size
            lines = top_frame(output, picture, output.room(columns), rows)
            screen.draw([output.named(line, sys.stdout) for line in lines])
            for key in screen.keys(_SELDOM if paused else _FRAME).lower():
                if key == "q":
                    return
                if key == "s":
                    sort = (sort + 1) % len(SORTS)
                if key in "p ":
                    paused = not paused
                    (watcher.going.clear if paused else watcher.going.set)()
        raise watcher.fault

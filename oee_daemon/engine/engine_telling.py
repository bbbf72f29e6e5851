"""Tells targets outside what happens while nobody looks: fired, confirmed, failed, expired, latched, halted,
prices that nobody sees.

Each event comes at least once, across restarts too: how far a target has been told is stored after it was
told. It never holds up an order: it has a thread and a connection of its own, and each delivery a deadline. A
target that fails is tried again after growing pauses; of a long absence the newest are told one by one, and
the others by their number. What a target is told was put into words by whoever made the teller.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Protocol

from sqlalchemy import Engine

from oee_daemon.contract.moments import rfc3339
from oee_daemon.contract.real_money import UNLABELLED
from oee_daemon.orders.order import Event
from oee_daemon.start_errors import StartFailed
from oee_daemon.store import telling_sql
from oee_daemon.store.telling_sql import Gap, News

log = logging.getLogger(__name__)

#: Seconds that one delivery may take; between two looks; between two tries of a target that fails, at first
#: and at most.
DELIVERY_S, LOOK_S, PAUSE_S = 10.0, 1.0, (2.0, 300.0)
#: Of the daemon's own environment, what a program of the user's needs. No setting, and thus no secret.
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME", "TMPDIR")

#: What happened, as JSON: `event` says what, `text` in a sentence.
Message = dict[str, Any]


class Target(Protocol):
    #: Names it in Postgres; holds no secret.
    name: str

    def tell(self, message: Message) -> None:
        """Raises whatever it likes where the message was not taken."""
        ...


class Program:
    """An executable of the user's, which reads one message as JSON from its standard input."""

    name = "program"

    def __init__(self, path: str) -> None:
        self._path = path

    def tell(self, message: Message) -> None:
        environ = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        # A file that is whole before the program begins: of a pipe it would read nothing, or half of it,
        # where this process dies before it has written.
        with tempfile.TemporaryFile() as word:
            word.write(json.dumps(message).encode() + b"\n")
            word.seek(0)
            done = subprocess.run(
                [self._path],
                stdin=word,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=environ,
                timeout=DELIVERY_S,
                check=False,
                start_new_session=True,
            )
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()[-200:]
            raise RuntimeError(f"it ended with {done.returncode}{said and ': '}{said}")


class Service:
    """One address of Apprise's (https://github.com/caronc/apprise/wiki), which is a secret."""

    def __init__(self, url: str, apprise: Any) -> None:
        self.name = f"service {sha256(url.encode()).hexdigest()[:12]}"
        self._service = apprise.Apprise()
        if not self._service.add(url):
            raise StartFailed("OEE_NOTIFY has an address that Apprise does not know.", code="bad_setting")

    def tell(self, message: Message) -> None:
        if not self._service.notify(title=f"oee: {message['event']}", body=message["text"]):
            raise RuntimeError("it was not taken")


def open_targets(notify: str | None, on_event: Any) -> list[Target]:
    """Raises `StartFailed` where what is wanted is not there."""
    found: list[Target] = []
    if on_event is not None:
        if not os.access(on_event, os.X_OK) or os.path.isdir(on_event):  # noqa: PTH112
            raise StartFailed(f"OEE_ON_EVENT: {on_event} can't be executed.", code="bad_setting")
        found.append(Program(str(on_event)))
    if notify is not None:
        try:
            import apprise
        except ImportError:
            raise StartFailed(
                f"OEE_NOTIFY needs Apprise: {sys.executable} -m pip install 'apprise<3'", code="bad_setting"
            ) from None
        found += [Service(url, apprise) for url in notify.split()]
    return found


@dataclass(slots=True)
class _State:
    """Of one target: what of the news at hand it has taken already, and since when it fails."""

    taken: set[object] = field(default_factory=set)
    failures: int = 0
    again: float = 0.0


class Teller:
    """Of one daemon, on one network, which each message names. `describe` makes of an event's kind and the
    event what is told."""

    def __init__(
        self,
        db: Engine,
        targets: Sequence[Target],
        *,
        owner: str,
        network: str,
        describe: Callable[[str, Event], Message],
        describe_gap: Callable[[Gap], Message],
    ) -> None:
        self._network = network
        self._db, self._owner, self._describe, self._describe_gap = db, owner, describe, describe_gap
        self._targets = {target: _State() for target in targets}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="telling", daemon=True)

    def start(self) -> None:
        if self._targets:
            self._thread.start()

    def stop(self) -> None:
        """Ends after the delivery that is under way, which is told again by the next daemon."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(DELIVERY_S + LOOK_S)

    def test(self) -> dict[str, str | None]:
        """Tells all targets now: by name why it failed, and None where it did not."""
        message = {"event": "test", "text": "oee can tell you what happens."}
        return {target.name: self._fault(target, self._name_network(message)) for target in self._targets}

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_S):
            self.once()

    def once(self) -> None:
        """One look for each target that is not resting."""
        for target, state in self._targets.items():
            if time.monotonic() < state.again:
                continue
            try:
                self._tell(target, state)
            except Exception as e:
                log.warning("nobody can be told now", extra={"target": target.name, "reason": str(e)})

    def _tell(self, target: Target, state: _State) -> None:
        with self._db.connect() as conn:
            mark = telling_sql.claim(conn, target.name, self._owner)
            if mark is None:
                return None
            found = telling_sql.news(conn, mark)
        for key, message in self._messages(found):
            if key in state.taken:
                continue
            fault = self._fault(target, self._name_network(message))
            if fault is not None or self._stopped.is_set():
                return self._rest(target, state, fault)
            state.taken.add(key)
            # However long it takes, nobody else begins meanwhile.
            with self._db.connect() as conn:
                if telling_sql.claim(conn, target.name, self._owner) is None:
                    return None
        with self._db.connect() as conn:
            telling_sql.told(conn, target.name, self._owner, found.mark)
        state.taken.clear()
        state.failures = 0
        return None

    def _messages(self, found: News) -> Iterator[tuple[object, Message]]:
        if found.left_out > 0:
            more = "or more" if found.left_out >= telling_sql.COUNTED else "more"
            text = f"{found.left_out:,} {more} events came before these: oee history"
            yield "left out", {"event": "left_out", "text": text, "count": found.left_out}
        for kind, event in found.events:
            yield (event.order_id, event.seq), self._describe(kind, event)
        for gap in found.blind:
            yield gap, self._describe_gap(gap)
        if found.halted is not None:
            yield ("halt", found.mark.halt), _halt_message(*found.halted)

    def _name_network(self, message: Message) -> Message:
        """With the network: who hears it sees nothing else, and is not to take play money for real."""
        text = message["text"] if self._network == UNLABELLED else f"{self._network}: {message['text']}"
        return {**message, "text": text, "network": self._network}

    @staticmethod
    def _fault(target: Target, message: Message) -> str | None:
        try:
            target.tell(message)
        except Exception as e:
            return f"{type(e).__name__}: {e}"
        return None

    @staticmethod
    def _rest(target: Target, state: _State, fault: str | None) -> None:
        if fault is None:
            return
        first, most = PAUSE_S
        state.again = time.monotonic() + min(most, first * 2 ** min(state.failures, 20))
        if not state.failures:
            log.warning("could not tell, and tries again", extra={"target": target.name, "reason": fault})
        state.failures += 1


def _halt_message(at: datetime, reason: str | None) -> Message:
    why = f": {reason}" if reason else ""
    return {
        "event": "halted",
        "text": f"The engine is halted{why}",
        "at": rfc3339(at, "microseconds"),
        "reason": reason,
    }

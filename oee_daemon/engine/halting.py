"""Halts the engine and lets it go on, for whoever asks; why a halt is true, `engine_send_gate` says.

A daemon halts in four steps: the row in Postgres, under the lock that everybody stores under; then it waits
until each worker has said that it sends nothing; its own that does not say so is killed; others are named.
Nothing here needs the queue.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from oee_daemon import failpoints
from oee_daemon.contract import halt_mark
from oee_daemon.engine.engine_identity import Identity
from oee_daemon.engine.engine_send_gate import FRESH_S
from oee_daemon.errors import Unavailable
from oee_daemon.store import editing_sql, engine_row, halt_row, lease_sql
from oee_daemon.store.halt_row import Halt, MayLand, Seen

log = logging.getLogger(__name__)

#: Seconds that workers have to say that they are quiet: a beat, and a send that is under way.
QUIET_S = 2.5
#: Seconds for the database to be where it was looked at.
WHERE_S = 5.0
#: Between two looks, seconds.
LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class Halted:
    """What a halt came to."""

    halt: Halt
    #: Whether it held before.
    already: bool
    may_land: list[MayLand] = field(default_factory=list)
    #: Workers elsewhere that have not said that they are quiet.
    unanswered: list[Seen] = field(default_factory=list)
    #: Whether the home's own worker had to be killed.
    killed: bool = False


class Halting:
    """One daemon's. `home_id` begins the names of its own workers; `end_worker` kills the one that it has,
    and another one takes its place. `identity` tells where the database is; without one it is anywhere.
    `keeps`: as of `Intake`."""

    def __init__(
        self,
        db: Engine,
        *,
        home: Path,
        network: str,
        home_id: str,
        end_worker: Callable[[], None],
        identity: Identity | None = None,
        keeps: Mapping[str, Any] | None = None,
    ) -> None:
        self._db = db
        self._home = home
        self._network = network
        self._own = f"{home_id}:"
        self._end_worker = end_worker
        self._identity = identity
        self._keeps = keeps
        #: Who halts, who heeds the file and who resumes come one after the other: a resume is the last word.
        self._turn = threading.Lock()
        #: The moment that names the file that was heeded last, and whether the engine was halted before.
        self._heeded: tuple[str | None, bool] = (None, False)

    def halt(self, reason: str | None, by: str | None, mark: str | None = None) -> Halted:
        """Halts. Once this returns, nothing is stored or sent by any worker but those that it names. `mark`:
        the moment that names the file by which this halt began.

        Blocks for some seconds at most. Raises `DBAPIError` and `Unavailable` where Postgres can't be told.
        """
        with self._turn:
            file, already = halt_mark.content(self._home), self._held_before(mark)
            halt = self._store(reason, by)
        failpoints.hit("halt_set")
        log.warning("halted", extra={"reason": halt.reason, "by": halt.by})
        loud, hangs = self._wait_until_quiet(halt)
        own = [worker for worker in loud if self._is_own(worker)]
        if not self._holds(halt):
            # Somebody resumed meanwhile: nobody is asked to be quiet any more.
            own, hangs = [], False
        if own or hangs:
            log.warning("the worker does not say that it is quiet, and is killed")
            self._end_worker()
        with self._db.connect() as conn:
            may_land = halt_row.may_land(conn)
        # What Postgres has now needs no file any more.
        with self._turn:
            halt_mark.told(self._home, self._network, file)
        others = [worker for worker in loud if worker not in own]
        return Halted(halt, already, may_land, others, bool(own) or hangs)

    def _holds(self, halt: Halt) -> bool:
        now = self.read()
        return now is not None and now.number == halt.number

    def _held_before(self, mark: str | None) -> bool:
        """Whether the engine was halted before the halt that began with that file, which may have been
        heeded before anybody asked."""
        if mark is not None and self._heeded[0] == mark:
            return self._heeded[1]
        return self.read() is not None

    def _store(self, reason: str | None, by: str | None) -> Halt:
        """In Postgres, and its number in the home. At once, wherever that is; then it is looked whether the
        database is there: one that lost its place to another may still answer on some connections, and nobody
        who works would read it there."""
        until = time.monotonic() + WHERE_S
        while True:
            self._remember(halt_row.halt(self._db, reason, by).number)
            with self._there() as conn:
                if conn is not None and (halt := halt_row.read(conn)) is not None:
                    self._remember(halt.number)
                    return halt
            must_go_on(until)

    @contextmanager
    def _there(self) -> Iterator[Connection | None]:
        """A connection to where the database is; none: this one leads elsewhere."""
        seen = None
        if self._identity is not None:
            # Where that is not known yet, nothing is claimed anywhere.
            with suppress(Unavailable):
                seen = self._identity.must_be_settled()
        with self._db.connect() as conn:
            yield conn if engine_row.is_there(conn, seen) else None

    def _wait_until_quiet(self, halt: Halt) -> tuple[list[Seen], bool]:
        """Those that have not said that they are quiet in time; and whether its own worker is none of them
        just because it has said nothing since Postgres lost who was there.

        After such a loss it waits until each who lives has said so, or may send no more: see
        `engine_send_gate`.
        """
        until, lost = time.monotonic() + QUIET_S, False
        # By this machine's clock: Postgres's may jump meanwhile.
        whole_at = time.monotonic()
        while True:
            with self._db.connect() as conn:
                # In this order: what was lost in between, the second one tells.
                found, known_s = halt_row.workers(conn), halt_row.known_s(conn)
            loud = self._loud(found, halt)
            now = time.monotonic()
            if known_s < FRESH_S:
                lost, whole_at = True, max(whole_at, now + FRESH_S - known_s)
            if now >= whole_at and (not loud or now >= until):
                return loud, lost and not any(self._is_own(worker) for worker in found)
            time.sleep(LOOK_S)

    def _loud(self, found: list[Seen], halt: Halt) -> list[Seen]:
        """Of its own workers one lives at a time."""
        own = sorted((w for w in found if self._is_own(w)), key=lambda worker: abs(worker.seen_s))
        others = [worker for worker in found if not self._is_own(worker)]
        return [worker for worker in (*own[:1], *others) if worker.quiet != halt.number]

    def _remember(self, number: int | None) -> None:
        # On a disk that is full the halt itself holds all the same.
        with suppress(OSError):
            halt_mark.remember(self._home, self._network, number)

    def _is_own(self, worker: Seen) -> bool:
        return worker.owner.startswith(self._own)

    def read(self) -> Halt | None:
        """The halt that holds. Raises `DBAPIError`."""
        with self._db.connect() as conn:
            return halt_row.read(conn)

    def heed_mark(self) -> bool:
        """Writes a halt that a file tells of into Postgres. False: there is none. Raises as `halt`."""
        if not halt_mark.halts(self._home, self._network):
            return False
        with self._turn:
            # Once more: a resume may have had its turn.
            if not halt_mark.halts(self._home, self._network):
                return False
            file = halt_mark.content(self._home)
            mark = halt_mark.parse(file)
            self._heeded = mark.at, self._held_before(mark.at)
            self._store(mark.reason, mark.by)
            halt_mark.told(self._home, self._network, file)
        log.warning("halted, as the file in the home says", extra={"reason": mark.reason, "by": mark.by})
        return True

    def resume(self) -> Halt | None:
        """Lets the engine go on: the file first, so that a crash in between leaves it halted. None: it was
        not halted. Raises as `halt`."""
        with self._turn:
            halt_mark.told(self._home, self._network, halt_mark.content(self._home))
            self._remember(None)
            self._heeded = (None, False)
            until = time.monotonic() + WHERE_S
            while True:
                with self._there() as conn:
                    if conn is not None:
                        return self._resume(conn)
                must_go_on(until)

    def _resume(self, conn: Connection) -> Halt | None:
        if halt_row.read(conn) is not None:
            # What waits goes on under what is set now: nobody fires it before that. What others have in hand
            # all the time stays under what was set then, too, which is no looser.
            until = time.monotonic() + WHERE_S
            while editing_sql.adopt(conn, self._network, self._keeps) and time.monotonic() < until:
                time.sleep(LOOK_S)
        ended = halt_row.resume(conn)
        if ended is not None:
            # What was rung for while nothing could be claimed is taken up at the next beat.
            lease_sql.forget_rings(conn, self._network)
            log.warning("resumed", extra={"halted_at": ended.at.isoformat()})
        return ended


def must_go_on(until: float) -> None:
    """Raises `Unavailable` past `until`, in monotonic seconds."""
    if time.monotonic() >= until:
        raise Unavailable(
            "The database is not where it was looked at, again and again: whether it is halted is not known.",
            hint="What is away: oee doctor",
        )
    time.sleep(LOOK_S)

"""What a worker does again and again: many chores on one thread, with one net for their faults and one stop.

A chore is a function that does its work once and has a deadline for each call to the outside. One that hangs
all the same holds up the other chores of its `Beat`, and is noticed: `hang_s` says for how long, which people
see where workers are listed; and the sign of life that the daemon waits for is a chore of the same thread, so
that it replaces the worker. Chores that ask different parties therefore go to different beats (see
`engine_worker`), and what may take long is no chore.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError

log = logging.getLogger(__name__)

#: Postgres answered, and what we asked was wrong.
OURS = (ProgrammingError, IntegrityError, DataError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """`once` says whether there is more to do: it then comes again after `soon_s`, otherwise `every_s` after
    it has ended; all in seconds."""

    name: str
    once: Callable[[], bool]
    every_s: float
    soon_s: float = 0.0
    #: From the start to its first run.
    first_s: float = 0.0


class Beat:
    """Runs `chores` on a thread of its own, those that are due together in the order in which they are given.

    `ran` is told the name of each chore that has run, well or not: what a test waits for.
    """

    def __init__(
        self, name: str, chores: Sequence[Chore], *, ran: Callable[[str], None] = lambda chore: None
    ) -> None:
        self._chores = chores
        self._ran = ran
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"beat {name}", daemon=True)
        self._begun: float | None = None
        #: What each chore fails by right now.
        self._faults: dict[str, str] = {}

    @property
    def hang_s(self) -> float:
        """For how long the chore that runs now has been running, seconds."""
        begun = self._begun
        return 0.0 if begun is None else time.monotonic() - begun

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns once the chore that runs has ended; none begins any more."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        due = {chore: time.monotonic() + chore.first_s for chore in self._chores}
        while not self._stopped.wait(max(0.0, min(due.values()) - time.monotonic())):
            for chore in self._chores:
                if due[chore] <= time.monotonic() and not self._stopped.is_set():
                    pause = chore.soon_s if self._run_once(chore) else chore.every_s
                    due[chore] = time.monotonic() + pause

    def _run_once(self, chore: Chore) -> bool:
        self._begun = time.monotonic()
        try:
            more = chore.once()
            self._faults.pop(chore.name, None)
            return more
        except Exception as e:
            self._report(chore, e)
            return False
        finally:
            self._begun = None
            self._ran(chore.name)

    def _report(self, chore: Chore, fault: Exception) -> None:
        """Once for as long as it lasts, whichever of the chores it is that fails by it."""
        kind = type(fault.__cause__ or fault).__name__
        known = kind in self._faults.values()
        self._faults[chore.name] = kind
        if known:
            return
        if isinstance(fault, SQLAlchemyError) and not isinstance(fault, OURS):
            log.warning(
                "Postgres can't be reached",
                extra={"chore": chore.name, "reason": str(fault.__cause__ or fault)},
            )
        else:
            log.error("a chore failed, and goes on", exc_info=fault, extra={"chore": chore.name})

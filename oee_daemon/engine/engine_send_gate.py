"""Whether this process may send now, and whether it does.

A swap that was stored before a halt may be sent by whoever holds it, and a halt is to be true for sends, too,
once it has returned. So nothing is handed to the chain but through the gate of its process:

* The gate is open for `FRESH_S` after a beat of this process has seen, in Postgres, that there is no halt.
  A process that was frozen finds the gate shut when it wakes, until its next beat.
* Each beat says in Postgres that its worker is there, before it looks for a halt. Where it finds one, it
  shuts the gate, waits for the sends that are under way, and then says so, as `workers.quiet`.
* Who halts stores the halt first, and returns once every worker that is there has said so. A daemon kills its
  own that does not, and names every other one: see `halting`.

What remains is a process elsewhere that is frozen between the gate and the wire. Nobody but its own host can
end it, its bytes are among those that are told of, and they lapse within a minute or two.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oee_daemon.boot_clock import clock_s
from oee_daemon.contract import halt_mark

#: Seconds for which what a beat has seen is relied on: some beats, and far less than a worker's row is kept.
FRESH_S = 5.0
#: Seconds that a beat waits for the sends that are under way: a little more than the chain has to answer.
SENDS_S = 4.5


class Gate:
    """One process's, which works on `network`. `home`: where its mark would be; none where nobody could have
    written one, and nobody looks at beats: then it is open until it is shut."""

    def __init__(self, home: Path | None = None, network: str = "") -> None:
        self._home = home
        self._network = network
        self._seen = clock_s() if home is None else -FRESH_S
        self._halt: int | None = None
        self._sending = 0
        self._idle = threading.Condition()

    @property
    def shut(self) -> bool:
        """The engine is halted, as far as this process knows: nothing is to be built or stored."""
        return self._halt is not None or halt_mark.halts(self._home, self._network)

    def saw(self, halt: int | None, asked_s: float) -> None:
        """What a beat was told when it asked, at `asked_s`: the halt's number, or that there is none."""
        with self._idle:
            self._halt = halt
            if halt is None:
                self._seen = max(self._seen, asked_s)

    @contextmanager
    def sending(self) -> Iterator[bool]:
        """Whether what is in the block may be done; while it is, nobody says that this process is quiet."""
        with self._idle:
            stale = self._home is not None and clock_s() - self._seen > FRESH_S
            may = not (self.shut or stale)
            self._sending += may
        try:
            yield may
        finally:
            with self._idle:
                self._sending -= may
                self._idle.notify_all()

    def is_quiet(self) -> bool:
        """Once nothing is being sent any more. False: something still is after `SENDS_S`."""
        with self._idle:
            return self._idle.wait_for(lambda: not self._sending, SENDS_S)

"""Named places to die: `failpoints.hit("sent")` does nothing unless `OEE_FAILPOINTS` asks for it.

The variable holds rules apart by commas, `NAME=ACTION[@ATTEMPT][*TIMES][%PERCENT]`:

* `kill` ends this process as `kill -9` would, `freeze` stops it as SIGSTOP would, `lose` raises as if the
  answer of what was just done had been lost: at `after_…` that is a commit whose answer is lost.
* `@2` only in the order's second attempt, `*1` at most once in the home's life (marked by files under
  `failpoints/` in the home), `%30` in 30 of 100 passes.

`after_submitted=kill*1` dies once, right after the signed swap was committed and before it is sent.
"""

from __future__ import annotations

import os
import random
import re
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

from oee_daemon.contract.planned_faults import FAILPOINTS

_RULE = re.compile(r"(\w+)=(kill|freeze|lose)(?:@(\d+))?(?:\*(\d+))?(?:%(\d+))?")


class Lost(Exception):
    """Raised by `lose`: what was asked for happened, but its answer did not come back."""


@dataclass(frozen=True, slots=True)
class _Rule:
    action: str
    attempt: int | None
    times: int | None
    percent: int
    marks: Path

    def applies(self, name: str, attempt: int | None) -> bool:
        if self.attempt is not None and self.attempt != attempt:
            return False
        if random.randrange(100) >= self.percent:  # noqa: S311
            return False
        return self.times is None or self._mark(name)

    def _mark(self, name: str) -> bool:
        """One file a death, made exclusively: the count survives the process that dies here."""
        self.marks.mkdir(parents=True, exist_ok=True)
        for n in range(self.times or 0):
            try:
                os.close(os.open(self.marks / f"{name}.{n}", os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            return True
        return False


_armed: dict[str, list[_Rule]] = {}


def arm(spec: str, home: Path) -> None:
    """Reads the rules. Raises `ValueError` for a rule or name that does not exist."""
    _armed.clear()
    for text in filter(None, (part.strip() for part in spec.split(","))):
        rule = _RULE.fullmatch(text)
        if rule is None or rule[1] not in FAILPOINTS:
            raise ValueError(
                f"OEE_FAILPOINTS: {text!r} is no rule; the names are {', '.join(sorted(FAILPOINTS))}"
            )
        name, action, attempt, times, percent = rule.groups()
        _armed.setdefault(name, []).append(
            _Rule(
                action,
                int(attempt) if attempt else None,
                int(times) if times else None,
                int(percent) if percent else 100,
                home / "failpoints",
            )
        )


def hit(name: str, attempt: int | None = None) -> None:
    """Dies, freezes or raises `Lost` if a rule for this place says so; else returns at once."""
    if not _armed:
        return
    rule = next((r for r in _armed.get(name, ()) if r.applies(name, attempt)), None)
    if rule is None:
        return
    if rule.action == "lose":
        raise Lost(name)
    if rule.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    # To this thread: sent to the process it would stop here only when the main thread came to run.
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

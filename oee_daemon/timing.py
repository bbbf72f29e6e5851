"""How long the engine waits for what, in one value that is handed to whoever waits.

The figures below are the engine's own and each goes with a promise: they are no user's setting. `OEE_TIMING`,
as in "lease_s=2,backoff_s=0.1..1", is there for tests, which prove the same in a tenth of the time. Who waits
for one thing alone, which no test has to sit through, keeps its figure beside it instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import timedelta

#: A wait that doubles: seconds at first, and at most.
Growing = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Every figure but the last is in seconds, and all are more than 0."""

    #: For how long an order stays with a worker that gives no sign of life.
    lease_s: float = 15.0
    #: What recovery has handed to a thread, it hands to none again for this long.
    ring_again_s: float = 10.0
    #: How far past its time an order has to be before recovery takes it up: its own bell comes first.
    overdue_s: float = 1.0
    #: Between two beats of a worker, and where recovery found more to take up than it had free threads.
    beat_s: float = 1.0
    soon_s: float = 0.25
    #: How long a thread asks for an outcome, past the expected confirmation, before it lets the order go.
    ask_s: float = 10.0
    #: Between two sends of the same bytes, and the longest single wait for the chain.
    resend_s: float = 2.0
    #: Between two attempts of an order.
    backoff_s: Growing = (0.5, 10.0)
    #: Until an order whose outcome is unknown is asked about again; for ever.
    pause_s: Growing = (2.0, 60.0)
    #: Until an order is run again whose run ended in a fault of ours; grows with each of its faults.
    fault_pause_s: Growing = (0.5, 60.0)
    #: In one thread's hands, past what the chain may take, after which a worker counts as hung.
    hangs_s: float = 120.0
    #: Without a beat after which a worker counts as dead, though its process lives; before its first beat.
    silent_s: float = 30.0
    silent_at_first_s: float = 90.0
    #: For one question to the chain about an order that is to be accepted: a courtesy, which keeps nobody.
    courtesy_s: float = 0.5
    #: Orders that share a flight to Postgres, at most; 1 proves that none has to.
    flight_rows: float = 64.0

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.lease_s)

    @property
    def ring_again(self) -> timedelta:
        return timedelta(seconds=self.ring_again_s)

    @property
    def overdue(self) -> timedelta:
        return timedelta(seconds=self.overdue_s)

    def __str__(self) -> str:
        """What is not as usual, as `read` reads it."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return ",".join(
            f"{name}={'..'.join(map(str, value)) if isinstance(value, tuple) else value}"
            for name, value in values.items()
            if value != getattr(USUAL, name)
        )


USUAL = Timing()

_FIGURE = r"\d{1,7}(?:\.\d{1,6})?"


def read(text: str) -> Timing:
    """Raises `ValueError`, saying what would do."""
    values: dict[str, float | Growing] = {}
    for part in filter(None, text.split(",")):
        found = re.fullmatch(rf"([a-z_]+)=({_FIGURE})(?:\.\.({_FIGURE}))?", part)
        usual = getattr(USUAL, found[1], None) if found else None
        if found is None or not isinstance(usual, tuple if found[3] else float) or not float(found[2]):
            raise ValueError(
                "waits as in lease_s=2,backoff_s=0.1..1, in seconds, of "
                + ", ".join(f.name for f in fields(Timing))
            )
        values[found[1]] = (float(found[2]), float(found[3])) if found[3] else float(found[2])
    return Timing(**values)  # type: ignore[arg-type]

"""How far a batch is: counted by its `BatchSender`, shown by the view."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from oee_cli.exit_codes import ExitCode


@dataclass(slots=True)
class BatchProgress:
    """Counts of a batch's rows."""

    #: Rows that a sender took, and the line of the last of them.
    sent: int = 0
    last_sent: int = 0
    #: Sent, and not ended; of these, those without an answer yet.
    in_flight: int = 0
    unanswered: int = 0
    ended: int = 0
    #: Of those that ended: placed before this run, and of these the ones that another batch would place anew.
    replayed: int = 0
    renewable: int = 0
    #: When the first and the last of them had been placed.
    placed_from: str = ""
    placed_to: str = ""
    codes: Counter[ExitCode] = field(default_factory=Counter)
    #: Of those that ended well: orders that wait for a price or a time, and have bought nothing.
    waiting: int = 0
    first_failed: int | None = None
    #: Every row was read, and sent if it could be.
    complete: bool = False

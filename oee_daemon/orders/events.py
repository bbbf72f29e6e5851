"""What the event of each move says: one type a status, and how it is stored in `order_events.data`.

Names are snake_case, amounts integers in base units; what users are shown is made of it in `api` alone. The
other statuses' events say nothing beside themselves. Releases up to 0.1.0 wrote another form (`quotes`,
`filledIn`), which is still read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from oee_daemon.orders.swap import Fill, VenueAnswer

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Building:
    """A venue was chosen among these answers. `checks`: the verdicts on a new token."""

    venue: str
    answers: Sequence[VenueAnswer]
    checks: Sequence[Data] = ()

    def data(self) -> Data:
        told: Data = {"venue": self.venue, "answers": [answer_data(a) for a in self.answers]}
        return told | ({"checks": [*self.checks]} if self.checks else {})


@dataclass(frozen=True, slots=True)
class Submitted:
    """The signed swap is stored, and may be on the chain from here on."""

    signature: str

    def data(self) -> Data:
        return {"signature": self.signature}


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The chain says what moved."""

    fill: Fill

    def data(self) -> Data:
        fill = self.fill
        moved = {"amount_in": fill.amount_in, "amount_out": fill.amount_out, "fee": fill.fee}
        if fill.network_fee is not None:
            moved["network_fee"] = fill.network_fee
        return {"signature": fill.signature, **moved, "slot": fill.slot}


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt has failed, or the order's time was used up by faults. `error`: the failure as JSON;
    `retry_in_ms`: when another attempt follows; `barred`: a venue that the order asks no more."""

    error: Data | None
    answers: Sequence[VenueAnswer] = ()
    retry_in_ms: int | None = None
    barred: str | None = None

    def data(self) -> Data:
        found: Data = {} if self.error is None else {"error": self.error}
        if self.answers:
            found["answers"] = [answer_data(a) for a in self.answers]
        if self.retry_in_ms is not None:
            found["retry_in_ms"] = self.retry_in_ms
        if self.barred is not None:
            found["barred"] = self.barred
        return found


@dataclass(frozen=True, slots=True)
class Waiting:
    """It waits again. `why`: the code and the sentence; it is not looked at for `rest_ms`."""

    why: Data
    answers: Sequence[VenueAnswer]
    rest_ms: int

    def data(self) -> Data:
        told = {"why": self.why, "rest_ms": self.rest_ms}
        return told | ({"answers": [answer_data(a) for a in self.answers]} if self.answers else {})


def answer_data(answer: VenueAnswer) -> Data:
    """What one venue said: its quote or its error."""
    said: Data = {"venue": answer.venue, "latency_ms": answer.latency_ms}
    quote = answer.quote
    if quote is None:
        return said | {"error": answer.error}
    amounts = {"amount_in": quote.amount_in, "amount_out": quote.amount_out, "fee": quote.fee}
    return said | amounts | {"price_impact_bps": quote.price_impact_bps}

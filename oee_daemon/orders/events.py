"""What the event of each move says: one function a status, and how it is stored in `order_events.data`.

Names are snake_case, amounts integers in base units; what users are shown is made of it in `api` alone. The
other statuses' events say nothing beside themselves. Releases up to 0.1.0 wrote another form (`quotes`,
`filledIn`), which is still read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oee_daemon.orders.swap import Fill, VenueAnswer

Data = dict[str, Any]


def building(venue: str, answers: Sequence[VenueAnswer], checks: Sequence[Data] = ()) -> Data:
    """A venue was chosen among these answers. `checks`: the verdicts on a new token."""
    told: Data = {"venue": venue, "answers": [answer_data(answer) for answer in answers]}
    return told | ({"checks": [*checks]} if checks else {})


def submitted(signature: str) -> Data:
    """The signed swap is stored, and may be on the chain from here on."""
    return {"signature": signature}


def confirmed(fill: Fill) -> Data:
    """The chain says what moved."""
    moved = {"amount_in": fill.amount_in, "amount_out": fill.amount_out, "fee": fill.fee}
    if fill.network_fee is not None:
        moved["network_fee"] = fill.network_fee
    return {"signature": fill.signature, **moved, "slot": fill.slot}


def ended(
    error: Data | None,
    answers: Sequence[VenueAnswer] = (),
    retry_in_ms: int | None = None,
    barred: str | None = None,
) -> Data:
    """An attempt has failed, or the order's time was used up by faults. `error`: the failure as JSON;
    `retry_in_ms`: when another attempt follows; `barred`: a venue that the order asks no more."""
    said = {
        "error": error,
        "answers": [answer_data(answer) for answer in answers] or None,
        "retry_in_ms": retry_in_ms,
        "barred": barred,
    }
    return {name: value for name, value in said.items() if value is not None}


def waiting(why: Data, answers: Sequence[VenueAnswer], rest_ms: int) -> Data:
    """It waits again. `why`: the code and the sentence; it is not looked at for `rest_ms`."""
    told = {"why": why, "rest_ms": rest_ms}
    return told | ({"answers": [answer_data(answer) for answer in answers]} if answers else {})


def answer_data(answer: VenueAnswer) -> Data:
    """What one venue said: its quote or its error."""
    said: Data = {"venue": answer.venue, "latency_ms": answer.latency_ms}
    quote = answer.quote
    if quote is None:
        return said | {"error": answer.error}
    amounts = {"amount_in": quote.amount_in, "amount_out": quote.amount_out, "fee": quote.fee}
    return said | amounts | {"price_impact_bps": quote.price_impact_bps}

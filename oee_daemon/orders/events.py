"""What the event of each move says: a type and a function for each status, as stored in `order_events.data`.

Names are snake_case, amounts integers in base units; what users are shown is made of it in `api` alone. The
other statuses' events say nothing beside themselves. Releases up to 0.1.0 wrote another form (`quotes`,
`filledIn`), which is still read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

from oee_daemon.orders.swap import Fill, VenueAnswer

Data = dict[str, Any]


class AnswerData(TypedDict):
    """What one venue said: its quote, in base units, or its error."""

    venue: str
    latency_ms: int
    error: NotRequired[Data | None]
    amount_in: NotRequired[int]
    amount_out: NotRequired[int]
    fee: NotRequired[int | None]
    price_impact_bps: NotRequired[int | None]


class Building(TypedDict):
    """A venue was chosen among these answers. `checks`: the verdicts on a new token."""

    venue: str
    answers: list[AnswerData]
    checks: NotRequired[list[Data]]


class Submitted(TypedDict):
    """The signed swap is stored, and may be on the chain from here on."""

    signature: str


class Confirmed(TypedDict):
    """What the chain says that has moved, base units."""

    signature: str
    amount_in: int
    amount_out: int
    fee: int | None
    slot: int
    network_fee: NotRequired[int]


class Ended(TypedDict, total=False):
    """An attempt has failed, or the order's time was used up by faults. `error`: the failure as JSON;
    `retry_in_ms`: when another attempt follows; `barred`: a venue that the order asks no more."""

    error: Data
    answers: list[AnswerData]
    retry_in_ms: int
    barred: str


class Waiting(TypedDict):
    """It waits again. `why`: the code and the sentence; it is not looked at for `rest_ms`."""

    why: Data
    rest_ms: int
    answers: NotRequired[list[AnswerData]]


Said = Building | Submitted | Confirmed | Ended | Waiting


def building(venue: str, answers: Sequence[VenueAnswer], checks: Sequence[Data] = ()) -> Building:
    told: Building = {"venue": venue, "answers": [answer_data(answer) for answer in answers]}
    if checks:
        told["checks"] = [*checks]
    return told


def submitted(signature: str) -> Submitted:
    return {"signature": signature}


def confirmed(fill: Fill) -> Confirmed:
    told: Confirmed = {
        "signature": fill.signature,
        "amount_in": fill.amount_in,
        "amount_out": fill.amount_out,
        "fee": fill.fee,
        "slot": fill.slot,
    }
    if fill.network_fee is not None:
        told["network_fee"] = fill.network_fee
    return told


def ended(
    error: Data | None,
    answers: Sequence[VenueAnswer] = (),
    retry_in_ms: int | None = None,
    barred: str | None = None,
) -> Ended:
    told: Ended = {}
    if error is not None:
        told["error"] = error
    if answers:
        told["answers"] = [answer_data(answer) for answer in answers]
    if retry_in_ms is not None:
        told["retry_in_ms"] = retry_in_ms
    if barred is not None:
        told["barred"] = barred
    return told


def waiting(why: Data, answers: Sequence[VenueAnswer], rest_ms: int) -> Waiting:
    told: Waiting = {"why": why, "rest_ms": rest_ms}
    if answers:
        told["answers"] = [answer_data(answer) for answer in answers]
    return told


def answer_data(answer: VenueAnswer) -> AnswerData:
    told: AnswerData = {"venue": answer.venue, "latency_ms": answer.latency_ms}
    if answer.quote is None:
        return told | {"error": answer.error}
    quote = answer.quote
    return told | {
        "amount_in": quote.amount_in,
        "amount_out": quote.amount_out,
        "fee": quote.fee,
        "price_impact_bps": quote.price_impact_bps,
    }

"""An order, its events, and how its price is worded. Its life stands in `contract.status`.

No I/O and no clock here: who moves an order, and when, is decided in `engine`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Self
from uuid import UUID

from oee_daemon.contract.decimals import decimal_text
from oee_daemon.contract.order_types import Side
from oee_daemon.contract.status import Status
from oee_daemon.orders.terms import Terms

#: In `fixed_by`: the bound is what the limits for all orders reserve, by a quote at acceptance, or came with
#: the order while they limit its slippage. Each attempt keeps its own quote's, within it.
BY_LIMITS = "limits"
_TWELVE = Context(prec=12, rounding=ROUND_HALF_EVEN)


def price_text(side: Side, amount_in: Decimal, amount_out: Decimal) -> str:
    """Quote per base over what left and what arrived, to 12 significant digits."""
    quote, base = (amount_in, amount_out) if side is Side.BUY else (amount_out, amount_in)
    return decimal_text(_TWELVE.divide(quote, base))


@dataclass(frozen=True, kw_only=True)
class Order(Terms):
    """One order as Postgres has it: its terms, and how far it is. Amounts are base units.

    `bound` is `None` until the first choice fixes it. `quote_*` is the chosen quote of the running attempt.
    What has a default is so in a new order, by the columns' defaults too.
    """

    id: UUID
    number: int
    network: str
    status: Status = Status.PENDING
    attempt: int = 1
    event_seq: int = 1
    venue: str | None = None
    quote_in: int | None = None
    quote_out: int | None = None
    quote_fee: int | None = None
    route: bytes | None = None
    filled_in: int | None = None
    filled_out: int | None = None
    fee: int | None = None
    signature: str | None = None
    error: dict[str, Any] | None = None
    idempotency_key: str | None
    fence: int = 0
    asks: int = 0
    faults: int = 0
    fault: str | None = None
    #: Venues that built a swap which was not signed: the order asks them no more.
    barred: tuple[str, ...] | None = None
    #: The venue whose quote fixed the bound, or `BY_LIMITS`; none where there is no bound yet, or the order
    #: came with it.
    fixed_by: str | None = None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None = None
    #: How often its condition was met, when last, and the first attempt since.
    firings: int = 0
    fired_at: datetime | None = None
    first_attempt: int = 1
    #: How often in a row it came back to wait, and after a rejection on the chain.
    returns: int = 0
    rejections: int = 0
    #: A stop that has fired, and waits for its limit since.
    latched: bool = False
    #: Of the orders of which at most one is filled, and the same where it is this one's turn.
    group_id: UUID | None = None
    turn: UUID | None = None
    #: Nothing is sent after this. None: it waits, and has no end.
    expires_at: datetime | None
    next_run_at: datetime | None
    #: By Postgres's clock, when this row was read: the order's time was over.
    expired_by_now: bool = False

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """The order of its fields; only what has a default may be left out. Each move makes one, and to set
        sixty fields one by one, as `__init__` and `dataclasses.replace` do, costs as much as the move."""
        made = object.__new__(cls)
        made.__dict__.update(values)
        return made

    def barring(self, venue: str | None) -> tuple[str, ...] | None:
        """The venues that it asks no more, with that one."""
        return self.barred if venue is None else (*(self.barred or ()), venue)

    def moved(self, **values: Any) -> Self:
        """The same order, but for these fields."""
        assert values.keys() <= self.__dict__.keys()
        return self.of(self.__dict__ | values)


@dataclass(frozen=True, slots=True)
class Event:
    """One step of one order. `seq` starts at 1 and has no gaps."""

    order_id: UUID
    seq: int
    status: Status
    attempt: int
    at: datetime
    #: As `orders.events` writes it, or a release up to 0.1.0 did.
    data: dict[str, Any]
    #: Of its order: what its amounts are counted in.
    side: Side
    input_mint: str
    output_mint: str

"""An order, its events, and how its pair and its price are worded. Its life stands in `contract.status`.

No I/O and no clock here: who moves an order, and when, is decided in `engine`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any
from uuid import UUID

from oee_daemon.contract.status import Status
from oee_daemon.contract.terms import Side, SwapMode
from oee_daemon.orders.tokens import Token, decimal_text


def pair_of(input_token: Token, output_token: Token, side: Side | None = None) -> tuple[str, Side]:
    """The pair `BASE/QUOTE`, by mints, and the side that spending `input_token` for `output_token` is.

    A stable token is the quote against anything else. Between two of a kind `side` decides, and where
    it is not given the output is the quote. Raises `ValueError` where `side` contradicts the tokens.
    """
    if input_token.stable != output_token.stable:
        natural = Side.BUY if input_token.stable else Side.SELL
    else:
        natural = side or Side.SELL
    if side is not None and side is not natural:
        raise ValueError(natural.value)
    base, quote = (output_token, input_token) if natural is Side.BUY else (input_token, output_token)
    return f"{base.mint}/{quote.mint}", natural


_TWELVE = Context(prec=12, rounding=ROUND_HALF_EVEN)


def price_text(side: Side, amount_in: Decimal, amount_out: Decimal) -> str:
    """Quote per base over what left and what arrived, to 12 significant digits."""
    quote, base = (amount_in, amount_out) if side is Side.BUY else (amount_out, amount_in)
    return decimal_text(_TWELVE.divide(quote, base))


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order as Postgres has it. Amounts are base units of the token they count.

    `bound` is the least to receive (`ExactIn`) or the most to spend (`ExactOut`); `None` until the first
    choice fixes it. `quote_*` is the chosen quote of the running attempt.
    """

    id: UUID
    number: int
    network: str
    type: str
    side: Side
    pair: str
    input_mint: str
    output_mint: str
    amount: int
    swap_mode: SwapMode
    slippage_bps: int
    min_receive: int | None
    max_spend: int | None
    valid_for_s: int
    status: Status
    attempt: int
    event_seq: int
    venue: str | None
    quote_in: int | None
    quote_out: int | None
    quote_fee: int | None
    route: bytes | None
    filled_in: int | None
    filled_out: int | None
    fee: int | None
    signature: str | None
    error: dict[str, Any] | None
    idempotency_key: str | None
    request_hash: bytes | None
    fence: int
    asks: int
    faults: int
    fault: str | None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    expires_at: datetime
    next_run_at: datetime | None
    #: By Postgres's clock, when this row was read: the order's time was over.
    expired_by_now: bool = False

    @property
    def bound(self) -> int | None:
        """The bound that no fill may be worse than, in output (`ExactIn`) or input units (`ExactOut`)."""
        return self.min_receive if self.swap_mode is SwapMode.EXACT_IN else self.max_spend


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

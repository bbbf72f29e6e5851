"""What an order asks for: made once, by the reader of a request, and carried as it is through intake, quote
request, store and answer. An order is its terms and how far it is: see `orders.order`.

This module knows neither a database nor the wire. A token is its mint; what else it is, a `TokenBook` knows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from oee_daemon.contract.decimals import decimal_text
from oee_daemon.contract.fields import GIVEN
from oee_daemon.contract.order_types import OrderType, Side, SwapMode
from oee_daemon.errors import InvalidInput
from oee_daemon.orders import conditions
from oee_daemon.orders.tokens import Token


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What one order asks for. Amounts are base units, `pair` is `BASE/QUOTE` by mints.

    Prices are quote per base, in whole tokens; a market order has none, a sniper maybe a worst one.
    `launch_at`: it is not looked at before; `good_until`: until when it waits, none for ever.
    `token_address`: the mint that it waits to be listed, with `min_liquidity` US dollars in its pool, by who
    takes `accepted_risks`. `request_hash` is of what the request said; none in rows that no request made.
    """

    type: OrderType = OrderType.MARKET
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
    target_price: Decimal | None = None
    limit_price: Decimal | None = None
    trail_bps: int | None = None
    confirm_ms: int | None = None
    launch_at: datetime | None = None
    good_until: datetime | None = None
    token_address: str | None = None
    min_liquidity: int | None = None
    accepted_risks: tuple[str, ...] | None = None
    request_hash: bytes | None
    #: What was set as it was accepted, or edited last: `venues`, `max_impact` and `fee_cap` as `Settings` has
    #: them, where somebody has set them. The stricter of that and of what is set later holds.
    keeps: Mapping[str, Any] | None = None
    #: The price is meant although it is far from the market. Of the request alone: no column keeps it.
    far: bool = False
    #: The order, or the group, that it joins: at most one of them is filled. Of the request alone, too.
    oco: UUID | None = None

    @property
    def waits(self) -> bool:
        """Whether it waits for something before it is executed."""
        return self.type is not OrderType.MARKET or self.launch_at is not None

    @property
    def bound(self) -> int | None:
        """The bound that no fill may be worse than, in output (`ExactIn`) or input units (`ExactOut`)."""
        return self.min_receive if self.swap_mode is SwapMode.EXACT_IN else self.max_spend

    def keeping(self, keeps: Mapping[str, Any] | None) -> Self:
        """The same terms under what is set now."""
        return self if keeps == self.keeps else replace(self, keeps=keeps)

    def most(self, name: str, now: int | None) -> int | None:
        """The stricter of what was set of that name then, and `now`; none where neither is."""
        limits = [limit for limit in ((self.keeps or {}).get(name), now) if limit is not None]
        return min(limits, default=None)

    def may_ask(self, venue: str) -> bool:
        """Whether it was among those that were set then."""
        venues = (self.keeps or {}).get("venues")
        return venues is None or venue in venues.split(",")

    def columns(self) -> dict[str, Any]:
        """The terms alone, by column, as JSON can say them: bytes in hexadecimal, as Postgres reads them."""
        columns = {name: getattr(self, name) for name in COLUMNS}
        return columns | {"request_hash": self.request_hash and rf"\x{self.request_hash.hex()}"}


#: The columns of an order that are its terms.
COLUMNS = tuple(field.name for field in fields(Terms) if field.name not in ("far", "oco"))


#: What a request says that leaves everything out, by column.
_UNSAID = {field.column: field.default for field in GIVEN}


def terms_of(given: Mapping[str, Any]) -> Terms:
    """The terms of what a request gave, by column: tokens whole, amounts in base units.

    Raises `InvalidInput` where its parts contradict each other.
    """
    said: dict[str, Any] = _UNSAID | dict(given)
    spent, bought = said.pop("input_token"), said.pop("output_token")
    if spent == bought:
        raise InvalidInput(
            f"outputToken is the same as inputToken: {spent.symbol}.",
            code="same_token",
            field="outputToken",
            hint="Name two different tokens.",
        )
    _check_bounds(said)
    if said["type"] is OrderType.SNIPER and said["token_address"] is not None:
        _check_new_token(said, bought)
    try:
        said["pair"], said["side"] = pair_of(spent, bought, said["side"])
    except ValueError as natural:
        raise InvalidInput(
            f"side contradicts the tokens: spending {spent.symbol} for {bought.symbol} is a {natural}.",
            code="side_contradicts",
            field="side",
            hint=f"Leave side out, or say {natural}.",
        ) from None
    base, quote = (bought, spent) if said["side"] is Side.BUY else (spent, bought)
    conditions.complete(said, given, base, quote)
    return Terms(input_mint=spent.mint, output_mint=bought.mint, request_hash=_hash_request(given), **said)


def _check_new_token(said: dict[str, Any], bought: Token) -> None:
    """What waits for a token buys that token."""
    if said["token_address"] != bought.mint:
        raise InvalidInput(
            f"tokenAddress is not what is bought: outputToken is {bought.symbol}.",
            code="field_contradicts",
            field="tokenAddress",
            hint="Name the same mint in both, or leave outputToken out.",
        )
    said["side"] = said["side"] or Side.BUY


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


def _check_bounds(said: Mapping[str, Any]) -> None:
    """The exact side needs no bound; one that is given anyway would be ignored, so it is refused."""
    exact_in = said["swap_mode"] is SwapMode.EXACT_IN
    name, other = ("maxSpend", "minReceive") if exact_in else ("minReceive", "maxSpend")
    if said["max_spend" if exact_in else "min_receive"] is not None:
        raise InvalidInput(
            f"{name} does not go with swapMode {said['swap_mode']}: that amount is exact.",
            code="bound_contradicts",
            field=name,
            hint=f"Use {other}, or leave it out.",
        )


def _hash_request(given: Mapping[str, Any]) -> bytes:
    """A hash of the values that the request said: `1.5` and `"1.50"` are one, what it left out stays out."""
    sent = {field.name: given[field.column] for field in GIVEN if given.get(field.column) is not None}
    sent |= {name: sent[name].mint for name in ("inputToken", "outputToken")}
    return hashlib.sha256(json.dumps(sent, sort_keys=True, default=_spelling).encode()).digest()


def _spelling(value: Decimal | datetime | UUID) -> str:
    """One for each price, moment and id, however it was written."""
    if isinstance(value, UUID):
        return str(value)
    return decimal_text(value) if isinstance(value, Decimal) else value.astimezone(UTC).isoformat()

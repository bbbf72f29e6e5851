"""`GET /api/balances`: what the wallet holds, by token, and what that is worth where a price is known.

Sums are exact decimals; what has no price is counted in no sum, and said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import JSONResponse

from oee_daemon.api import order_wire
from oee_daemon.api.api_answer_schema import Amount, Shape
from oee_daemon.api.api_document import answers, known_query
from oee_daemon.api.api_state import State, state_of
from oee_daemon.contract.decimals import decimal_text
from oee_daemon.errors import Conflict, VenueError
from oee_daemon.networks.holdings import Holding
from oee_daemon.orders.tokens import Token

router = APIRouter(prefix="/api", dependencies=[Depends(known_query)])

#: Seconds for the chain, and for prices, which are left out where they take longer.
BALANCES_S, PRICES_S = 5.0, 3.0


class Balance(Shape):
    """One token of the wallet's, in all of its accounts."""

    symbol: str = Field(description="the mint, where it has no symbol")
    mint: str
    decimals: int
    amount: Amount
    frozen: Amount = Field(description="of it, what can't be moved now")
    wrapped: bool = Field(description="SOL in the form of a token, which a swap of SOL does not spend")
    usd_price: Amount | None = Field(description="for one whole token; null: not known")
    usd_value: Amount | None


class Balances(Shape):
    network: str
    wallet: str
    balances: list[Balance]
    total_usd: Amount | None = Field(description="of what has a price; null where nothing has")
    unpriced: list[str] = Field(description="mints that the total leaves out")


@router.get("/balances", responses=answers(Balances, 409, 503))
async def balances(request: Request, tokens: str | None = None) -> JSONResponse:
    """What the wallet holds. `tokens`: only these, by symbol or mint, apart by commas."""
    state = state_of(request)
    if state.network.holdings is None:
        raise Conflict(
            f"The {state.network.name} network has no balances: its swaps move nothing of anybody's.",
            code="no_balances",
            hint="What its chain says was swapped: oee fills",
        )
    names = [name.strip() for name in (tokens or "").split(",") if name.strip()]
    await state.desk.learn(*names)
    wanted = [state.desk.book.find(name, "tokens") for name in names]
    held = await state.network.holdings.balances(BALANCES_S)
    if wanted:
        held = _only(held, wanted)
    await state.desk.know({one.mint for one in held})
    prices = await _prices(state, held)
    rows = [_row(_token_of(state, one), one, prices.get(one.mint)) for one in held]
    priced = [one for one in held if one.mint in prices]
    return JSONResponse(
        {
            "network": state.network.name,
            "wallet": state.network.wallet.address,
            "balances": rows,
            "totalUsd": decimal_text(sum((_worth(one, prices[one.mint]) for one in priced), Decimal(0)))
            if priced
            else None,
            "unpriced": list(dict.fromkeys(one.mint for one in held if one.mint not in prices)),
        }
    )


def _only(held: Sequence[Holding], wanted: Sequence[Token]) -> list[Holding]:
    """Of each that was asked for what there is, and where there is nothing, that."""
    found = []
    for token in dict.fromkeys(wanted):
        of_it = [one for one in held if one.mint == token.mint]
        found += of_it or [Holding(mint=token.mint, decimals=token.decimals, units=0)]
    return found


def _token_of(state: State, one: Holding) -> Token:
    """By what it is called; its decimals are those that the chain says, which its amount is counted in."""
    return Token(state.desk.book.by_mint(one.mint).symbol, one.mint, one.decimals)


async def _prices(state: State, held: Sequence[Holding]) -> Mapping[str, Decimal]:
    if state.network.directory is None:
        return {}
    try:
        return await state.network.directory.usd(list({one.mint for one in held}), PRICES_S)
    except VenueError:
        return {}


def _worth(one: Holding, price: Decimal) -> Decimal:
    return Decimal(one.units).scaleb(-one.decimals) * price


def _row(token: Token, one: Holding, price: Decimal | None) -> dict[str, Any]:
    return order_wire.told(
        Balance,
        one,
        symbol=token.symbol,
        amount=token.text(one.units),
        frozen=token.text(one.frozen),
        usd_price=None if price is None else decimal_text(price),
        usd_value=None if price is None else decimal_text(_worth(one, price)),
    )

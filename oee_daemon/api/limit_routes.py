"""`GET /api/limits`: the limits for all orders, how much of each is used, and when it frees."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import JSONResponse

from oee_daemon.api import api_answer_schema, order_wire
from oee_daemon.api.api_document import answers, known_query
from oee_daemon.api.api_state import state_of
from oee_daemon.orders.tokens import TOKENS

router = APIRouter(prefix="/api", dependencies=[Depends(known_query)])

#: The most moments that are told of, the next ones first.
MOST = 100


class Frees(api_answer_schema.Shape):
    """So much of the daily limit is free again from then on, if nothing more is spent."""

    at: api_answer_schema.Moment
    usd: api_answer_schema.Amount


class Daily(api_answer_schema.Shape):
    """What orders have spent in the last 24 hours, and may spend that have not ended, where a limit is
    set."""

    limit: api_answer_schema.Amount | None
    used: api_answer_schema.Amount
    reserved: api_answer_schema.Amount = Field(description="the part of `used` whose orders have not ended")
    frees: list[Frees] = Field(description=f"the next {MOST}")


class Open(api_answer_schema.Shape):
    limit: int | None
    used: int = Field(description="orders that have not ended")


class Limits(api_answer_schema.Shape):
    """Each is null where it is not set."""

    at: api_answer_schema.Moment
    max_order: api_answer_schema.Amount | None = Field(description="USD")
    max_daily: Daily
    max_slippage: int | None = Field(description="bps")
    max_open: Open
    tokens: list[str] | None = Field(description="what may be traded")


@router.get("/limits", responses=answers(Limits))
async def limits(request: Request) -> JSONResponse:
    """The limits, and how much of each is used."""
    state, usd = state_of(request), TOKENS["USDC"]
    report = await state.limits.report()
    settings, most = state.settings, state.limits
    return JSONResponse(
        {
            "at": order_wire.moment(report.use.now),
            "maxOrder": None if most.max_order is None else usd.text(most.max_order),
            "maxDaily": {
                "limit": None if most.max_daily is None else usd.text(most.max_daily),
                "used": usd.text(int(report.use.spent + report.use.reserved)),
                "reserved": usd.text(int(report.use.reserved)),
                "frees": [
                    {"at": order_wire.moment(at), "usd": usd.text(int(free))}
                    for at, free in report.frees[:MOST]
                ],
            },
            "maxSlippage": settings.max_slippage,
            "maxOpen": {"limit": settings.max_open, "used": report.use.opened},
            "tokens": None if settings.tokens is None else settings.tokens.split(","),
        }
    )

"""`PATCH /api/orders/{id}`: other terms for an order while it waits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import JSONResponse

from oee_daemon.api import api_answer_schema, order_wire, request_wire
from oee_daemon.api.api_document import answers, known_query, reads
from oee_daemon.api.api_problems import problem
from oee_daemon.api.api_protection import MEANT, check_meant
from oee_daemon.api.api_state import state_of
from oee_daemon.api.feed_wire import orders_json
from oee_daemon.errors import Conflict, Halted, OverLimit
from oee_daemon.orders.order import Order

router = APIRouter(prefix="/api", dependencies=[Depends(known_query)])


class OrderEdit(api_answer_schema.Shape):
    """The body, for the OpenAPI document; `read_edit` is what reads it. What is left out stays."""

    amount: Decimal | None = Field(None, gt=0, description="of the token that it counted before")
    target_price: Decimal | None = Field(None, gt=0, description="its bound follows")
    limit_price: Decimal | Literal["none"] | None = Field(None)
    trail_bps: int | None = Field(None, ge=10, le=5000, description="from the best price that it has seen")
    confirm_ms: int | None = Field(None, ge=0, le=600_000)
    slippage_bps: int | None = Field(None, ge=0, le=5000)
    min_receive: Decimal | None = Field(None, gt=0, description="of an order without a price")
    max_spend: Decimal | None = Field(None, gt=0, description="of an order without a price")
    launch_time: api_answer_schema.Moment | None = Field(None, description="null: from now on")
    expires_at: api_answer_schema.Moment | None = Field(None, description="null: until it is cancelled")
    far: bool = Field(False, description="the price is meant although it is far from the market")
    expect_seq: int | None = Field(None, ge=1, description="nothing is done if its newest event is another")


@router.patch(
    "/orders/{order_id}",
    responses=answers(api_answer_schema.Order, 400, 404, 409, 413),
    openapi_extra=reads(OrderEdit, MEANT),
)
async def edit(request: Request, order_id: str) -> JSONResponse:
    """Changes what an order waits for, in one step or not at all; 409 `order_pending` where it has fired."""
    state = state_of(request)
    await check_meant(request)
    body = request_wire.read_json(await request.body())
    expected = request_wire.read_expected(body)
    found = await asyncio.to_thread(state.history.resolve, order_id)

    def read(order: Order) -> Mapping[str, Any]:
        return request_wire.read_edit(body, order, state.network.tokens)

    try:
        order = await state.editing.edit(found, read, expected)
    except (Halted, OverLimit):
        raise
    except Conflict as e:
        now = await asyncio.to_thread(state.history.order, found)
        told = order_wire.order_json(now, state.network.tokens)
        return problem(409, e.code, e.message, hint=e.hint, order=told, orderStatus=told["status"])
    try:
        book, venues = state.network.tokens, state.network.venues
        (told,) = await asyncio.to_thread(orders_json, [order], state.waits, book, venues)
    except SQLAlchemyError:
        # It is changed, whatever can be asked since.
        told = order_wire.order_json(order, state.network.tokens) | {"market": None, "blocked": None}
    return JSONResponse(told)

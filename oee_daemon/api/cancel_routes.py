"""`POST /api/orders/cancel`: many orders stopped at once, those that are named or all that have not ended."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import JSONResponse

from oee_daemon.api import api_answer_schema, request_wire
from oee_daemon.api.api_document import answers, known_query
from oee_daemon.api.api_state import state_of
from oee_daemon.contract.order_types import OrderType, Side
from oee_daemon.contract.protocol import MAX_PAGE
from oee_daemon.errors import InvalidInput
from oee_daemon.store.cancel_sql import Chosen

router = APIRouter(prefix="/api", dependencies=[Depends(known_query)])


class CancelAsked(api_answer_schema.Body):
    """Which orders to stop: `orderIds`, those of a `group`, or `all` that have not ended; narrowed by the
    rest."""

    order_ids: Annotated[list[UUID], Field(max_length=MAX_PAGE)] = Field([], description="whole ids")
    all: bool = Field(False, description="every order that has not ended")
    group: UUID | None = Field(None, description="every order of this group")
    pair: str | None = Field(None, description="BASE/QUOTE")
    side: Side | None = None
    type: OrderType | None = None
    up_to: UUID | None = Field(
        None, description="the newest order that is meant; by default the newest when this is carried out"
    )


class Cancelled(api_answer_schema.Shape):
    """What came of it."""

    cancelled: int = Field(description="orders that were stopped")
    submitted: list[api_answer_schema.OrderId] = Field(
        description="those that may be on the chain, 1,000 at most; they go on"
    )
    final: int = Field(description="of those that were named: how many had ended before")
    unsent: int = Field(description="orders still to be stopped: ask again")


@router.post("/orders/cancel", responses=answers(Cancelled, 413))
def cancel_many(request: Request, asked: CancelAsked) -> JSONResponse:
    """Stops every chosen order of which nothing can be on the chain; harmless to repeat."""
    if [bool(asked.order_ids), asked.all, asked.group is not None].count(True) != 1:
        raise InvalidInput(
            "orderIds, group or all has to say which orders, one of them.",
            code="missing_field",
            field="orderIds",
        )
    state = state_of(request)
    chosen = Chosen(
        ids=list(dict.fromkeys(asked.order_ids)) or None,
        group=asked.group,
        pair=None if asked.pair is None else request_wire.read_pair(asked.pair, state.network.tokens),
        side=asked.side,
        type=asked.type,
    )
    done = state.intake.cancel_many(chosen, asked.up_to)
    named = len(chosen.ids or ())
    return JSONResponse(
        {
            "cancelled": done.count,
            "submitted": [str(order_id) for order_id in done.sent],
            "final": max(0, named - done.count - len(done.sent) - done.unsent) if named else 0,
            "unsent": done.unsent,
        }
    )

"""`POST /api/orders/find`: many orders by their ids or keys, for a client that follows them all.

Each question is one statement that goes by an index, however many orders are stored, so a client that follows
hundreds of orders may ask several times a second. Nothing here changes anything.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import JSONResponse

from oee_daemon.api import api_answer_schema, order_wire
from oee_daemon.api.api_document import answers, known_query
from oee_daemon.api.api_state import state_of
from oee_daemon.contract.protocol import KEY_LENGTH, MAX_PAGE
from oee_daemon.errors import InvalidInput

router = APIRouter(prefix="/api", dependencies=[Depends(known_query)])

Key = Annotated[str, Field(min_length=KEY_LENGTH[0], max_length=KEY_LENGTH[1], pattern=r"^[ -~]*$")]


class OrdersAsked(api_answer_schema.Body):
    """The orders that are asked for: 1,000 at most, at least one."""

    order_ids: list[UUID] = Field([], description="whole ids")
    idempotency_keys: list[Key] = Field([], description="keys that they were placed with")
    ended: bool = Field(False, description="only those whose status is final")
    key_prefix: str | None = Field(
        None, min_length=4, max_length=64, pattern=r"^[a-z0-9-]*$", description="whether any key begins so"
    )


class OrdersFound(api_answer_schema.Shape):
    """Those that there are, each once, in no order."""

    orders: list[api_answer_schema.Order]
    spent_keys: list[str] = Field(
        description="those of the keys whose order is no longer kept; none is placed under them"
    )
    prefix_known: bool | None = Field(description="whether a key begins with keyPrefix; null: not asked")


@router.post("/orders/find", responses=answers(OrdersFound, 413))
def find(request: Request, asked: OrdersAsked) -> JSONResponse:
    """Orders by their ids or keys, as they are now; who is not there is left out."""
    if not 1 <= len(asked.order_ids) + len(asked.idempotency_keys) <= MAX_PAGE:
        raise InvalidInput(
            f"orderIds and idempotencyKeys have to name 1 to {MAX_PAGE} orders together.",
            code="out_of_range",
            field="orderIds",
        )
    state = state_of(request)
    history = state.history
    found = history.among(asked.order_ids, asked.idempotency_keys, ended=asked.ended)
    return JSONResponse(
        {
            "orders": [order_wire.order_json(order, state.network.tokens) for order in found],
            "spentKeys": history.spent(asked.idempotency_keys),
            "prefixKnown": None if asked.key_prefix is None else history.has_keys(asked.key_prefix),
        }
    )

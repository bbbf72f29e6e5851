"""Many orders at once, by their ids or keys: what a client that placed them asks, instead of one by one.

One statement by an index, however many orders are stored, so that who follows hundreds of orders may ask
several times a second. Nothing here changes anything.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from oee_daemon.api import schema, wire
from oee_daemon.api.openapi import answers, known_query
from oee_daemon.errors import InvalidInput
from oee_daemon.reads.history import MAX_PAGE, History

router = APIRouter(prefix="/api", dependencies=[Depends(known_query)])

Key = Annotated[str, Field(min_length=8, max_length=255, pattern=r"^[ -~]*$")]


class OrdersAsked(BaseModel):
    """The orders that are asked for: 1,000 at most, at least one."""

    model_config = ConfigDict(extra="forbid")

    orderIds: list[UUID] = Field([], description="whole ids")  # noqa: N815
    idempotencyKeys: list[Key] = Field([], description="keys that they were placed with")  # noqa: N815
    ended: bool = Field(False, description="only those whose status is final")
    keyPrefix: str | None = Field(  # noqa: N815
        None, min_length=4, max_length=64, pattern=r"^[a-z0-9-]*$", description="whether any key begins so"
    )


class OrdersFound(BaseModel):
    """Those that there are, each once, in no order."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    orders: list[schema.Order]
    spentKeys: list[str] = Field(  # noqa: N815
        description="those of the keys whose order is no longer kept; none is placed under them"
    )
    prefixKnown: bool | None = Field(description="whether a key begins with keyPrefix; null: not asked")  # noqa: N815


@router.post("/orders/find", responses=answers(OrdersFound, 413))
def find(request: Request, asked: OrdersAsked) -> JSONResponse:
    """Orders by their ids or keys, as they are now; who is not there is left out."""
    if not 1 <= len(asked.orderIds) + len(asked.idempotencyKeys) <= MAX_PAGE:
        raise InvalidInput(
            f"orderIds and idempotencyKeys have to name 1 to {MAX_PAGE} orders together.",
            code="out_of_range",
            field="orderIds",
        )
    history: History = request.app.state.history
    found = history.among(asked.orderIds, asked.idempotencyKeys, ended=asked.ended)
    return JSONResponse(
        {
            "orders": [wire.order_json(order) for order in found],
            "spentKeys": history.spent(asked.idempotencyKeys),
            "prefixKnown": None if asked.keyPrefix is None else history.has_keys(asked.keyPrefix),
        }
    )

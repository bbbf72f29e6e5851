"""`GET /api/endpoints`: the addresses by which the chain is asked, looked at now, and that answer's shape.

What they say is read and judged in `networks`; here it becomes text.
"""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import JSONResponse

from oee_daemon.api import order_wire
from oee_daemon.api.api_answer_schema import Shape
from oee_daemon.api.api_document import answers, known_query
from oee_daemon.api.api_state import state_of

router = APIRouter(prefix="/api", dependencies=[Depends(known_query)])


class Endpoint(Shape):
    """One address, by its host: the rest of it may hold a key. `null`: it did not say."""

    name: str
    transport: Literal["https", "http", "local"]
    good: bool = Field(description="whether the engine can use what it says")
    problems: list[str] = Field(description="stable codes, the gravest first")
    fault: str | None = Field(description="why it says nothing")
    version: str | None
    genesis: str | None
    slot: int | None = Field(description="final")
    height: int | None = Field(description="final, in blocks")
    lag: int | None = Field(description="slots behind the furthest of them")
    history: Literal["full", "pruned", "none"] | None
    reaches_back: int | None = Field(description="slots, where history is pruned")
    batches: bool | None = Field(description="whether it takes several calls in one request")
    largest_batch: int | None = Field(description="the most calls that it takes in one request, up to 10")
    simulates: bool | None = Field(
        description="whether it tells what a swap would do, without which nothing is signed"
    )
    latency_ms: int | None
    clock_ahead_ms: list[int] | None = Field(
        description="how far the daemon's clock is ahead of its answers' dates, at least and at most"
    )
    maybe_same: list[str] = Field(description="others that may be of the same operator")


class Endpoints(Shape):
    """All of the network's; none where a network has none."""

    network: str
    endpoints: list[Endpoint]


@router.get("/endpoints", responses=answers(Endpoints))
async def endpoints(request: Request) -> JSONResponse:
    """What each RPC endpoint says of itself and of the chain; takes some seconds where one is silent."""
    state = state_of(request)
    found = await state.endpoints.reports()
    return JSONResponse(
        {"network": state.network.name, "endpoints": [order_wire.told(Endpoint, one) for one in found]}
    )

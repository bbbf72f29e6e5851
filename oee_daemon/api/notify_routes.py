"""`POST /api/notify/test`: tells all targets that are set, now."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from oee_daemon.api import api_answer_schema
from oee_daemon.api.api_document import answers, known_query
from oee_daemon.api.api_state import state_of

router = APIRouter(prefix="/api", dependencies=[Depends(known_query)])


class Tried(api_answer_schema.Shape):
    target: str = Field(description="`program`, or `service` and a hash of its address")
    error: str | None = Field(description="why it was not told; null: it was")


class Tests(api_answer_schema.Shape):
    targets: list[Tried]


@router.post("/notify/test", responses=answers(Tests))
async def test_notify(request: Request) -> JSONResponse:
    """Tells each target that it can be told."""
    teller = state_of(request).around.teller
    found = {} if teller is None else await run_in_threadpool(teller.test)
    return JSONResponse({"targets": [{"target": name, "error": fault} for name, fault in found.items()]})

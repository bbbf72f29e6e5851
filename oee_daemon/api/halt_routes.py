"""`GET` and `POST /api/halt`, `POST /api/resume`: stops all that signs or sends, and lets it go on.

Each is harmless to repeat. Nothing is decided here: `engine.halting` does that.
"""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from oee_daemon.api import api_answer_schema, order_wire
from oee_daemon.api.api_document import answers, known_query
from oee_daemon.api.api_protection import check_meant
from oee_daemon.api.api_state import state_of
from oee_daemon.contract.halt_mark import MOST_TEXT
from oee_daemon.engine.halting import Halting
from oee_daemon.errors import Unavailable

router = APIRouter(prefix="/api", dependencies=[Depends(known_query)])


class HaltIn(api_answer_schema.Body):
    """Why, and who asks."""

    reason: str | None = Field(None, max_length=MOST_TEXT)
    by: str | None = Field(None, max_length=MOST_TEXT, description="as in account@host")
    mark: str | None = Field(
        None, max_length=MOST_TEXT, description="`at` of the file `halted` in the home, by which it began"
    )


class MayLand(api_answer_schema.Shape):
    """A swap that was signed before the halt: the chain may have it, or still take it."""

    order_id: api_answer_schema.OrderId
    attempt: int
    signature: str
    signed_at: api_answer_schema.Moment


class Unanswered(api_answer_schema.Shape):
    """A worker that has not said that it sends nothing: it may be dead, or frozen and go on."""

    worker: str = Field(description="as in leases and logs")
    seen_s: float = Field(description="seconds since it was last seen")


class HaltState(api_answer_schema.Shape):
    halt: api_answer_schema.Halt | None = Field(description="null while the engine works")


class HaltOut(HaltState):
    """What a halt came to. It is true for every worker that `unanswered` does not name."""

    already: bool = Field(description="it held before")
    may_land: list[MayLand] = Field(description="1,000 at most, the newest first")
    unanswered: list[Unanswered]
    worker_killed: bool = Field(description="the daemon's own worker hung, and another one took its place")


class Resumed(HaltState):
    ended: api_answer_schema.Halt | None = Field(description="the halt that held; null: there was none")


def _halting(request: Request) -> Halting:
    found = state_of(request).around.halting
    if found is None:
        raise Unavailable("This daemon can't halt its engine.", code="cannot_halt")
    return found


@router.get("/halt", responses=answers(HaltState))
async def halt_state(request: Request) -> JSONResponse:
    """Whether the engine is halted."""
    return JSONResponse({"halt": order_wire.halt_json(await run_in_threadpool(_halting(request).read))})


@router.post("/halt", responses=answers(HaltOut, 413))
async def halt(request: Request, asked: HaltIn) -> JSONResponse:
    """Halts the engine. Once this has answered, nothing is accepted, signed, sent or sent again, by any
    worker. What was sent before is asked about and confirmed; cancelling, expiry and lists go on."""
    done = await run_in_threadpool(_halting(request).halt, asked.reason, asked.by, asked.mark)
    return JSONResponse(
        {
            "halt": order_wire.halt_json(done.halt),
            "already": done.already,
            "mayLand": [order_wire.told(MayLand, swap) for swap in done.may_land],
            "unanswered": [
                {"worker": worker.owner, "seenS": round(worker.seen_s, 1)} for worker in done.unanswered
            ],
            "workerKilled": done.killed,
        }
    )


@router.post("/resume", responses=answers(Resumed))
async def resume(request: Request) -> JSONResponse:
    """Ends the halt, if there is one: what is due goes on, and nothing is made up for."""
    await check_meant(request)
    ended = await run_in_threadpool(_halting(request).resume)
    return JSONResponse({"halt": None, "ended": order_wire.halt_json(ended)})

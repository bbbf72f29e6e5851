"""`GET /api/feeds`: the newest price of every pair that somebody waits for, and who watches them."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse

from oee_daemon.api.api_document import answers, known_query
from oee_daemon.api.api_state import state_of
from oee_daemon.api.feed_wire import Feeds, feeds_json

router = APIRouter(prefix="/api", dependencies=[Depends(known_query)])


@router.get("/feeds", responses=answers(Feeds))
def feeds(request: Request) -> JSONResponse:
    """Prices that orders wait for, by pair: how old, from where, how many wait, how far the nearest is."""
    state = state_of(request)
    return JSONResponse(feeds_json(state.waits.watch(), state.network.tokens))

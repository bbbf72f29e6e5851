"""Locking and unlocking the wallet, over the Unix socket alone: see `api_auth.SOCKET_ONLY`.

A passphrase is read from the body, handed on, and stands in no answer and no log.
"""

from __future__ import annotations

from decimal import Decimal

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import JSONResponse

from oee_daemon.api import request_wire
from oee_daemon.api.api_answer_schema import Shape, WalletState
from oee_daemon.api.api_document import answers, known_query, reads
from oee_daemon.api.api_state import state_of
from oee_daemon.engine.engine_wallet_lock import WalletLock
from oee_daemon.errors import InvalidInput, Unavailable

router = APIRouter(prefix="/api/wallet", dependencies=[Depends(known_query)])

#: Seconds that a wallet may be unlocked for: a year.
MOST_S = 366 * 86400


class UnlockIn(Shape):
    """Opens a sealed wallet until it is locked, the daemon or its worker ends, or `forS` is over."""

    passphrase: str
    for_s: int | None = Field(None, ge=1, le=MOST_S)


@router.post("/unlock", responses=answers(WalletState, 409), openapi_extra=reads(UnlockIn, {}))
async def unlock(request: Request) -> JSONResponse:
    """Hands the passphrase to the worker, which alone holds the key. Only over the Unix socket."""
    body = request_wire.read_json(await request.body())
    lock = _lock(request)
    passphrase, for_s = body.pop("passphrase", None), body.pop("forS", None)
    if not isinstance(passphrase, str) or not passphrase:
        raise InvalidInput("passphrase has to be text.", field="passphrase")
    if for_s is not None and not (
        type(for_s) in (int, Decimal) and for_s == int(for_s) and 1 <= for_s <= MOST_S
    ):
        raise InvalidInput(f"forS takes whole seconds, 1 to {MOST_S}.", field="forS")
    if body:
        raise InvalidInput(f"{next(iter(body))[:40]} is no field of this.", field=next(iter(body))[:40])
    await lock.unlock(passphrase, None if for_s is None else float(for_s))
    return JSONResponse(lock.describe())


@router.post("/lock", responses=answers(WalletState, 409))
async def lock(request: Request) -> JSONResponse:
    """Makes the worker forget the key. Only over the Unix socket."""
    found = _lock(request)
    await found.lock()
    return JSONResponse(found.describe())


def _lock(request: Request) -> WalletLock:
    found = state_of(request).around.lock
    if found is None:
        raise Unavailable("No worker is here that could hold a key.", code="worker_unavailable")
    return found

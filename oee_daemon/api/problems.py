"""Every error as RFC 9457 `application/problem+json` with a stable `code`; nothing is answered as a traceback."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

import redis
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from oee_daemon.errors import ChainUnavailable, OeeError, Refused, Unavailable

log = logging.getLogger(__name__)


def problem(status: int, code: str, detail: str, *, retryable: bool = False, **members: Any) -> JSONResponse:
    """`members` that are `None` are left out."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    body |= {"code": code, "retryable": retryable}
    body |= {k: v for k, v in members.items() if v is not None}
    headers = {"Retry-After": "1"} if status == 503 else None
    return JSONResponse(body, status, headers=headers, media_type="application/problem+json")


def as_problem(error: OeeError) -> JSONResponse:
    status = error.status if isinstance(error, Refused) else 503
    field, hint = getattr(error, "field", None), getattr(error, "hint", None)
    return problem(status, error.code, error.message, retryable=error.retryable, field=field, hint=hint)


def install(app: FastAPI) -> None:
    """Gives `app` one handler for each kind of failure."""

    @app.exception_handler(Refused)
    @app.exception_handler(ChainUnavailable)
    async def refused(_request: Request, error: OeeError) -> JSONResponse:
        return as_problem(error)

    @app.exception_handler(SQLAlchemyError)
    async def database(_request: Request, error: SQLAlchemyError) -> JSONResponse:
        if isinstance(error, PoolTimeout) or (isinstance(error, DBAPIError) and _away(error)):
            log.warning("Postgres can't be reached", extra={"reason": str(error.__cause__ or error)})
            return as_problem(Unavailable("Postgres can't be reached; nothing was stored. Try again."))
        return await fault(_request, error)

    @app.exception_handler(redis.RedisError)
    async def queue(_request: Request, error: redis.RedisError) -> JSONResponse:
        return problem(503, "queue_unavailable", "The queue can't be reached. Try again.", retryable=True)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        field = str(first["loc"][-1])
        return problem(422, "invalid_input", f"{field}: {first['msg']}.", field=field)

    @app.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> JSONResponse:
        codes = {404: "no_such_path", 405: "method_not_allowed"}
        answer = problem(error.status_code, codes.get(error.status_code, "http"), str(error.detail))
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(Exception)
    async def fault(_request: Request, error: Exception) -> JSONResponse:
        log.error("fault of ours", exc_info=error)
        return problem(500, "internal", "This is a fault of ours; the daemon's log says more.")


def _away(error: DBAPIError) -> bool:
    """Lost, refused, full or shutting down: whatever may be over in a moment."""
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or state is None or state[:2] in ("08", "53", "57", "58")

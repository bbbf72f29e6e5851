"""Every error as RFC 9457 `application/problem+json` with a stable `code`; no answer is ever a traceback.

The errors of the libraries (SQLAlchemy, redis, FastAPI) are translated here and nowhere else in `api`.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any, TypeGuard

import redis
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import Scope, Send

from oee_daemon.contract.protocol import KEY_HEADER
from oee_daemon.errors import ChainUnavailable, Refused, Unavailable
from oee_daemon.start_errors import OutOfThreads
from oee_daemon.store.database import said

log = logging.getLogger(__name__)

#: Postgres was lost while it stored.
_UNKNOWN = "outcome_unknown"
#: Where orders are placed.
_PLACES = ("/api/orders/execute", "/api/orders/group")
#: How whatever is refused ends that places an order; and what a refusal leaves as it was instead, by route.
_STORED = "Nothing was stored."
LEFT_ALONE = {
    ("PATCH", "/api/orders/{order_id}"): "The order is as it was.",
    ("POST", "/api/orders/{order_id}/cancel"): "The order is as it was.",
    ("POST", "/api/orders/cancel"): "What was not cancelled goes on.",
    ("POST", "/api/resume"): "Nothing was resumed: a halt stands.",
    ("POST", "/api/halt"): "This request has halted nothing.",
    ("POST", "/api/tokens"): "The list of tokens is as it was.",
    ("DELETE", "/api/tokens/{name}"): "The list of tokens is as it was.",
}
#: What pydantic calls a mistake, and what it is called here.
_CODES = {
    "enum": "invalid_choice",
    "literal_error": "invalid_choice",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
}


def problem(status: int, code: str, detail: str, *, retryable: bool = False, **members: Any) -> JSONResponse:
    """`members` that are `None` are left out."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    body |= {"code": code, "retryable": retryable}
    body |= {k: _sendable(v) for k, v in members.items() if v is not None}
    headers = {"Retry-After": "1"} if status == 503 and retryable else None
    return JSONResponse(body, status, headers=headers, media_type="application/problem+json")


def _sendable(member: Any) -> Any:
    """Half of a surrogate pair, which JSON allows and UTF-8 does not, as a question mark."""
    return member.encode(errors="replace").decode() if isinstance(member, str) else member


async def refuse(
    scope: Scope,
    send: Send,
    status: int,
    code: str,
    detail: str,
    *,
    headers: tuple[tuple[bytes, bytes], ...] = (),
    **members: Any,
) -> None:
    """A problem from below the application; a WebSocket's handshake is answered with it."""
    answer = problem(status, code, detail, **members)
    kind = "http.response" if scope["type"] == "http" else "websocket.http.response"
    raw = [*answer.raw_headers, *headers]
    await send({"type": f"{kind}.start", "status": status, "headers": raw})
    await send({"type": f"{kind}.body", "body": bytes(answer.body)})


def as_problem(error: Exception, request: Request | None = None) -> JSONResponse:
    """The problem that tells of `error`, which came of `request`. An error that nobody planned is a fault of
    ours, logged here."""
    planned = error if isinstance(error, Refused | ChainUnavailable) else _translate(error)
    if planned is None:
        log.error("fault of ours", exc_info=error)
        return problem(500, "internal", "This is a fault of ours; the daemon's log says more.")
    if planned.code == _UNKNOWN and request is not None and _places_anew(request):
        planned = _NotRepeated("Postgres was lost on the way; whether the order was stored is not known.")
    status = planned.status if isinstance(planned, Refused) else 503
    field, hint = getattr(planned, "field", None), getattr(planned, "hint", None)
    retryable = planned.retryable
    message = planned.message
    if request is not None and (left := _left_alone(request)) is not None:
        message = message.replace(_STORED, left)
        if planned.code == _UNKNOWN:
            message, hint = "Postgres was lost on the way; whether it was done is not known.", "Look first."
    return problem(status, planned.code, message, retryable=retryable, field=field, hint=hint)


def _left_alone(request: Request) -> str | None:
    """What the request would have changed, as it is; none of one that places orders, or reads."""
    return LEFT_ALONE.get((request.method, getattr(request.scope.get("route"), "path", "")))


class _NotRepeated(Unavailable):
    """The same without a key: whoever repeats the request asks for a second order."""

    retryable = False

    def __init__(self, message: str) -> None:
        super().__init__(message, code=_UNKNOWN, hint="Look first: GET /api/orders. Next time send a key.")


def _places_anew(request: Request) -> bool:
    """Whether the same request again would be a new order."""
    return request.url.path in _PLACES and KEY_HEADER not in request.headers


def install(app: FastAPI) -> None:
    """Answers whatever a route raises with a problem."""

    async def answer(request: Request, error: Exception) -> JSONResponse:
        return as_problem(error, request)

    for kind in (Refused, ChainUnavailable, SQLAlchemyError, redis.RedisError, Exception):
        app.add_exception_handler(kind, answer)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        field = str(first["loc"][-1])
        if first["type"] == "missing":
            return problem(422, "missing_field", f"{field} is missing.", field=field)
        code = _CODES.get(first["type"], "invalid_input")
        if code == "invalid_choice":
            typed, takes = str(first["input"])[:40], first["ctx"]["expected"]
            return problem(422, code, f"{field} can't be {typed!r}: it takes {takes}.", field=field)
        return problem(422, code, f"{field}: {first['msg']}.", field=field)

    @app.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> JSONResponse:
        codes = {404: "no_such_path", 405: "method_not_allowed"}
        answer = problem(error.status_code, codes.get(error.status_code, "http"), str(error.detail))
        answer.headers.update(error.headers or {})
        return answer


def _translate(error: Exception) -> Unavailable | None:
    """What a library raised, in the engine's own words; None for what nobody planned."""
    if isinstance(error, SQLAlchemyError) and _is_away(error):
        log.warning("Postgres can't be reached", extra={"reason": str(error.__cause__ or error)})
        return _unavailable(error)
    if isinstance(error, redis.RedisError):
        return Unavailable("The queue can't be reached. Try again.", code="queue_unavailable")
    if OutOfThreads.means(error):
        log.error("no more threads")
        return Unavailable("The daemon can start no more threads now. Try again.", code=OutOfThreads.code)
    return None


def _is_away(error: SQLAlchemyError) -> bool:
    """Whether Postgres is lost, full or shutting down, or refused us: whatever may be over in a moment."""
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated or isinstance(error, OperationalError | InterfaceError):
        return True
    # 55P03: somebody else holds a lock for too long.
    state = _sqlstate(error)
    return _read_only(error) or state[:2] in ("08", "53", "57", "58") or state == "55P03"


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def _has_state(error: SQLAlchemyError) -> TypeGuard[DBAPIError]:
    return isinstance(error, DBAPIError) and bool(_sqlstate(error))


def _read_only(error: SQLAlchemyError) -> bool:
    """Whether Postgres takes no writes: a standby, or a server that somebody made read-only."""
    return isinstance(error, DBAPIError) and _sqlstate(error) == "25006"


def _unavailable(error: SQLAlchemyError) -> Unavailable:
    """What was lost on the way may have been done all the same, and then must not be denied."""
    if _read_only(error):
        return Unavailable(
            "Postgres takes no writes: it is a standby or read-only. Nothing was stored. Try again.",
            code="database_read_only",
        )
    if not isinstance(error, DBAPIError) or not error.connection_invalidated:
        # It did answer where there is a state: a full disk, somebody's lock, a limit of connections.
        what = (
            f"Postgres can't do it now ({said(error)})" if _has_state(error) else "Postgres can't be reached"
        )
        return Unavailable(f"{what}; this request stored nothing. Try again.")
    if error.statement is not None:
        return Unavailable("Postgres was lost on the way. Try again.")
    # No statement: it was a commit, the one moment of which nothing can be said, or ended with one.
    return Unavailable(
        "Postgres was lost on the way; whether the order was stored is not known.",
        code=_UNKNOWN,
        hint="Repeat the request with the same Idempotency-Key: it is placed once.",
    )

"""The OpenAPI document: every call with its answers and problems, which FastAPI alone would not list.

A route declares what it takes once, by its parameters; `known_query` refuses requests that send more.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Literal, get_args

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.routing import BaseRoute

from oee_daemon.api import api_answer_schema, request_wire
from oee_daemon.api.api_auth import OPEN
from oee_daemon.contract.protocol import PROTOCOL

_REF = "#/components/schemas/{model}"
_INTRODUCTION = f"""Executes orders on Solana. Over TCP every call but /healthz needs the token.

Events come over WebSockets, which this document can't describe: `/api/orders/execute?orderId=ID&afterSeq=N`
sends every `Event` of one order after N in order, each once, and closes with 1000 after the final one;
`/api/orders/stream` sends every order's from now on, and `{{"lagged": true}}` where some were missed. A
handshake is refused with a `Problem`. `OEE-Protocol: {PROTOCOL}` may be sent with every request: a daemon
that speaks another version answers 426.
"""


_MODE: Literal["serialization"] = "serialization"
_READ: Literal["validation"] = "validation"
#: Every shape that an answer has, and every one of a body that a route reads itself.
_shapes: set[type[BaseModel]] = set()
_bodies: set[type[BaseModel]] = set()


def _describe(status: int, schema: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    return {"description": HTTPStatus(status).phrase, "content": {kind: {"schema": schema}}}


def _describe_problem(status: int) -> dict[str, Any]:
    return _describe(status, {"$ref": _REF.format(model="Problem")}, "application/problem+json")


def _describe_answer(status: int, model: Any) -> dict[str, Any]:
    """FastAPI would build a validator for each `model` that it is told of, at each start and for nothing."""
    models = get_args(model) or (model,)
    _shapes.update(models)
    refs = [{"$ref": _REF.format(model=m.__name__)} for m in models]
    return _describe(status, refs[0] if len(refs) == 1 else {"anyOf": refs})


def answers(
    model: Any, *problems: int, status: int = 200, also: dict[int, Any] | None = None
) -> dict[int | str, Any]:
    """The answers of a route: its `model`, and the problems that it may say besides the usual ones."""
    problems_: dict[int | str, Any] = {
        n: _describe_problem(n) for n in sorted({*problems, 401, 403, 408, 422, 426, 431, 503})
    }
    models = ({} if model is None else {status: model}) | (also or {})
    return problems_ | {n: _describe_answer(n, m) for n, m in models.items()}


def reads(model: type[BaseModel], headers: dict[str, str]) -> dict[str, Any]:
    """What a route reads that reads its request itself: the body, and headers with what each is for."""
    _bodies.add(model)
    content = {"application/json": {"schema": {"$ref": _REF.format(model=model.__name__)}}}
    text = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    parameters = [
        {
            "name": name,
            "in": "header",
            "required": False,
            "description": description,
            "schema": text | {"description": description, "title": name.title()},
        }
        for name, description in headers.items()
    ]
    return {"parameters": parameters, "requestBody": {"required": True, "content": content}}


async def known_query(request: Request) -> None:  # not `def`, which is a thread's work to FastAPI
    """Refuses query parameters that the route does not have, and those that stand twice."""
    route = request.scope["route"]
    known = [p.alias for p in route.dependant.query_params]
    request_wire.check_query([name for name, _ in request.query_params.multi_items()], known)


def install(app: FastAPI, *documented: BaseRoute) -> None:
    """Gives `app` the document, made when it is first asked for; `documented` stand in it beside its own."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _make_document(app, documented)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _make_document(app: FastAPI, documented: Sequence[BaseRoute]) -> dict[str, Any]:
    found = get_openapi(
        title=app.title,
        version=app.version,
        description=_INTRODUCTION,
        routes=[*documented, *app.routes],
    )
    said: set[type[BaseModel]] = {*_shapes, api_answer_schema.Problem, api_answer_schema.Event}
    told = [(model, _MODE) for model in sorted(said, key=str)]
    read = [(model, _READ) for model in sorted(_bodies, key=str)]
    _, shapes = models_json_schema([*read, *told], ref_template=_REF)
    parts = found.setdefault("components", {})
    parts.setdefault("schemas", {}).update(shapes["$defs"])
    parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    found["security"] = [{"token": []}]
    for path in OPEN:
        for call in found["paths"][path].values():
            call["security"] = []
    return found

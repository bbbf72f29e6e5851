"""The way of an order that is placed, past the application: straight from the limits to the route.

FastAPI's routing, its layers and its telemetry take as long as all that accepting an order takes. Whatever
is not the POST of an order goes to the application. No route and no limit stands here.
"""

from __future__ import annotations

from fastapi import FastAPI
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from oee_daemon.api.api_problems import as_problem
from oee_daemon.api.api_request_limits import RequestLimits
from oee_daemon.api.order_routes import EXECUTE, execute


class OrderDoor:
    """In front of the application `app`, which has the state and the limits of its own."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._place = RequestLimits(self._execute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == EXECUTE and scope["method"] == "POST":
            scope["app"] = self._app
            await self._place(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    @staticmethod
    async def _execute(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            answer = await execute(request)
        except Exception as e:
            answer = as_problem(e, request)
        await answer(scope, receive, send)

"""Shared by the requests that place orders: their headers, tokens that nobody knew yet, and the price that a
new order is compared with.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request

from oee_daemon.api import request_wire
from oee_daemon.api.api_state import State, state_of
from oee_daemon.contract.protocol import KEY_HEADER, KEY_LENGTH
from oee_daemon.errors import Conflict, InvalidInput
from oee_daemon.orders.terms import Terms
from oee_daemon.store.creating_sql import Armed

KEY_RULE = f"{KEY_LENGTH[0]} to {KEY_LENGTH[1]} printable ASCII characters"


def read_header(request: Request, name: str) -> str | None:
    found = request.headers.getlist(name)
    if len(found) > 1:
        raise InvalidInput(f"{name} stands twice.", field=name)
    return found[0] if found else None


def check_key(text: str | None) -> str | None:
    low, high = KEY_LENGTH
    if text is None or (low <= len(text) <= high and text.isascii() and text.isprintable()):
        return text
    raise InvalidInput(f"{KEY_HEADER} has to have {KEY_RULE}.", code="invalid_key", field=KEY_HEADER)


async def learn(request: Request, body: dict[str, Any]) -> None:
    """A token that is named by its mint is looked up before the order is read."""
    await state_of(request).desk.learn(body.get("inputToken"), body.get("outputToken"))


async def arm_new(state: State, terms: Terms) -> Armed:
    """What a new order that waits is compared with. Raises as `Placing.armed`, and `Conflict` where the
    wallet could not pay for it."""
    objection = await state.checks.courtesy(terms)
    if objection is not None:
        raise Conflict(objection.message, code=objection.code, hint=objection.hint)
    request_wire.check_ahead(terms)
    armed = await state.placing.armed(terms)
    assert armed is not None
    return armed

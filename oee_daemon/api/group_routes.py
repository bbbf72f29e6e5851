"""`POST /api/orders/group`: orders of which at most one is filled, all placed in one transaction or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import JSONResponse

from oee_daemon.api import order_wire, request_wire
from oee_daemon.api.api_answer_schema import Order, OrderId, OrderIn, Shape
from oee_daemon.api.api_document import answers, known_query, reads
from oee_daemon.api.api_placing import arm_new, check_key, learn, read_header
from oee_daemon.api.api_problems import problem
from oee_daemon.api.api_protection import MEANT, check_meant
from oee_daemon.api.api_state import State, state_of
from oee_daemon.api.feed_wire import armed_json, orders_json
from oee_daemon.contract.protocol import GROUP_KEY_LENGTH, GROUP_SIZE, KEY_HEADER
from oee_daemon.engine.group_intake import Group, RowRefused
from oee_daemon.errors import InvalidInput, Refused
from oee_daemon.orders.terms import Terms
from oee_daemon.store.creating_sql import Armed

router = APIRouter(prefix="/api", dependencies=[Depends(known_query)])

_KEY_RULE = f"8 to {GROUP_KEY_LENGTH} printable ASCII characters; the orders' keys are it, /1, /2 and so on"


class GroupIn(Shape):
    """Orders that wait, of which at most one is filled."""

    rule: Literal["oco"] = Field(description="one is filled, and its fill cancels the others")
    orders: list[OrderIn] = Field(min_length=GROUP_SIZE[0], max_length=GROUP_SIZE[1])


class GroupPlaced(Shape):
    """The group, and its orders as they are now, in the order in which they were asked for."""

    group_id: OrderId
    orders: list[Order]


@router.post(
    "/orders/group",
    status_code=202,
    responses=answers(GroupPlaced, 409, 413, status=202, also={200: GroupPlaced}),
    openapi_extra=reads(GroupIn, {"idempotency-key": _KEY_RULE} | MEANT),
)
async def place_group(request: Request) -> JSONResponse:
    """Places a group. Answers 202 once it is durable, 200 where the key is known. What is refused names the
    order by its number, from 0: `orders[1].targetPrice`."""
    state = state_of(request)
    key = check_key(read_header(request, KEY_HEADER))
    if key is not None and len(key) > GROUP_KEY_LENGTH:
        raise InvalidInput(f"{KEY_HEADER} has to have {_KEY_RULE}.", code="invalid_key", field=KEY_HEADER)
    await check_meant(request, lambda: state.groups.is_known(key))
    bodies = _read_group(request_wire.read_json(await request.body()))
    if state.draining.is_set():
        return problem(503, "stopping", "The daemon is stopping; nothing was stored.", retryable=True)
    number = 0
    armed: list[tuple[Terms, Armed]] = []
    try:
        asked = []
        for number, body in enumerate(bodies):  # noqa: B007  # it says which one was refused
            await learn(request, body)
            asked.append(_read_member(body, state))
        group = await state.groups.find(asked, key)
        if group is None:
            for number, terms in enumerate(asked):  # noqa: B007
                armed.append((terms, await arm_new(state, terms)))
            number = -1
            group = await state.groups.accept(armed, key)
    except RowRefused as e:
        return _problem_of(e.number, e.cause)
    except Refused as e:
        if number < 0:
            raise
        return _problem_of(number, e)
    return _answer(group, [seen for _, seen in armed], state)


def _read_group(body: dict[str, Any]) -> list[dict[str, Any]]:
    for name in body:
        if name not in ("rule", "orders"):
            raise request_wire.unknown(name, "is no field of a group", ("rule", "orders"))
    if body.get("rule") != "oco":
        code = "invalid_choice" if "rule" in body else "missing_field"
        raise InvalidInput("rule has to be oco.", code=code, field="rule")
    orders, (low, high) = body.get("orders"), GROUP_SIZE
    if not isinstance(orders, list) or not low <= len(orders) <= high:
        raise InvalidInput(f"orders has to be {low} to {high} orders.", code="out_of_range", field="orders")
    for number, order in enumerate(orders):
        if not isinstance(order, dict):
            field = f"orders[{number}]"
            raise InvalidInput(f"{field} has to be an order.", code="invalid_input", field=field)
    return orders


def _read_member(body: dict[str, Any], state: State) -> Terms:
    terms = request_wire.read_order(body, state.network.tokens)
    if terms.oco is not None:
        raise InvalidInput(
            "oco does not go with a group: its orders know of each other.",
            code="field_contradicts",
            field="oco",
            hint="Leave it out.",
        )
    if not terms.waits:
        raise InvalidInput(
            "An order of a group has to wait: for a price or a time.",
            code="field_contradicts",
            field="type",
            hint="Use limit or stop, or give launchTime.",
        )
    return terms


def _problem_of(number: int, error: Refused) -> JSONResponse:
    """What is wrong with one order: the problem names it."""
    where = f"orders[{number}]"
    return problem(
        error.status,
        error.code,
        f"Order {number + 1}: {error.message}",
        retryable=error.retryable,
        field=f"{where}.{error.field}" if error.field else where,
        hint=error.hint,
    )


def _answer(group: Group, armed: Sequence[Armed], state: State) -> JSONResponse:
    """Of a group that was just stored nothing is asked again: a fault of that would deny it."""
    tokens = state.network.tokens
    if not group.created:
        told = orders_json(group.orders, state.waits, tokens, state.network.venues)
        return JSONResponse({"groupId": str(group.id), "orders": told}, 200)
    told = [
        order_wire.order_json(order, tokens)
        | ({"market": armed_json(seen, order), "blocked": None} if order.status == "waiting" else {})
        for order, seen in zip(group.orders, armed, strict=True)
    ]
    return JSONResponse({"groupId": str(group.id), "orders": told}, 202)

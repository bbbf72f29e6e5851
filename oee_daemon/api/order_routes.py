"""The routes of orders, quotes, fills and venues: each reads its request, calls the engine or `reads`, and
words the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from oee_daemon.api import api_answer_schema, order_wire, request_wire
from oee_daemon.api.api_document import answers, known_query, reads
from oee_daemon.api.api_placing import KEY_RULE, check_key, learn, read_header
from oee_daemon.api.api_problems import problem
from oee_daemon.api.api_protection import MEANT, check_meant
from oee_daemon.api.api_state import State, state_of
from oee_daemon.api.feed_wire import armed_json, last_checks, orders_json, story_json
from oee_daemon.api.quote_wire import limits_json, quotes_json
from oee_daemon.contract.order_types import OrderType, Side, SwapMode
from oee_daemon.contract.protocol import (
    DRY_RUN_HEADER,
    KEY_HEADER,
    MAX_PAGE,
    PAGE,
)
from oee_daemon.contract.status import Status
from oee_daemon.engine import engine_quotes
from oee_daemon.engine.engine_order_means import Objection
from oee_daemon.errors import AttemptFailed, Conflict, InvalidInput
from oee_daemon.orders.conditions import Rule
from oee_daemon.orders.swap import VenueAnswer
from oee_daemon.orders.terms import Terms
from oee_daemon.store.creating_sql import Armed
from oee_daemon.store.listing_sql import Filter

router = APIRouter(prefix="/api", dependencies=[Depends(known_query)])

#: Where orders are placed. Served ahead of the application: see `api_order_door`.
EXECUTE = "/api/orders/execute"


async def execute(request: Request) -> Response:
    """Places an order. Answers 202 once it is durable, 200 where the key is known."""
    request_wire.check_query([name for name, _ in request.query_params.multi_items()], ())
    state = state_of(request)
    key, dry_run = check_key(read_header(request, KEY_HEADER)), read_header(request, DRY_RUN_HEADER)
    await check_meant(request, lambda: state.intake.is_known(key))
    body = request_wire.read_json(await request.body())
    await learn(request, body)
    terms = request_wire.read_order(body, state.network.tokens)
    if dry_run is not None:
        if dry_run != "1":
            raise InvalidInput(
                f"{DRY_RUN_HEADER} has to be 1.", field=DRY_RUN_HEADER, hint="Or leave it out."
            )
        return await _dry_run(request, terms, key)
    if state.draining.is_set():
        return problem(503, "stopping", "The daemon is stopping; nothing was stored.", retryable=True)
    objection = await state.checks.courtesy(terms)
    # A key that is known finds its order, whatever that one has left in the wallet.
    if objection is not None and not await run_in_threadpool(state.intake.is_known, key):
        raise Conflict(objection.message, code=objection.code, hint=objection.hint)
    armed = await _arm_draft(state, terms, key)
    order, created = await state.intake.accept(terms, key, armed)
    told = order_wire.order_json(order, state.network.tokens)
    if created and armed is not None:
        told["market"] = armed_json(armed, order)
    headers = {"Location": f"/api/orders/{order.id}"}
    return JSONResponse(told, 202 if created else 200, headers=headers)


async def _arm_draft(state: State, terms: Terms, key: str | None) -> Armed | None:
    """What the order is compared with; none of one that does not wait. Raises as `Placing.armed`."""
    if not terms.waits:
        return None
    try:
        request_wire.check_ahead(terms)
        return await state.placing.armed(terms)
    except (InvalidInput, Conflict):
        # A key that is known finds its order, whatever the market, or the time, has become.
        if not await run_in_threadpool(state.intake.is_known, key):
            raise
        return Armed(rule=Rule.TIME, price=None, data={})


#: `execute`, for the OpenAPI document alone: FastAPI's way of reading a request costs as much as all the rest
#: of accepting an order, so FastAPI does not serve this path.
documented = APIRouter()
documented.add_api_route(
    EXECUTE,
    execute,
    methods=["POST"],
    status_code=202,
    responses=answers(
        api_answer_schema.Order,
        413,
        503,
        status=202,
        also={200: api_answer_schema.Order | api_answer_schema.DryRun},
    ),
    openapi_extra=reads(
        api_answer_schema.OrderIn,
        {
            "idempotency-key": KEY_RULE,
            "oee-dry-run": "`1`: checks and quotes, stores nothing",
        }
        | MEANT,
    ),
)


async def _dry_run(request: Request, terms: Terms, key: str | None) -> JSONResponse:
    """Checks all that the real path checks, and asks for quotes; stores nothing."""
    state = state_of(request)
    await state.intake.check(terms, key)
    await _arm_draft(state, terms, key)
    draft = order_wire.draft_json(terms, state.network.name, state.network.tokens)
    kept, quotes = await _ask_quotes(state, terms)
    answer: dict[str, Any] = {"dryRun": True, "order": draft, **limits_json(state.network), "quotes": quotes}
    found = await state.checks.courtesy_of(terms, kept)
    found = found or _find_objection(kept, terms)
    if found is not None or state.network.holdings is not None:
        answer["objection"] = None if found is None else asdict(found)
    return JSONResponse(answer)


def _find_objection(answers: Sequence[VenueAnswer], terms: Terms) -> Objection | None:
    """Why none of the quotes would be taken now; where there are none they say so themselves."""
    if terms.waits or all(answer.quote is None for answer in answers):
        return None
    try:
        engine_quotes.choose(answers, terms.swap_mode, terms.bound)
    except AttemptFailed as e:
        return Objection(e.code, e.message)
    return None


@router.get("/orders", responses=answers(api_answer_schema.OrderPage))
def listing(
    request: Request,
    status: str | None = None,
    pair: str | None = None,
    token: str | None = None,
    side: Side | None = None,
    type: OrderType | None = None,  # noqa: A002
    since: datetime | None = None,
    until: datetime | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = PAGE,
    cursor: str | None = None,
    sort: Literal["newest", "away"] = "newest",
) -> JSONResponse:
    """Past and present orders, newest first. `status` takes several, apart by commas. With `sort=away` those
    that wait, the nearest to their price first, on one page; narrowed by `pair`, `side` and `type`."""
    state = state_of(request)
    tokens = state.network.tokens
    wanted = Filter(
        status=_read_statuses(status),
        pair=None if pair is None else request_wire.read_pair(pair, tokens),
        token=None if token is None else tokens.find(token, "token").mint,
        side=side,
        type=type,
        since=request_wire.zoned(since, "since"),
        until=request_wire.zoned(until, "until"),
    )
    if sort == "away":
        _check_away(wanted, cursor)
        narrowed = {"pair": wanted.pair, "side": side, "type": type}
        asked = {name: str(value) for name, value in narrowed.items() if value is not None}
        nearest = state.waits.nearest(asked, limit)
        orders = orders_json(nearest, state.waits, tokens, state.network.venues)
        return JSONResponse({"orders": orders, "nextCursor": None})
    found, following = state.history.page(wanted, limit=limit, cursor=cursor)
    orders = orders_json(found, state.waits, tokens, state.network.venues)
    return JSONResponse({"orders": orders, "nextCursor": following})


def _check_away(wanted: Filter, cursor: str | None) -> None:
    """Raises `InvalidInput` for what an order by distance can't be narrowed by: it would be ignored."""
    others = {"token": wanted.token, "since": wanted.since, "until": wanted.until, "cursor": cursor}
    wrong = next((name for name, value in others.items() if value is not None), None)
    if wrong is None and wanted.status in ((), (Status.WAITING.value,)):
        return
    field = wrong or "status"
    raise InvalidInput(
        f"{field} does not go with sort=away, which lists what waits.", field=field, hint="Leave it out."
    )


def _read_statuses(text: str | None) -> tuple[str, ...]:
    names = tuple(filter(None, (text or "").split(",")))
    for name in names:
        if name not in set(Status):
            raise InvalidInput(
                f"status can't be {name[:40]!r}.",
                code="invalid_choice",
                field="status",
                hint="It takes " + ", ".join(Status) + ".",
            )
    return names


@router.get("/orders/{order_id}", responses=answers(api_answer_schema.OrderDetail, 400, 404))
def one(request: Request, order_id: str) -> JSONResponse:
    """One order with its events and swaps; a unique prefix of 4 or more characters serves as id."""
    state = state_of(request)
    tokens, history = state.network.tokens, state.history
    order, events, swaps = history.detail(history.resolve(order_id))
    more: dict[str, Any] = {
        "events": [order_wire.event_json(e, tokens) for e in events],
        "swaps": [order_wire.told(api_answer_schema.Swap, swap) for swap in swaps],
    }
    if order.faults:
        more["faults"] = {"count": order.faults, "last": order.fault}
    if order.barred:
        more["barred"] = order.barred
    if order.keeps:
        more["keeps"] = order.keeps
    if order.type is not OrderType.MARKET:
        more |= story_json(order, state.waits)
    if order.token_address is not None and (checks := last_checks(events)):
        more["checks"] = checks
    (told,) = orders_json([order], state.waits, tokens, state.network.venues)
    return JSONResponse(told | more)


@router.post("/orders/{order_id}/cancel", responses=answers(api_answer_schema.Order, 400, 404, 409))
def cancel(request: Request, order_id: str) -> JSONResponse:
    """Stops the order, if nothing of it can be on the chain."""
    state = state_of(request)
    found = state.history.resolve(order_id)
    try:
        return JSONResponse(order_wire.order_json(state.intake.cancel(found), state.network.tokens))
    except Conflict as e:
        order = order_wire.order_json(state.history.order(found), state.network.tokens)
        return problem(409, e.code, e.message, order=order, orderStatus=order["status"])


@router.get("/quotes", responses=answers(api_answer_schema.Quotes))
async def quotes(
    request: Request,
    input_token: Annotated[str, Query(alias="inputToken")],
    output_token: Annotated[str, Query(alias="outputToken")],
    amount: str,
    swap_mode: Annotated[SwapMode, Query(alias="swapMode")] = SwapMode.EXACT_IN,
    side: Side | None = None,
) -> JSONResponse:
    """All venues' quotes, best first; trades nothing."""
    body: dict[str, Any] = {"inputToken": input_token, "outputToken": output_token, "amount": amount}
    state = state_of(request)
    body |= {"swapMode": swap_mode.value, "side": side and side.value}
    await learn(request, body)
    terms = request_wire.read_order(body, state.network.tokens)
    told = order_wire.terms_json(terms, state.network.tokens)
    names = ("inputToken", "outputToken", "amount", "swapMode", "pair", "side")
    _, quoted = await _ask_quotes(state, terms)
    answer = {name: told[name] for name in names} | {"quotes": quoted}
    return JSONResponse(answer | limits_json(state.network))


async def _ask_quotes(state: State, terms: Terms) -> tuple[list[VenueAnswer], list[dict[str, Any]]]:
    """What all venues answer, within the limit on impact; and as it is shown, best first."""
    request = engine_quotes.request_of(terms, state.network.tokens)
    asked = await engine_quotes.ask(state.network.venues, request)
    answers = engine_quotes.within_impact(asked, state.network.max_impact)
    ranked = engine_quotes.rank(answers, terms.swap_mode)
    return answers, await quotes_json(ranked, terms, state.network)


@router.get("/fills", responses=answers(api_answer_schema.FillPage, 400, 404))
async def fills(
    request: Request,
    order_id: Annotated[str | None, Query(alias="orderId")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = PAGE,
    cursor: str | None = None,
) -> JSONResponse:
    """What the chain says has landed, whatever the engine believes; newest first."""
    state = state_of(request)
    if order_id is None:
        page = await state.fills.page(limit=limit, before=cursor)
    else:
        found = await asyncio.to_thread(state.history.resolve, order_id)
        page = await state.fills.of_order(found, limit=limit, before=cursor)
    fills = [order_wire.fill_json(fill, state.network.tokens) for fill in page.fills]
    return JSONResponse({"fills": fills, "nextCursor": page.before})


class Venue(api_answer_schema.Shape):
    """A market on which the network trades."""

    name: str
    fee_bps: int | None = Field(description="null: it differs from pool to pool")


class Venues(api_answer_schema.Shape):
    """Where it can be traded."""

    venues: list[Venue]


@router.get("/venues", responses=answers(Venues))
def listed_venues(request: Request) -> JSONResponse:
    """Where it can be traded."""
    return JSONResponse(
        {"venues": [order_wire.told(Venue, venue) for venue in state_of(request).network.venues]}
    )

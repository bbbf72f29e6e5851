"""`oee limit … --or-stop PRICE`: a limit and a stop of the same amount, of which at most one is filled, both
placed or none.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import Any, TypeVar

from oee_cli.api.client_http import Client, session
from oee_cli.api.client_order_lookup import find_orders
from oee_cli.api.client_place_once import dry_run_order, place_group_once
from oee_cli.cli_errors import CliError, Refused, UsageFault
from oee_cli.exit_codes import ExitCode
from oee_cli.options import WaitOptions
from oee_cli.output import Output
from oee_cli.text.key_text import read_key
from oee_cli.waiting.waiting_condition_request import TypedCondition, WaitRequest, fix_prices, read_condition
from oee_cli.waiting.waiting_placement import explain_refusal, note_placed, same_terms
from oee_daemon.contract.protocol import GROUP_KEY_LENGTH
from oee_daemon.contract.shapes import Order

Refusal = TypeVar("Refusal", bound=CliError)
#: Seconds in which the daemon has to store them.
_STORE_S = 60.0


def place_or_stop(
    request: WaitRequest, stop: str | None, floor: str | None, options: WaitOptions
) -> ExitCode:
    """Places both. `stop`: the stop's price, `floor`: its worst one. Everything typed is checked first."""
    if stop is None:
        raise UsageFault(
            "--or-stop-limit says nothing without --or-stop.", hint="Add --or-stop PRICE, or leave it out."
        )
    output = Output(options.json, options.quiet, options.no_color)
    legs = _read_legs(request, stop, floor)
    if options.wait or options.events or options.timeout is not None:
        raise UsageFault(
            "--wait and --events follow one order, and --or-stop places two.",
            hint="Without them both ids are printed: oee watch ID",
        )
    key = read_key(options.key)
    if key is not None and len(key) > GROUP_KEY_LENGTH:
        raise UsageFault(
            f"--idempotency-key has to have at most {GROUP_KEY_LENGTH} characters here.", code="invalid_key"
        )
    with session(output, places=True) as client:
        if options.dry_run:
            return _dry_run(client, output, legs)
        known = None if key is None else _find_placed(client, key, legs)
        if known is not None:
            output.note(f"placed before with this key: group {known['groupId']}")
            return _conclude(output, known, legs)
        bodies = [fix_prices(leg, client) for leg in legs]
        try:
            group = place_group_once(client, output, bodies, key, time.monotonic() + _STORE_S)
        except (UsageFault, Refused) as e:
            _explain(e, request.trade.side)
            raise
        return _conclude(output, group, legs)


def _read_legs(request: WaitRequest, stop: str, floor: str | None) -> list[TypedCondition]:
    if request.oco is not None:
        raise UsageFault(
            "Both --oco and --or-stop were given: each makes a group.",
            hint="Place the stop by itself: oee stop … --oco ID",
            code="field_contradicts",
        )
    other = replace(request, kind="stop", at=stop, limit=floor)
    limit = read_condition(request)
    try:
        return [limit, read_condition(other)]
    except UsageFault as e:
        raise _as_typed(e) from None


def _as_typed(refused: Refusal) -> Refusal:
    """A complaint about the stop, by the names that it has here."""
    names = (("--at", "--or-stop"), ("--limit", "--or-stop-limit"))
    for old, new in names:
        refused.message = refused.message.replace(old, new)
        refused.hint = refused.hint and refused.hint.replace(old, new)
    return refused


def _explain(refused: UsageFault | Refused, side: str) -> None:
    explain_refusal(refused, f"oee {side} trades at once")
    if refused.message.startswith("Order 2"):
        _as_typed(refused)
    refused.message = refused.message.removeprefix("Order 1: ").removeprefix("Order 2: ")


def _dry_run(client: Client, output: Output, legs: list[TypedCondition]) -> ExitCode:
    """Of both, one after the other; ends with what the first ends with that would not be placed."""
    codes = [dry_run_order(client, output, fix_prices(leg, client), None) for leg in legs]
    return next((code for code in codes if code is not ExitCode.DONE), ExitCode.DONE)


def _find_placed(client: Client, key: str, legs: list[TypedCondition]) -> dict[str, Any] | None:
    """The group of the key, where its orders ask for the same: a step from now is another value each time."""
    keys = [f"{key}/{number}" for number in range(1, len(legs) + 1)]
    found = {order["idempotencyKey"]: order for order in find_orders(client, idempotencyKeys=keys)}
    orders: list[Order] = [found[each] for each in keys if each in found]
    if len(orders) < len(legs) or not all(map(same_terms, orders, legs)):
        return None
    return {"groupId": orders[0]["groupId"], "orders": orders}


def _conclude(output: Output, group: dict[str, Any], legs: list[TypedCondition]) -> ExitCode:
    """Both ids, a line each, and what each waits for."""
    orders = group["orders"]
    output.answer(group, "\n".join(order["orderId"] for order in orders), bare=True)
    for order, leg in zip(orders, legs, strict=True):
        note_placed(output, order, turned=leg.turned)
    told = "at most one of them is filled, and its fill cancels the other"
    output.note(output.folded(f"{told} · oee cancel --group {orders[0]['orderId'][:8]}", sys.stderr))
    return ExitCode.DONE

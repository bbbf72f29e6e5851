"""`oee limit` and `oee stop`: an order that is placed once, and then waits for its price."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from oee_cli.api.http_client import Client, session
from oee_cli.api.place_once import dry_run_order, place_once
from oee_cli.errors import UsageFault
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output, clean
from oee_cli.text.amount_text import exact_amount
from oee_cli.text.condition_text import condition_sentence, market_words, until_words
from oee_cli.text.key_text import read_key
from oee_cli.text.order_text import asked_amount, order_pair, short_id
from oee_cli.text.time_text import read_duration
from oee_cli.waiting.condition_request import TypedCondition, WaitRequest, fix_prices, read_condition
from oee_daemon.contract.shapes import Order

#: Seconds in which the daemon has to store an order that nobody waits for.
_STORE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitOptions:
    """How an order that waits is placed, and whether somebody waits for it."""

    key: str | None = None
    dry_run: bool = False
    wait: bool = False
    timeout: str | None = None
    events: bool = False


def place_waiting(request: WaitRequest, options: WaitOptions, output: Output) -> ExitCode:
    """Places one order that waits. Everything typed is checked before anything is started."""
    typed = read_condition(request)
    if options.timeout is not None and not options.wait:
        raise UsageFault("--timeout says nothing without --wait.", hint="Add --wait, or leave it out.")
    timeout = None if options.timeout is None else read_duration(options.timeout, "--timeout")
    key = read_key(options.key)
    with session(output) as client:
        body = fix_prices(typed, lambda asked: client.get("/api/quotes", asked))
        if options.dry_run:
            return dry_run_order(client, output, body, key)
        return _place(client, output, body, key, options, timeout, typed)


def _place(
    client: Client,
    output: Output,
    body: dict[str, Any],
    given: str | None,
    options: WaitOptions,
    timeout: float | None,
    typed: TypedCondition,
) -> ExitCode:
    began = time.monotonic()
    drawn = output.live and options.wait and not options.events
    limit = _STORE_S if timeout is None else timeout
    order, key = place_once(client, output, body, given, began + limit, announce=not drawn)
    if not options.wait:
        output.answer(order, order["orderId"], bare=True)
    for line in placed_lines(order, turned=typed.turned):
        output.note(line)
    if not options.wait:
        return ExitCode.DONE
    from oee_cli.api.follow_order import screen_for, watch_to_end

    note = f"key {key}" if given is None else None
    screen = screen_for(client, output, order, events=options.events, note=note)
    return watch_to_end(client, output, screen, timeout=timeout, began=began, events=options.events)


def placed_lines(order: Order, *, turned: bool = False) -> list[str]:
    """What was placed: what it waits for, until when, and what can be done with it."""
    base, quote = order_pair(order)
    counted = order["outputToken"] if order["swapMode"] == "ExactOut" else order["inputToken"]
    what = asked_amount(order) if clean(counted) == base else f"{base} for {asked_amount(order)}"
    bound = ""
    if order["swapMode"] == "ExactOut" and order["maxSpend"]:
        bound = f", at most {exact_amount(order['maxSpend'])} {clean(order['inputToken'])}"
    elif order["minReceive"]:
        bound = f", at least {exact_amount(order['minReceive'])} {clean(order['outputToken'])}"
    now = market_words(order)
    waits = f"waits to {order['side']} {what} {condition_sentence(order)}{bound}" + (
        f"; {now}" if now else ""
    )
    name = short_id(order)
    change = "--trail" if order["trailBps"] else "--at"
    follow = f"oee watch {name} · oee edit {name} {change} … · oee cancel {name}"
    lines = [waits, f"{until_words(order)}, and while this daemon runs · {follow}"]
    if turned:
        lines.insert(0, f"the pair is {base}/{quote}: this is to {order['side']} {base}")
    return lines

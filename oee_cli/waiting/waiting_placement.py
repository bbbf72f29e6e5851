"""`oee limit`, `oee stop` and `oee snipe`: an order that is placed once, and then waits for its price."""

from __future__ import annotations

import sys
import time
from decimal import Decimal
from typing import Any, cast

from oee_cli.api.client_http import Client, session
from oee_cli.api.client_order_lookup import find_orders, group_or_order
from oee_cli.api.client_place_once import dry_run_order, place_once
from oee_cli.cli_errors import Refused, UsageFault
from oee_cli.exit_codes import ExitCode
from oee_cli.options import WaitOptions
from oee_cli.output import Output, clean
from oee_cli.text.amount_text import exact_amount
from oee_cli.text.condition_text import condition_sentence, market_words, until_words
from oee_cli.text.key_text import read_key
from oee_cli.text.option_text import SNIPER_OPTIONS, say_options
from oee_cli.text.order_text import asked_amount, order_pair, short_id
from oee_cli.text.price_text import NO_LIMIT
from oee_cli.text.time_text import parse_moment, read_duration, span_text
from oee_cli.waiting.waiting_condition_request import TypedCondition, WaitRequest, fix_prices, read_condition
from oee_daemon.contract.fields import GIVEN, Kind
from oee_daemon.contract.shapes import Order

#: What a repeat has to ask for as the first time did, beside its prices. A moment is told from now as well.
_COMPARED = tuple(field.name for field in GIVEN if field.told and field.kind is not Kind.MOMENT)
#: Seconds before a sniper's moment in which its clock is told of: until then it may be set.
NEAR_S = 600.0
#: Seconds in which the daemon has to store an order that nobody waits for.
_STORE_S = 60.0


def place_waiting(request: WaitRequest, options: WaitOptions) -> ExitCode:
    """Places one order that waits. Everything typed is checked before anything is started."""
    return place_typed(read_condition(request), request.trade.side, options)


def place_typed(typed: TypedCondition, side: str, options: WaitOptions) -> ExitCode:
    """Places what was typed and checked; `side`: buy or sell."""
    output = Output(options.json, options.quiet, options.no_color)
    if options.timeout is not None and not options.wait:
        raise UsageFault("--timeout says nothing without --wait.", hint="Add --wait, or leave it out.")
    if options.events and not options.wait:
        raise UsageFault("--events says nothing without --wait.", hint="Add --wait, or leave it out.")
    timeout = None if options.timeout is None else read_duration(options.timeout, "--timeout")
    key = read_key(options.key)
    with session(output, places=True) as client:
        began = time.monotonic()
        client.patience.until = None if timeout is None else began + timeout
        known = None if key is None or options.dry_run else _find_placed(client, key, typed)
        if known is not None:
            output.note(f"placed before with this key: order {known['orderId']}")
            return _conclude(client, output, known, options, timeout, began, typed)
        try:
            body = fix_prices(typed, client)
            if typed.oco is not None:
                body["oco"] = group_or_order(client, typed.oco)
            if options.dry_run:
                return dry_run_order(client, output, body, key)
            drawn = output.live and options.wait and not options.events
            sent, deadline = time.time(), client.patience.until or time.monotonic() + _STORE_S
            order, made = place_once(client, output, body, key, deadline, announce=not drawn)
        except (UsageFault, Refused) as e:
            explain_refusal(e, f"oee {side} trades at once", sniper=typed.body["type"] == "sniper")
            raise
        if (apart := clock_words(order, sent, time.time())) is not None:
            output.note(apart)
        note = None if key else f"key {made}"
        return _conclude(client, output, order, options, timeout, began, typed, note=note)


def explain_refusal(refused: UsageFault | Refused, at_once: str, *, sniper: bool = False) -> None:
    """Says in options what the daemon says in fields. `at_once`: how to trade now."""
    say_options(refused, SNIPER_OPTIONS if sniper else None)
    if refused.code == "would_fire":
        refused.hint = f"{at_once}; --far if it is meant"
    elif refused.code in ("price_far", "price_inverted"):
        price = (refused.hint or "").partition(", or ")[0].rpartition(" ")[2]
        refused.hint = f"For example --at {price}; --far if it is meant"
    elif refused.code == "floor_contradicts":
        refused.hint = (refused.hint or "").replace("example ", "example --limit ")


def _find_placed(client: Client, key: str, typed: TypedCondition) -> Order | None:
    """The order of the key, where it asks for the same."""
    found = find_orders(client, idempotencyKeys=[key])
    return next((order for order in found if same_terms(order, typed)), None)


def same_terms(order: Order, typed: TypedCondition) -> bool:
    """Whether the order asks for the same in all that is no step from now. Such a step is another value each
    time that it is typed: to the daemon the body would be another one."""
    fixed = {name: value for name, value in typed.body.items() if name in _COMPARED}
    for name, price in (("targetPrice", typed.at), ("limitPrice", typed.limit)):
        if price is not None and price.fixed is not None:
            fixed[name] = price.fixed
    told = cast(dict[str, Any], order)
    joined = typed.oco is None or told["groupId"] is not None
    return joined and all(_is_same(name, value, told[name]) for name, value in fixed.items())


def _is_same(name: str, typed: Any, told: Any) -> bool:
    if name in ("amount", "targetPrice", "limitPrice") and NO_LIMIT not in (typed, told):
        return told is not None and Decimal(typed) == Decimal(told)
    if isinstance(typed, list):
        return set(typed) == set(told or ())
    # A token that is typed by its mint is left to the daemon to compare.
    return str(typed).lower() == str(told).lower()


def _conclude(
    client: Client,
    output: Output,
    order: Order,
    options: WaitOptions,
    timeout: float | None,
    began: float,
    typed: TypedCondition,
    note: str | None = None,
) -> ExitCode:
    """Says what was placed, and waits for it where that was asked for."""
    if not options.wait:
        output.answer(order, order["orderId"], bare=True)
    # The header of a live view says the rest.
    drawn = options.wait and output.live and not options.events
    note_placed(output, order, turned=typed.turned, terms=not drawn)
    if typed.oco is not None:
        name = short_id(order)
        told = "at most one of its group is filled, and that fill cancels the others"
        output.note(output.folded(f"{told} · oee show {name} · oee cancel --group {name}", sys.stderr))
    if not options.wait:
        return ExitCode.DONE
    from oee_cli.api.client_follow_order import watch_to_end

    return watch_to_end(
        client, output, order, timeout=timeout, began=began, events=options.events, note=note, told=True
    )


def clock_words(order: Order, sent: float, answered: float) -> str | None:
    """How far this machine's clock is from the engine's, where a moment is near that goes by that one; both
    times are this machine's, seconds since 1970. No word where the moment is further away."""
    if order["type"] != "sniper" or not order["launchTime"]:
        return None
    placed = parse_moment(order["createdAt"]).timestamp()
    if parse_moment(order["launchTime"]).timestamp() - placed > NEAR_S:
        return None
    ahead, within = (sent + answered) / 2 - placed, max(0.001, (answered - sent) / 2)
    decides = "the engine's, by which it begins"
    if abs(ahead) <= within:
        return f"this machine's clock and {decides}, agree within {span_text(within)}"
    way = "ahead of" if ahead > 0 else "behind"
    return f"this machine's clock is {span_text(abs(ahead))} {way} {decides} (± {span_text(within)})"


def note_placed(output: Output, order: Order, *, turned: bool = False, terms: bool = True) -> None:
    """Says what was placed."""
    output.note(output.folded("\n".join(placed_lines(order, turned=turned, terms=terms)), sys.stderr))


def placed_lines(order: Order, *, turned: bool = False, terms: bool = True) -> list[str]:
    """What was placed: what it waits for (`terms`), until when, and what can be done with it."""
    base, quote = order_pair(order)
    counted = order["outputToken"] if order["swapMode"] == "ExactOut" else order["inputToken"]
    amount = asked_amount(order, whole=True)
    what = amount if clean(counted) == base else f"{base} for {amount}"
    bound = ""
    if order["swapMode"] == "ExactOut" and order["maxSpend"]:
        bound = f", at most {exact_amount(order['maxSpend'])} {clean(order['inputToken'])}"
    elif order["minReceive"] and order["limitPrice"] != NO_LIMIT:
        bound = f", at least {exact_amount(order['minReceive'])} {clean(order['outputToken'])}"
    now = market_words(order)
    waits = f"waits to {order['side']} {what} {condition_sentence(order)}{bound}" + (
        f"; {now}" if now else ""
    )
    name = short_id(order)
    option = "--at" if order["targetPrice"] else "--trail" if order["trailBps"] else None
    change = f" · oee edit {name} {option} …" if option else ""
    follow = f"oee watch {name}{change} · oee cancel {name}"
    until = f"{until_words(order)}, and while this daemon runs · {follow}"
    lines = [waits, until] if terms else [until]
    if turned:
        lines.insert(0, f"the pair is {base}/{quote}: this is to {order['side']} {base}")
    return lines

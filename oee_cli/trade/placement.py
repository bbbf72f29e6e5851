"""`oee buy` and `oee sell`: from arguments to an order's body, placed once however often it has to be sent.

What people type becomes exactly one HTTP body here; the daemon checks it again and decides.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Any

from oee_cli.api.http_client import Client, session
from oee_cli.errors import OutcomeUnknown, Terminated, UsageFault
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output
from oee_cli.text.amount_text import read_amount, read_slippage
from oee_cli.text.key_text import read_key
from oee_cli.text.time_text import read_duration, read_whole_seconds
from oee_daemon.contract.tokens import is_stable


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeRequest:
    """One order as it was typed."""

    side: str
    base: str
    quote: str
    #: Of the base; `None` where `other` is given.
    amount: str | None = None
    #: Of the quote: `--spend` when buying, `--receive` when selling.
    other: str | None = None
    slippage: str | None = None
    valid_for: str | None = None
    max_spend: str | None = None
    min_receive: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOptions:
    """How an order is placed and waited for."""

    key: str | None = None
    dry_run: bool = False
    timeout: str = "60"
    detach: bool = False
    events: bool = False


def place_order(request: TradeRequest, options: PlaceOptions, output: Output) -> ExitCode:
    """Places one order and follows it. Everything typed is checked before anything is started."""
    body = make_order_body(request)
    timeout = read_duration(options.timeout, "--timeout")
    key = read_key(options.key)
    with session(output) as client:
        if options.dry_run:
            return _dry_run(client, output, body, key)
        return _place_and_follow(client, output, body, key, options, timeout)


def make_order_body(request: TradeRequest) -> dict[str, Any]:
    """The HTTP body of what was typed. Raises `UsageFault`."""
    buys = request.side == "buy"
    option = "--spend" if buys else "--receive"
    if "/" in request.base:
        base, _, quote = request.base.partition("/")
        raise UsageFault(
            "A pair is written as two words.",
            hint=f"oee {request.side} {base or 'SOL'} {quote or 'USDC'} {request.quote}",
        )
    if (request.amount is None) == (request.other is None):
        what = "Both an amount and" if request.amount is not None else "Neither an amount nor"
        example = f"oee {request.side} {request.base} {request.quote}"
        counted = ((f"{example} 1.5", request.base), (f"{example} {option} 200", request.quote))
        room = max(len(typed) for typed, _ in counted)
        raise UsageFault(
            f"{what} {option} was given: it takes one of them.",
            hint="\n".join(f"{typed.ljust(room)}   counts {token}" for typed, token in counted),
        )
    if request.amount is not None:
        amount = read_amount(request.amount, "The amount")
    else:
        amount = read_amount(request.other or "", option)
    exact_out = buys == (request.amount is not None)
    body: dict[str, Any] = {
        "inputToken": request.quote if buys else request.base,
        "outputToken": request.base if buys else request.quote,
        "amount": amount,
        "swapMode": "ExactOut" if exact_out else "ExactIn",
    }
    if is_stable(request.base) == is_stable(request.quote):
        # The tokens leave it open which way it is.
        body["side"] = request.side
    return {**body, **_read_bounds(request, exact_out)}


def _read_bounds(request: TradeRequest, exact_out: bool) -> dict[str, Any]:
    """The body's optional fields. A bound on the amount that is fixed is refused: it would bind nothing."""
    fields: dict[str, Any] = {}
    if request.max_spend is not None:
        if not exact_out:
            raise UsageFault(
                "--max-spend says nothing here: what is spent is fixed.", hint="Use --min-receive instead."
            )
        fields["maxSpend"] = read_amount(request.max_spend, "--max-spend")
    if request.min_receive is not None:
        if exact_out:
            raise UsageFault(
                "--min-receive says nothing here: what is received is fixed.", hint="Use --max-spend instead."
            )
        fields["minReceive"] = read_amount(request.min_receive, "--min-receive")
    if request.slippage is not None:
        fields["slippageBps"] = read_slippage(request.slippage)
    if request.valid_for is not None:
        fields["validForS"] = read_whole_seconds(request.valid_for, "--valid-for")
    return fields


def _place_and_follow(
    client: Client,
    output: Output,
    body: dict[str, Any],
    given: str | None,
    options: PlaceOptions,
    timeout: float,
) -> ExitCode:
    key = given or str(uuid.uuid4())
    began = time.monotonic()
    drawn = output.live and not options.detach and not options.events
    try:
        if given is None and not drawn:
            # Before it is sent: even if this process is killed the key can be read.
            output.note(f"idempotency key {key}")
        order, replayed = client.execute(body, key, began + timeout)
    except (KeyboardInterrupt, Terminated):
        unknown = OutcomeUnknown(
            "Stopped before the daemon's answer came: the order may have been placed.",
            hint=f"The same command with --idempotency-key {key} finds it, or places it once.",
            retryable=True,
        )
        output.fail(unknown)
        raise
    if replayed:
        output.note(f"placed before with this key: order {order['orderId']}")
    if options.detach:
        output.answer(order, order["orderId"], bare=True)
        return ExitCode.DONE
    from oee_cli.api.follow_order import screen_for, watch_to_end

    note = f"key {key}" if given is None else None
    screen = screen_for(client, output, order, events=options.events, note=note)
    return watch_to_end(client, output, screen, timeout=timeout, began=began, events=options.events)


def _dry_run(client: Client, output: Output, body: dict[str, Any], key: str | None) -> ExitCode:
    answer = client.dry_run(body, key)
    quotes = answer["quotes"]
    routed = any(quote["error"] is None for quote in quotes)
    if output.json:
        output.emit(answer)
    else:
        from oee_cli.text.order_text_lines import draw_dry_run

        draw_dry_run(output, answer["order"], quotes, accepted=answer.get("objection") is None)
    objection = answer.get("objection")
    if objection is not None:
        output.sentence(
            "✗", f"would be refused: {objection['message']} Nothing was placed.", objection["hint"]
        )
        return ExitCode.REFUSED
    if not routed:
        output.sentence("✗", "would not be filled: no venue quotes it now. Nothing was placed.")
        return ExitCode.FAILED
    return ExitCode.DONE

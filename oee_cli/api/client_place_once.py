"""An order placed once, however often it has to be sent: by a key, which is made where none is given; or only
checked, with the quotes that it would have."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from oee_cli.api.client_http import Client
from oee_cli.cli_errors import OutcomeUnknown, Terminated
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output
from oee_daemon.contract.shapes import Order


def place_once(
    client: Client,
    output: Output,
    body: dict[str, Any],
    given: str | None,
    deadline: float,
    *,
    announce: bool,
) -> tuple[Order, str]:
    """The order and its key. `given`: the key that was typed; `announce`: another is said at once."""
    order, replayed, key = _once(
        output, lambda key: client.execute(body, key, deadline), given, announce=announce
    )
    if replayed:
        output.note(f"placed before with this key: order {order['orderId']}")
    return order, key


def place_group_once(
    client: Client, output: Output, bodies: list[dict[str, Any]], given: str | None, deadline: float
) -> dict[str, Any]:
    """Orders of which at most one is filled, as the daemon answers, placed by one key."""
    group, replayed, _ = _once(
        output, lambda key: client.execute_group(bodies, key, deadline), given, announce=True
    )
    if replayed:
        output.note(f"placed before with this key: group {group['groupId']}")
    found: dict[str, Any] = group
    return found


def _once(
    output: Output, place: Callable[[str], tuple[Any, bool]], given: str | None, *, announce: bool
) -> tuple[Any, bool, str]:
    """What was placed, whether it was before, and by which key."""
    key = given or str(uuid.uuid4())
    try:
        if given is None and announce:
            # Before it is sent: even if this process is killed the key can be read.
            output.note(f"idempotency key {key}")
        return *place(key), key
    except (KeyboardInterrupt, Terminated):
        unknown = OutcomeUnknown(
            "Stopped before the daemon's answer came: the order may have been placed.",
            hint=f"The same command with --idempotency-key {key} finds it, or places it once.",
            retryable=True,
        )
        output.fail(unknown)
        raise


#: What keeps an order that is accepted from being filled now.
_UNFILLED = frozenset({"impact_too_high", "no_route", "slippage_exceeded"})


def dry_run_exit(checked: Mapping[str, Any]) -> ExitCode:
    """How a dry run ends: whether the order would be refused, and whether it might be filled. What waits, for
    a price or for a token that is not traded yet, needs no quote now."""
    if (objection := checked.get("objection")) is not None:
        return ExitCode.FAILED if objection["code"] in _UNFILLED else ExitCode.REFUSED
    waits = checked["order"]["status"] == "waiting"
    routed = any(quote["error"] is None for quote in checked["quotes"])
    return ExitCode.DONE if waits or routed else ExitCode.FAILED


def dry_run_order(client: Client, output: Output, body: dict[str, Any], key: str | None) -> ExitCode:
    """Every check of the real path and the quotes; places nothing."""
    answer = client.dry_run(body, key)
    ended = dry_run_exit(answer)
    if output.json:
        output.emit(answer)
    else:
        from oee_cli.text.order_lines_text import draw_dry_run

        draw_dry_run(output, answer, accepted=ended is ExitCode.DONE)
    objection = answer.get("objection")
    if ended is ExitCode.REFUSED and objection is not None:
        output.sentence(
            "✗", f"would be refused: {objection['message']} Nothing was placed.", objection["hint"]
        )
    elif ended is ExitCode.FAILED:
        why = "no venue quotes it now." if objection is None else objection["message"]
        output.sentence("✗", f"would not be filled: {why} Nothing was placed.")
    return ended

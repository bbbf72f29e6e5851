"""`oee cancel`: one order, several, or all that have not ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oee_cli.api.client_http import Client, session
from oee_cli.api.client_order_lookup import find_order, group_of, note_ended, report_too_late, without_story
from oee_cli.cli_errors import Refused, UsageFault
from oee_cli.exit_codes import ExitCode
from oee_cli.orders.cancel_options import CancelFilter
from oee_cli.output import Output
from oee_cli.text.amount_text import counted
from oee_cli.text.left_wallet_text import left_wallet
from oee_cli.text.order_text import short_id
from oee_daemon.contract.protocol import MAX_PAGE
from oee_daemon.contract.status import MAY_CANCEL

#: Orders up to which `--all` on a terminal does not ask.
_FEW = 10
#: Ids of orders that may be on the chain that a sentence names.
_NAMED = 5


def cancel_orders(identifiers: Sequence[str], chosen: CancelFilter, output: Output) -> ExitCode:
    """Stops the named orders."""
    if not identifiers:
        narrowed = "".join(f" --{option} {value}" for option, value in chosen.params().items())
        raise UsageFault(
            "ID is missing: which order?",
            hint=f"oee cancel last\nEvery one{' of these' if narrowed else ''}: oee cancel --all{narrowed}",
            code="missing_field",
        )
    if chosen.params():
        option = next(iter(chosen.params()))
        raise UsageFault(f"--{option} narrows --all, not orders that are named.", hint="Leave it out.")
    with session(output) as client:
        if len(identifiers) == 1:
            return _cancel_one(client, identifiers[0], output)
        ids = list(dict.fromkeys(find_order(client, identifier)["orderId"] for identifier in identifiers))
        return _cancel_many(client, {"orderIds": ids}, output)


def cancel_all(identifiers: Sequence[str], chosen: CancelFilter, output: Output, *, yes: bool) -> ExitCode:
    """Stops all that has not ended. Asks above a few where somebody can answer; elsewhere it needs `yes`."""
    if identifiers:
        raise UsageFault(
            "Both --all and an ID were given: it takes one of them.", hint="Leave one of them out."
        )
    if not yes and not output.can_ask:
        raise UsageFault("--all stops every order: nobody can be asked here.", hint="Add --yes")
    with session(output) as client:
        # A daemon that is frozen carries it out once it thaws, and so does a second request for the rest:
        # what is placed from now on is not meant.
        newest = _newest(client)
        if not yes:
            status = ",".join(sorted(MAY_CANCEL))
            found = client.get("/api/orders", {"status": status, "limit": MAX_PAGE, **chosen.params()})[
                "orders"
            ]
            if len(found) > _FEW and not _ask_person(output, len(found)):
                output.sentence("✗", "nothing was cancelled.")
                return ExitCode.STOPPED
        return _cancel_many(client, {"all": True, **chosen.params()}, output, newest)


def cancel_group(
    identifiers: Sequence[str], group: str, chosen: CancelFilter, output: Output, *, every: bool
) -> ExitCode:
    """Stops all orders of a group, named by its id or that of one of them."""
    if identifiers or every or chosen.params():
        raise UsageFault("--group says which orders by itself.", hint="Leave the rest out.")
    with session(output) as client:
        newest = _newest(client)
        return _cancel_many(client, {"group": group_of(client, group)}, output, newest)


def _newest(client: Client) -> str | None:
    """The id of the newest order, where there is one."""
    orders = client.get("/api/orders", {"limit": 1})["orders"]
    return str(orders[0]["orderId"]) if orders else None


def _ask_person(output: Output, number: int) -> bool:
    many = f"{number:,} orders or more" if number >= MAX_PAGE else f"{number:,} orders"
    return output.ask(f"Cancel {many}? Type yes, or Enter to leave them.").lower() in ("y", "yes")


def _cancel_one(client: Client, identifier: str, output: Output) -> ExitCode:
    order = find_order(client, identifier)
    try:
        order = {**order, **client.read("POST", f"/api/orders/{order['orderId']}/cancel")}
    except Refused as e:
        order = e.order or client.order(order["orderId"])
        # A repeat of ours after a lost answer finds it cancelled: that is what was asked for.
        if order["status"] != "cancelled":
            return report_too_late(output, e, order)
    left = left_wallet(order).removesuffix(".").replace("Nothing", "nothing", 1)
    output.answer(without_story(order), f"✓ cancelled {short_id(order)}: {left}")
    return ExitCode.DONE


def _cancel_many(
    client: Client, asked: dict[str, Any], output: Output, newest: str | None = None
) -> ExitCode:
    """Asks until nothing is left to be stopped. `newest`: the last order that is meant."""
    cancelled = 0
    if newest is not None:
        asked = asked | {"upTo": newest}
    while True:
        answer = client.read("POST", "/api/orders/cancel", json=asked)
        cancelled += answer["cancelled"]
        if not answer["unsent"]:
            break
        output.note(f"{cancelled:,} cancelled so far, {answer['unsent']:,} or more to come")
    note_ended(client)
    total = {"cancelled": cancelled, "submitted": answer["submitted"], "final": answer["final"]}
    if "orderIds" in asked:
        total["final"] = max(0, len(asked["orderIds"]) - cancelled - len(answer["submitted"]))
    output.answer(total, f"✓ cancelled {counted(cancelled, 'order')}")
    if total["final"]:
        output.note(f"{total['final']:,} had ended before: oee history")
    sent = answer["submitted"]
    if not sent:
        return ExitCode.DONE
    names = ", ".join(order_id[:8] for order_id in sent[:_NAMED])
    more = f" and {len(sent) - _NAMED:,} more" if len(sent) > _NAMED else ""
    output.sentence(
        "✗",
        f"{len(sent):,} may be on the chain and can't be cancelled any more: {names}{more}.",
        f"Follow it: oee watch {sent[0][:8]}",
    )
    return ExitCode.REFUSED

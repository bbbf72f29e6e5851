"""The columns that a listing can show: those that `--columns` takes, by name, and their exact values.

A table shortens what it shows (`lists.list_tables` says how); the values here are what CSV holds, exact and
for programs. The names of the API's fields stand beside a few that people ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from oee_cli.cli_errors import UsageFault
from oee_cli.text.condition_text import seconds_executed
from oee_cli.text.nearest_word_text import nearest
from oee_daemon.contract.fields import BY_NAME

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ListColumn:
    """One column: what it says, and how its value comes out of a row; `None` where there is none."""

    says: str
    value: Callable[[Row], Any]


def _field_column(name: str, says: str = "") -> ListColumn:
    return ListColumn(says or BY_NAME[name].says, lambda row: row.get(name))


def _error_column(part: str, says: str) -> ListColumn:
    return ListColumn(says, lambda row: (row.get("error") or {}).get(part))


def _moved_amount(order: Row) -> Any:
    """The amount that the market made: the other one than was asked for."""
    return order["filledIn"] if order["swapMode"] == "ExactOut" else order["filledOut"]


def _seconds_taken(order: Row) -> str | None:
    took = seconds_executed(order)
    return None if took is None else f"{took:.3f}"


def _order_note(order: Row) -> str | None:
    if order["error"] is not None and order["status"] == "failed":
        return str(order["error"]["code"])
    return f"{order['attempt']} attempts" if order["attempt"] > 1 else None


#: For people; in a table they are short.
_ORDERS_SHORT = {
    "order": _field_column("orderId", "the id; its first 8 characters in a table"),
    "when": _field_column("createdAt", "when it was placed; how long ago in a table"),
    "side": _field_column("side"),
    "pair": _field_column("pair"),
    "amount": _field_column("amount"),
    "for": ListColumn("what was paid or received for it", _moved_amount),
    "price": _field_column("price"),
    "venue": _field_column("venue"),
    "status": _field_column("status"),
    "took": ListColumn("seconds from placed, or its condition met, to its end", _seconds_taken),
    "note": ListColumn("why it failed, or how many attempts it took", _order_note),
}
#: In the order of the CSV, in which what an order has besides comes last.
_FIRST = (
    "orderId", "createdAt", "finishedAt", "status", "type", "side", "pair", "inputToken", "outputToken",
    "amount", "swapMode", "slippageBps", "minReceive", "maxSpend", "filledIn", "filledOut", "price", "fee",
    "venue", "attempt", "signature", "error", "idempotencyKey", "network",
)  # fmt: skip
#: Asked for too rarely to stand in every CSV.
_RARE = (
    "updatedAt", "validForS", "targetPrice", "limitPrice", "trailBps", "confirmMs", "launchTime", "expiresAt",
    "firedAt", "firings", "groupId",
)  # fmt: skip
_PARTS = {
    "errorCode": _error_column("code", "why it failed, for programs"),
    "errorMessage": _error_column("message", "why it failed, for people"),
}


def _exact_columns(names: Iterable[str]) -> dict[str, ListColumn]:
    """As the API has them; an error in its parts."""
    found: dict[str, ListColumn] = {}
    for name in names:
        found |= _PARTS if name == "error" else {name: _field_column(name)}
    return found


_ORDERS_EXACT = _exact_columns(name for name in dict.fromkeys([*_FIRST, *BY_NAME]) if name not in _RARE)
_FILLS_SHORT = {
    "order": _field_column("orderId", "the order's id; its first 8 characters in a table"),
    "when": _field_column("at", "when it landed; how long ago in a table"),
    "paid": _field_column("amountIn", "what left the wallet"),
    "received": _field_column("amountOut", "what arrived"),
    "slot": _field_column("slot", "the chain's slot"),
    "signature": _field_column("signature", "of the swap"),
}
_FILLS_EXACT = {
    name: _field_column(name, says)
    for name, says in (
        ("signature", "of the swap"),
        ("orderId", "the order's whole id"),
        ("inputToken", "what left the wallet"),
        ("outputToken", "what arrived"),
        ("amountIn", "how much left"),
        ("amountOut", "how much arrived"),
        ("slot", "the chain's slot"),
        ("at", "when it landed"),
    )
}


@dataclass(frozen=True, slots=True)
class Listing:
    """The columns of one listing: those of its table and of its CSV unless others are named.

    `path`, `member`: where the API has its rows.
    """

    command: str
    path: str
    member: str
    known: Mapping[str, ListColumn]
    table: tuple[str, ...]
    csv: tuple[str, ...]


ORDERS = Listing(
    "oee history",
    "/api/orders",
    "orders",
    _ORDERS_SHORT | _ORDERS_EXACT | _exact_columns(_RARE),
    tuple(_ORDERS_SHORT),
    tuple(_ORDERS_EXACT),
)
FILLS = Listing(
    "oee fills", "/api/fills", "fills", _FILLS_SHORT | _FILLS_EXACT, tuple(_FILLS_SHORT), tuple(_FILLS_EXACT)
)


def named_columns(text: str, fields: Listing) -> tuple[str, ...]:
    """The columns that `--columns` names, in its order. Raises `UsageFault`, naming those there are."""
    by_key = {_column_key(name): name for name in fields.known}
    found: list[str] = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        name = by_key.get(_column_key(word))
        if name is None:
            near = nearest(_column_key(word), by_key)
            guess = f" Did you mean {by_key[near]}?" if near else ""
            raise UsageFault(
                f"--columns can't have {word[:40]!r}.{guess}",
                hint=f"It takes {', '.join(fields.known)}.\nWhat they are: {fields.command} --columns help",
            )
        if name in found:
            raise UsageFault(f"--columns names {name} twice.", hint="Name each column once.")
        found.append(name)
    if not found:
        raise UsageFault("--columns is empty.", hint=f"For example --columns {','.join(fields.table[:3])}")
    return tuple(found)


def _column_key(name: str) -> str:
    """`orderId`, `order-id`, `ORDER_ID` are the same."""
    return name.lower().replace("_", "").replace("-", "")


def column_help(fields: Listing) -> str:
    """Every column with what it says, for `--columns help`."""
    room = max(map(len, fields.known))
    lines = [f"  {name:<{room}}  {field.says}" for name, field in fields.known.items()]
    return "\n".join(["Columns of a table and of --csv:", *lines])

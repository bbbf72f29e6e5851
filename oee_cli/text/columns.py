"""What a listing can show: the columns that `--columns` takes, by name, and their exact values.

A table shortens what it shows (`lists.view` says how); the values here are what CSV holds, exact and for
programs. The names of the API's fields stand beside a few that people ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from oee_cli.errors import UsageFault
from oee_cli.text.nearest import nearest
from oee_cli.text.times import between

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ListColumn:
    """One column: what it says, and how its value comes out of a row; `None` where there is none."""

    says: str
    value: Callable[[Row], Any]


def _field(name: str, says: str) -> ListColumn:
    return ListColumn(says, lambda row: row.get(name))


def _error(part: str, says: str) -> ListColumn:
    return ListColumn(says, lambda row: (row.get("error") or {}).get(part))


def market_amount(order: Row) -> Any:
    """The amount that the market made: the other one than was asked for."""
    return order["filledIn"] if order["swapMode"] == "ExactOut" else order["filledOut"]


def _took(order: Row) -> str | None:
    ended = order["finishedAt"]
    return None if ended is None else f"{between(order['createdAt'], ended):.3f}"


def _note(order: Row) -> str | None:
    if order["error"] is not None and order["status"] == "failed":
        return str(order["error"]["code"])
    return f"{order['attempt']} attempts" if order["attempt"] > 1 else None


#: For people; in a table they are short.
_ORDERS_SHORT = {
    "order": _field("orderId", "the id; its first 8 characters in a table"),
    "when": _field("createdAt", "when it was placed; how long ago in a table"),
    "side": _field("side", "buy or sell"),
    "pair": _field("pair", "BASE/QUOTE"),
    "amount": _field("amount", "what was asked for"),
    "for": ListColumn("what was paid or received for it", market_amount),
    "price": _field("price", "quote per base, net of everything"),
    "venue": _field("venue", "where it was filled"),
    "status": _field("status", "pending, routing, building, submitted, or how it ended"),
    "took": ListColumn("seconds from placing to its end", _took),
    "note": ListColumn("why it failed, or how many attempts it took", _note),
}
#: As the API has them, in the order of the CSV.
_ORDERS_EXACT = {
    "orderId": _field("orderId", "the whole id"),
    "createdAt": _field("createdAt", "when it was placed"),
    "finishedAt": _field("finishedAt", "when it ended"),
    "status": _ORDERS_SHORT["status"],
    "type": _field("type", "market"),
    "side": _ORDERS_SHORT["side"],
    "pair": _ORDERS_SHORT["pair"],
    "inputToken": _field("inputToken", "what leaves the wallet"),
    "outputToken": _field("outputToken", "what arrives"),
    "amount": _ORDERS_SHORT["amount"],
    "swapMode": _field("swapMode", "ExactIn or ExactOut: which token the amount counts"),
    "slippageBps": _field("slippageBps", "how much worse than the first quote it may be"),
    "minReceive": _field("minReceive", "the least to receive"),
    "maxSpend": _field("maxSpend", "the most to spend"),
    "filledIn": _field("filledIn", "what left the wallet"),
    "filledOut": _field("filledOut", "what arrived"),
    "price": _ORDERS_SHORT["price"],
    "fee": _field("fee", "the venue's part of what left"),
    "venue": _ORDERS_SHORT["venue"],
    "attempt": _field("attempt", "which attempt it ended in, or is in"),
    "signature": _field("signature", "of the swap that was sent last"),
    "errorCode": _error("code", "why it failed, for programs"),
    "errorMessage": _error("message", "why it failed, for people"),
    "idempotencyKey": _field("idempotencyKey", "the key that it was placed with"),
    "network": _field("network", "where it was traded"),
}
_FILLS_SHORT = {
    "order": _field("orderId", "the order's id; its first 8 characters in a table"),
    "when": _field("at", "when it landed; how long ago in a table"),
    "paid": _field("amountIn", "what left the wallet"),
    "received": _field("amountOut", "what arrived"),
    "slot": _field("slot", "the chain's slot"),
    "signature": _field("signature", "of the swap"),
}
_FILLS_EXACT = {
    name: _field(name, says)
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


#: `updatedAt` and `validForS` are asked for too rarely to stand in every CSV.
ORDERS = Listing(
    "oee history",
    "/api/orders",
    "orders",
    _ORDERS_SHORT
    | _ORDERS_EXACT
    | {
        "updatedAt": _field("updatedAt", "when it last moved"),
        "validForS": _field("validForS", "seconds after which it expires unsent"),
    },
    tuple(_ORDERS_SHORT),
    tuple(_ORDERS_EXACT),
)
FILLS = Listing(
    "oee fills",
    "/api/fills",
    "fills",
    _FILLS_SHORT | _FILLS_EXACT,
    tuple(_FILLS_SHORT),
    tuple(_FILLS_EXACT),
)


def choose(text: str, fields: Listing) -> tuple[str, ...]:
    """The columns that `--columns` names, in its order. Raises `UsageFault`, naming those there are."""
    by_key = {_key(name): name for name in fields.known}
    found: list[str] = []
    for word in filter(None, (part.strip() for part in text.split(","))):
        name = by_key.get(_key(word))
        if name is None:
            near = nearest(_key(word), by_key)
            guess = f" Did you mean {by_key[near]}?" if near else ""
            raise UsageFault(
                f"--columns can't have {word[:40]!r}.{guess}",
                hint=f"{_names(fields)}\nWhat they are: {fields.command} --columns help",
            )
        if name in found:
            raise UsageFault(f"--columns names {name} twice.", hint="Name each column once.")
        found.append(name)
    if not found:
        raise UsageFault("--columns is empty.", hint=f"For example --columns {','.join(fields.table[:3])}")
    return tuple(found)


def _names(fields: Listing) -> str:
    """Folded, as a hint is shown as it stands."""
    import textwrap

    return "\n".join(textwrap.wrap(f"It takes {', '.join(fields.known)}.", 58))


def _key(name: str) -> str:
    """`orderId`, `order-id`, `ORDER_ID` are the same."""
    return name.lower().replace("_", "").replace("-", "")


def table_of(fields: Listing) -> str:
    """Every column with what it says, for `--columns help`."""
    room = max(map(len, fields.known))
    lines = [f"  {name:<{room}}  {field.says}" for name, field in fields.known.items()]
    return "\n".join(["Columns of a table and of --csv:", *lines])

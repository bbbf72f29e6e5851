"""`oee waiting`: what waits, nearest first, as a table, as CSV or as one array."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oee_cli.api.client_http import Client, session
from oee_cli.options import check_format
from oee_cli.output import Output
from oee_cli.text.csv_text import write_csv
from oee_cli.waiting.waiting_table import draw_waiting
from oee_daemon.contract.protocol import MAX_PAGE

#: The columns of `--csv`, as the API has them; those with a point lie in `market`.
_CSV = (
    "orderId", "type", "side", "pair", "amount", "swapMode", "targetPrice", "limitPrice", "trailBps",
    "launchTime", "tokenAddress", "minLiquidity",
    "expiresAt", "groupId", "market.price", "market.awayBps", "market.at", "market.stale",
    "createdAt", "network",
)  # fmt: skip


def list_waiting(asked: Mapping[str, Any], limit: int | None, output: Output, *, as_csv: bool) -> None:
    """The `limit` orders nearest to their price, all of them where it is null; `asked`: what to ask for, null
    where nothing was said."""
    check_format(as_csv, output.json)
    params = {name: value for name, value in asked.items() if value is not None}
    with session(output) as client:
        orders = _nearest(client, params | {"status": "waiting"}, limit)
        told = as_csv or output.json
        feeds = {} if told else client.get("/api/feeds") | client.get("/api/halt")
    if as_csv:
        write_csv(_CSV, ([_csv_value(order, name) for name in _CSV] for order in orders))
    elif output.json:
        output.emit(orders)
    elif orders:
        draw_waiting(output, orders, feeds)
    else:
        place = "\n  place one: oee limit buy SOL USDC 1.5 --at -2%" if not params else ""
        output.note(f"no order waits{place}")


def _nearest(client: Client, params: Mapping[str, Any], limit: int | None) -> list[dict[str, Any]]:
    """The nearest first. The daemon sorts one page; what is beyond comes by age and is sorted here."""
    page = MAX_PAGE if limit is None else min(limit, MAX_PAGE)
    orders: list[dict[str, Any]] = client.get("/api/orders", {**params, "sort": "away", "limit": page})[
        "orders"
    ]
    # How many came tells nothing of how many there are: one that has just fired is missing from its page.
    if limit is not None and limit <= MAX_PAGE:
        return orders
    seen, beyond, cursor = {order["orderId"] for order in orders}, [], None
    while True:
        found = client.get(
            "/api/orders", {**params, "limit": MAX_PAGE} | ({"cursor": cursor} if cursor else {})
        )
        beyond += [order for order in found["orders"] if order["orderId"] not in seen]
        cursor = found["nextCursor"]
        if cursor is None:
            return [*orders, *sorted(beyond, key=_distance)][:limit]


def _distance(order: Mapping[str, Any]) -> tuple[bool, int]:
    """How far its price is away; last are those whose price nobody sees."""
    away = (order["market"] or {}).get("awayBps")
    return away is None, away or 0


def _csv_value(order: Mapping[str, Any], name: str) -> Any:
    first, _, second = name.partition(".")
    value = (order.get(first) or {}).get(second) if second else order.get(first)
    return str(value).lower() if isinstance(value, bool) else value

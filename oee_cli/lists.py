"""`oee history` and `oee fills`: pages of rows, as a table, as CSV, or as one array of JSON.

Rows are printed as their page arrives, so that any number of them takes the same memory; only the table,
which has to know its widths, holds what it shows.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from oee_cli.client import Client
from oee_cli.errors import UsageFault
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output, clean
from oee_cli.settings import load
from oee_cli.times import read_since
from oee_cli.wire import PAGE

_ORDER_COLUMNS = (
    "orderId", "createdAt", "finishedAt", "status", "type", "side", "pair", "inputToken", "outputToken",
    "amount", "swapMode", "slippageBps", "minReceive", "maxSpend", "filledIn", "filledOut", "price", "fee",
    "venue", "attempt", "signature", "errorCode", "errorMessage", "idempotencyKey", "network",
)  # fmt: skip
_FILL_COLUMNS = ("signature", "orderId", "inputToken", "outputToken", "amountIn", "amountOut", "slot", "at")


def history(
    *,
    status: str | None,
    pair: str | None,
    side: str | None,
    since: str | None,
    limit: int,
    as_csv: bool,
    output: Output,
) -> ExitCode:
    """Past orders, newest first."""
    params = {
        "status": status,
        "pair": pair,
        "side": side,
        "since": read_since(since) if since is not None else None,
    }
    asked = {name: value for name, value in params.items() if value is not None}
    client = _client(output, as_csv)
    try:
        client.ready()
        rows = _pages(client, "/api/orders", "orders", asked, limit)
        if as_csv:
            _csv(_ORDER_COLUMNS, (_flat(order) for order in rows))
        elif output.json:
            _array(rows)
        else:
            _draw_history(output, list(rows), bool(asked))
    finally:
        client.close()
    return ExitCode.DONE


def fills(*, order: str | None, limit: int, as_csv: bool, output: Output) -> ExitCode:
    """What the chain says has landed, newest first."""
    client = _client(output, as_csv)
    try:
        client.ready()
        params = {}
        if order is not None:
            from oee_cli.orders import find

            params["orderId"] = find(client, order)["orderId"]
        rows = _pages(client, "/api/fills", "fills", params, limit)
        if as_csv:
            _csv(_FILL_COLUMNS, rows)
        elif output.json:
            _array(rows)
        else:
            _draw_fills(output, list(rows))
    finally:
        client.close()
    return ExitCode.DONE


def _client(output: Output, as_csv: bool) -> Client:
    if as_csv and output.json:
        raise UsageFault(
            "Both --csv and --json were given: it takes one of them.", hint="Leave one of them out."
        )
    return Client(load(), output)


def _pages(
    client: Client, path: str, member: str, params: Mapping[str, Any], limit: int
) -> Iterator[dict[str, Any]]:
    cursor: str | None = None
    while limit > 0:
        page = client.get(
            path, {**params, "limit": min(limit, PAGE), **({"cursor": cursor} if cursor else {})}
        )
        yield from page[member]
        limit -= len(page[member])
        cursor = page.get("nextCursor")
        if not cursor or not page[member]:
            return


def _array(rows: Iterable[Mapping[str, Any]]) -> None:
    """One array, an element a line, without ever holding it."""
    before = "["
    for row in rows:
        sys.stdout.write(before + json.dumps(row, separators=(",", ":")))
        before = ",\n"
    sys.stdout.write(("[" if before == "[" else "") + "]\n")
    sys.stdout.flush()


def _csv(columns: tuple[str, ...], rows: Iterable[Mapping[str, Any]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow("" if row.get(c) is None else clean(str(row[c])) for c in columns)
    sys.stdout.flush()


def _flat(order: Mapping[str, Any]) -> dict[str, Any]:
    error = order.get("error") or {}
    return {**order, "errorCode": error.get("code"), "errorMessage": error.get("message")}


def _draw_history(output: Output, orders: list[Any], filtered: bool) -> None:
    if not orders:
        output.note("no order like that" if filtered else "no orders yet\n  place one: oee buy SOL USDC 1.5")
        return
    from oee_cli.views.history import draw_orders

    draw_orders(output, orders)


def _draw_fills(output: Output, found: list[Any]) -> None:
    if not found:
        output.note("nothing has landed yet")
        return
    from oee_cli.views.history import draw_fills

    draw_fills(output, found)

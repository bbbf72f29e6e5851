"""Orders and fills as aligned rows, newest first, a page at a time.

How each column of `fields` looks in a table; which there are, and their exact values, stands there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from oee_cli.output import Output, clean
from oee_cli.text.amount_text import exact_amount, short_amount, short_signature
from oee_cli.text.column_text import FILLS, ORDERS, ListColumn
from oee_cli.text.condition_text import condition_text, seconds_executed
from oee_cli.text.layout_text import (
    Cell,
    Column,
    Sheet,
    choose_columns,
    column_widths,
    side_cell,
    status_cell,
)
from oee_cli.text.order_text import asked_amount, market_amount, pair_column_text, token_text
from oee_cli.text.time_text import ago_text, stamp_text

Row = Mapping[str, Any]
Draw = Callable[[Row], Cell]

_NOTHING = Cell("–", "dim")
#: From this width on a fill's signature is shown whole, cells.
_WIDE = 160


def order_lines(
    output: Output, pages: Iterable[Sequence[Row]], names: Sequence[str] | None = None
) -> Iterator[str]:
    """The table's lines. `names`: the columns that were asked for, which are all shown whatever the width."""
    width = output.width(sys.stdout)
    if names is not None:
        yield from _table_lines(
            output, pages, [_column_by_name(_ORDERS, ORDERS.known, name) for name in names]
        )
        return
    drawn = [_ORDERS[name] for name in ORDERS.table]
    sheet, fold = _list_sheet(output, [column for column, _ in drawn]), None
    for page in pages:
        if fold is None:
            fold = _choose_fold(page, drawn, width)
        yield from sheet.page([fold(row, [draw(row) for _, draw in drawn]) for row in page])


def fill_lines(
    output: Output, pages: Iterable[Sequence[Row]], names: Sequence[str] | None = None
) -> Iterator[str]:
    if names is not None:
        return _table_lines(output, pages, [_column_by_name(_FILLS, FILLS.known, name) for name in names])
    drawn = dict(_FILLS)
    if output.width(sys.stdout) >= _WIDE:
        drawn["signature"] = (_FILLS["signature"][0], _plain_column(FILLS.known["signature"], "dim"))
    return _table_lines(output, pages, [drawn[name] for name in FILLS.table])


def _table_lines(
    output: Output, pages: Iterable[Sequence[Row]], drawn: Sequence[tuple[Column, Draw]]
) -> Iterator[str]:
    sheet = _list_sheet(output, [column for column, _ in drawn])
    for page in pages:
        yield from sheet.page([[draw(row) for _, draw in drawn] for row in page])


def _list_sheet(output: Output, columns: Sequence[Column]) -> Sheet:
    return Sheet(columns, output.width(sys.stdout), colors=output.color(sys.stdout))


def _column_by_name(
    known: Mapping[str, tuple[Column, Draw]], fields: Mapping[str, ListColumn], name: str
) -> Any:
    """A column that was asked for by name: it says its name and is never left out."""
    column, draw = known.get(name) or (Column(), _plain_column(fields[name]))
    if name in _WHOLE:
        draw = _plain_column(fields[name])
    return Column(name, right=column.right), draw


def _plain_column(field: ListColumn, style: str = "") -> Draw:
    def draw(row: Row) -> Cell:
        value = field.value(row)
        return _NOTHING if value is None else Cell(clean(str(value)), style)

    return draw


def _when_column(name: str) -> Draw:
    return lambda row: Cell(ago_text(row[name]), "dim")


def _moment_column(name: str) -> Draw:
    return lambda row: Cell(stamp_text(row[name])) if row[name] else _NOTHING


def _amount_column(name: str, token: str) -> Draw:
    """Draws an amount with its token; neither stands alone."""
    return lambda row: Cell(f"{exact_amount(row[name])} {token_text(row[token])}") if row[name] else _NOTHING


def _id_cell(row: Row) -> Cell:
    # The chain knows of swaps that no order of ours is behind.
    return Cell(clean(row["orderId"])[:8]) if row["orderId"] else _NOTHING


def _price_cell(order: Row) -> Cell:
    """The price of its fill; of what waits the price that it waits for."""
    if order["price"]:
        return Cell(short_amount(order["price"]))
    condition = condition_text(order) if order["status"] == "waiting" else ""
    return Cell(condition) if condition else _NOTHING


def _venue_cell(order: Row) -> Cell:
    return Cell(clean(order["venue"])) if order["venue"] and market_amount(order) else _NOTHING


def _took_cell(order: Row) -> Cell:
    took = seconds_executed(order)
    return _NOTHING if took is None else Cell(f"{took:,.1f} s", "dim")


def _note_cell(order: Row) -> Cell:
    """What the row alone does not say: why it failed, or that it took more than one attempt."""
    return Cell(clean(ORDERS.known["note"].value(order) or ""), "dim")


_ORDERS: Mapping[str, tuple[Column, Draw]] = {
    "order": (Column("order"), _id_cell),
    "when": (Column("when", rank=4), _when_column("createdAt")),
    "side": (Column("side", rank=1), lambda row: side_cell(row["side"])),
    "pair": (Column("pair", rank=5), lambda row: Cell(pair_column_text(row["pair"]))),
    "amount": (Column("amount", right=True), lambda row: Cell(asked_amount(row))),
    "for": (
        Column("for", rank=1, right=True),
        lambda row: Cell(market_amount(row)) if market_amount(row) else _NOTHING,
    ),
    "price": (
        Column("price", rank=7, right=True),
        _price_cell,
    ),
    "venue": (Column("venue", rank=6), _venue_cell),
    "status": (Column("status"), lambda row: status_cell(row["status"])),
    "took": (Column("took", rank=8, right=True), _took_cell),
    "note": (Column("", rank=3), _note_cell),
    "createdAt": (Column(), _moment_column("createdAt")),
    "updatedAt": (Column(), _moment_column("updatedAt")),
    "finishedAt": (Column(), _moment_column("finishedAt")),
    "minReceive": (Column(right=True), _amount_column("minReceive", "outputToken")),
    "maxSpend": (Column(right=True), _amount_column("maxSpend", "inputToken")),
    "filledIn": (Column(right=True), _amount_column("filledIn", "inputToken")),
    "filledOut": (Column(right=True), _amount_column("filledOut", "outputToken")),
    "fee": (Column(right=True), _amount_column("fee", "inputToken")),
    "slippageBps": (Column(right=True), lambda row: Cell(f"{row['slippageBps']} bps")),
    "validForS": (Column(right=True), lambda row: Cell(f"{row['validForS']} s")),
    "attempt": (Column(right=True), _plain_column(ORDERS.known["attempt"])),
}
_FILLS: Mapping[str, tuple[Column, Draw]] = {
    "order": (Column("order"), _id_cell),
    "when": (Column("when", rank=4), _when_column("at")),
    "paid": (Column("paid", right=True), _amount_column("amountIn", "inputToken")),
    "received": (Column("received", right=True), _amount_column("amountOut", "outputToken")),
    "slot": (Column("slot", rank=3, right=True), lambda row: Cell(f"{int(row['slot']):,}", "dim")),
    "signature": (
        Column("signature", rank=2),
        lambda row: Cell(short_signature(clean(row["signature"])), "dim"),
    ),
    "amountIn": (Column(right=True), _amount_column("amountIn", "inputToken")),
    "amountOut": (Column(right=True), _amount_column("amountOut", "outputToken")),
    "at": (Column(), _moment_column("at")),
}
#: Shown whole where they are asked for by name.
_WHOLE = ("signature",)

Fold = Callable[[Row, list[Cell]], list[Cell]]
_INDEX = {name: place for place, name in enumerate(ORDERS.table)}


def _choose_fold(page: Sequence[Row], drawn: Sequence[tuple[Column, Draw]], width: int) -> Fold:
    """How remarks are folded into other columns where they have no room of their own."""
    columns = [column for column, _ in drawn]
    rows = [(row, [draw(row) for _, draw in drawn]) for row in page]
    for fold in (_fold_nothing, _fold_reasons, _fold_attempts):
        told = [fold(row, cells) for row, cells in rows]
        left, _, fits = choose_columns(columns, column_widths(columns, told), width)
        remarks = any(cells[_INDEX["note"]].text for cells in told)
        if fits and _INDEX["for"] in left and (not remarks or _INDEX["note"] in left):
            return fold
    return _fold_nothing


def _fold_nothing(order: Row, cells: list[Cell]) -> list[Cell]:
    return cells


def _fold_reasons(order: Row, cells: list[Cell]) -> list[Cell]:
    """Puts the error where the amount would be, and the attempts beside the status."""
    cells = _fold_attempts(order, cells)
    error = order["error"]
    if error is not None and order["status"] == "failed":
        cells[_INDEX["for"]] = Cell(clean(error["code"]), "dim")
    return cells


def _fold_attempts(order: Row, cells: list[Cell]) -> list[Cell]:
    cells = list(cells)
    cells[_INDEX["note"]] = Cell("")
    if order["attempt"] > 1:
        told = cells[_INDEX["status"]]
        cells[_INDEX["status"]] = Cell(f"{told.text} ×{order['attempt']}", told.style)
    return cells

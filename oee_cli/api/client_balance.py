"""`oee balance`, and `oee wallet balance`: the wallet by token, and what of it has a price."""

from __future__ import annotations

import sys
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from oee_cli.api.client_http import session
from oee_cli.output import Output, clean
from oee_cli.text.amount_text import exact_amount
from oee_cli.text.layout_text import Cell, Column, Line, fold_sentence, lay_table, put_lines

_COLUMNS = (
    Column("token"),
    Column("amount", right=True),
    Column("price, USD", rank=2, right=True),
    Column("worth, USD", rank=1, right=True),
    Column("", rank=3),
    Column("mint", rank=4),
)


def show_balance(tokens: list[str], output: Output) -> None:
    """What is worth most comes first; what has no price comes last, and says so."""
    with session(output) as client:
        found = client.get("/api/balances", {"tokens": ",".join(tokens)} if tokens else None)
    if output.json:
        output.emit(found)
        return
    width = output.width(sys.stdout)
    title = [Cell("wallet  ", "dim"), Cell(clean(found["wallet"]))]
    rows = found["balances"]
    if not tokens:
        rows = sorted(rows, key=lambda row: (row["usdValue"] is None, -Decimal(row["usdValue"] or 0)))
    lines = [title, *lay_table(_COLUMNS, [_row(row) for row in rows], width, titles=True)]
    lines += fold_sentence(_total(found), width, indent="")
    put_lines(output, lines)


def _row(row: dict[str, Any]) -> Line:
    said = ["wrapped"] if row["wrapped"] else []
    if Decimal(row["frozen"]):
        said.append(f"{exact_amount(row['frozen'])} frozen")
    named = row["symbol"] != row["mint"]
    return [
        Cell(clean(row["symbol"]) if named else clean(row["mint"][:8]) + "…"),
        Cell(exact_amount(row["amount"])),
        _usd(row["usdPrice"], cents=False),
        _usd(row["usdValue"], cents=True),
        Cell(", ".join(said), "dim"),
        Cell(clean(row["mint"]), "dim"),
    ]


def _usd(text: str | None, *, cents: bool) -> Cell:
    if text is None:
        return Cell("not known", "dim")
    return Cell(_cents(text) if cents else exact_amount(f"{Decimal(text):.6g}"))


def _cents(text: str) -> str:
    return f"{Decimal(text).quantize(Decimal('0.01'), ROUND_HALF_EVEN):,f}"


def _total(found: dict[str, Any]) -> str:
    left_out = len(found["unpriced"])
    if found["totalUsd"] is None:
        return "what it is worth is not known: no price is" if left_out else "nothing"
    text = f"worth {_cents(found['totalUsd'])} USD"
    missing = f", without {left_out} token{'s' * (left_out > 1)} whose price is not known"
    return text + missing if left_out else text

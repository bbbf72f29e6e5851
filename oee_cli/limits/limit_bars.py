"""Draws the limits: a line each, with a bar where a limit is used up."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from oee_cli.api.client_http import session
from oee_cli.output import Output, clean
from oee_cli.text.layout_text import Cell, Column, lay_table, put_lines
from oee_cli.text.time_text import minute_text

#: Cells of a bar, and columns below which there is none.
_WIDTH, _NARROW = 20, 70
#: Columns of the names, with what lies between them and the bar, and after it.
_BEFORE = 17
_CENT = Decimal("0.01")
#: The part of a limit from which on its bar is red.
_NEARLY = Decimal("0.9")


def show_limits(output: Output) -> None:
    with session(output) as client:
        limits: dict[str, Any] = client.get("/api/limits")
    if output.json:
        output.emit(limits)
        return
    daily, opened, slippage = limits["maxDaily"], limits["maxOpen"], limits["maxSlippage"]
    said = _of_limit(f"{opened['used']:,}", opened["limit"] and f"{opened['limit']:,}")
    width = output.width(sys.stdout)
    cells = _WIDTH if width >= _NARROW else 0
    room = max(20, width - cells - _BEFORE)
    rows = [
        _plain("one order", _usd(limits["maxOrder"])),
        _bar("24 hours", daily["used"], daily["limit"], _describe_day(daily), cells),
        *(_plain("", part) for text in _more_of_day(daily) for part in textwrap.wrap(text, room)),
        _bar("open orders", opened["used"], opened["limit"], said, cells),
        _plain("slippage", "any" if slippage is None else f"{slippage} bps"),
        _plain("tokens", clean(", ".join(limits["tokens"] or ())) or "any"),
    ]
    put_lines(output, lay_table((Column(), Column(), Column()), rows, width, indent=0))


def _plain(name: str, text: str) -> list[Cell]:
    return [Cell(name, "dim"), Cell(""), Cell(text)]


def _bar(name: str, used: Any, limit: Any, text: str, cells: int) -> list[Cell]:
    if limit is None:
        return _plain(name, text)
    part = min(Decimal(1), Decimal(used) / Decimal(limit))
    full = int(part * cells)
    style = "red" if part >= _NEARLY else "green"
    return [Cell(name, "dim"), Cell("━" * full + "·" * (cells - full), style), Cell(text)]


def _describe_day(daily: dict[str, Any]) -> str:
    if daily["limit"] is None:
        # Nothing is counted then.
        return "any"
    return _of_limit(_usd(daily["used"]), _usd(daily["limit"]))


def _more_of_day(daily: dict[str, Any]) -> Iterator[str]:
    """What else there is to say of what was spent, a line each."""
    if daily["limit"] is None:
        return
    if Decimal(daily["reserved"]):
        yield f"{_usd(daily['reserved'])} of it by orders that have not ended"
    if daily["frees"]:
        first = daily["frees"][0]
        yield f"{_usd(first['usd'])} frees at {minute_text(first['at'])}"


def _usd(text: str | None) -> str:
    """In whole cents, but for what is less than one."""
    if text is None:
        return "any"
    usd = Decimal(text)
    return f"{usd:,.2f} USD" if usd >= _CENT or not usd else f"{usd:,f} USD"


def _of_limit(used: str, limit: str | None) -> str:
    return f"{used}, no limit" if limit is None else f"{used} of {limit}"

"""Listings: their columns by name, tables page by page, and what is asked of the daemon."""

from __future__ import annotations

import re
from typing import Any, cast

import pytest

from oee_cli.api.client_http import Client
from oee_cli.cli_errors import UsageFault
from oee_cli.lists.list_options import OrderFilter
from oee_cli.lists.list_pages import MOST_EMPTY, _Pages, _read_filter
from oee_cli.lists.list_tables import fill_lines, order_lines
from oee_cli.options import read_limit
from oee_cli.output import Output
from oee_cli.text.column_text import FILLS, ORDERS, column_help, named_columns
from oee_cli.text.layout_text import Cell, Column, Sheet, cell_len
from oee_cli.text.order_text import ending_text
from tests.unit.order_views import SIGNATURE, WIDTHS, fits, order

FAILED = order(
    status="failed",
    filledIn=None,
    filledOut=None,
    price=None,
    fee=None,
    error={"code": "slippage_exceeded", "message": "No.", "retryable": True},
)
LIVE = order(status="submitted", attempt=1, filledIn=None, filledOut=None, price=None, finishedAt=None)


def table(
    monkeypatch: pytest.MonkeyPatch, width: int, *pages: list[Any], names: tuple[str, ...] | None = None
) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    return list(order_lines(Output(), pages, names))


def test_how_long_an_order_took_is_not_how_long_it_waited() -> None:
    """A stop that waited for days is not slow, and one that was cancelled meanwhile was never executed."""
    days = {"type": "stop", "createdAt": "2026-11-20T10:00:00.000000Z"}
    fired = order(**days, firedAt="2026-11-23T10:00:00.000000Z", finishedAt="2026-11-23T10:00:00.600000Z")
    never = order(**days, firedAt=None, status="cancelled", finishedAt="2026-11-23T10:00:00.600000Z")
    assert ending_text(fired).text.endswith(" in 0.60 s")
    assert [ORDERS.known["took"].value(one) for one in (fired, never)] == ["0.600", None]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_table_of_orders(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = table(monkeypatch, width, [order(), FAILED, LIVE])
    fits(lines, width)
    assert lines[0].split()[0] == "order"
    assert all("0c2f0b8e" in line for line in lines[1:])
    assert "213.27 USDC" in lines[1] and "confirmed" in lines[1]
    assert "slippage_exceeded" in lines[2]
    assert re.search(r"2 attempts|×2", lines[1])
    assert ("took" in lines[0]) == (width == 120)


def test_on_40_columns_an_order_can_still_be_told_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the market made of it goes before its id, its amount or its end is cut."""
    lines = table(monkeypatch, 40, [order(), LIVE])
    fits(lines, 40)
    assert lines[1].split()[0] == "0c2f0b8e" and lines[1].split()[-1] == "confirmed"


def test_columns_that_were_asked_for_are_all_there_whatever_the_width(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ("orderId", "fee", "signature", "note", "took")
    wide = table(monkeypatch, 250, [order(), FAILED], names=names)
    assert wide[0].split() == list(names)
    for whole in (SIGNATURE, order()["orderId"], "0.533178 USDC", "2 attempts", "2.6 s"):
        assert whole in wide[1]
    narrow = table(monkeypatch, 60, [order(), FAILED], names=names)
    fits(narrow, 60)
    assert narrow[0].split() == list(names)
    # Words are cut before numbers are.
    assert "0.533178 USDC" in narrow[1] and "5xKq" in narrow[1] and "…" in narrow[1]


@pytest.mark.parametrize("name", ORDERS.known)
def test_every_column_of_orders_can_be_drawn(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = table(monkeypatch, 300, [order(), FAILED, LIVE], names=(name,))
    assert lines[0].strip() == name
    assert len(lines) == 4
    for row in (order(), FAILED, LIVE):
        value = ORDERS.known[name].value(row)
        assert value is None or isinstance(value, str | int)


@pytest.mark.parametrize("name", FILLS.known)
def test_every_column_of_fills_can_be_drawn(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    fill = {
        "signature": SIGNATURE,
        "orderId": None,
        "inputToken": "USDC",
        "outputToken": "SOL",
        "amountIn": "213.271593",
        "amountOut": "1.5",
        "slot": 12345,
        "at": "2026-11-23T10:00:00.000000Z",
    }
    title, row = fill_lines(Output(), [[fill]], (name,))
    assert title.strip() == name
    assert row.strip() == "–" if name in ("order", "orderId") else row.strip()


def test_columns_by_name_however_they_are_written() -> None:
    assert named_columns("order-id, idempotency_key,PRICE", ORDERS) == ("orderId", "idempotencyKey", "price")
    for text, what in (("prise", "Did you mean price?"), ("price,,price", "twice"), (" ,", "empty")):
        with pytest.raises(UsageFault, match=re.escape(what)) as e:
            named_columns(text, ORDERS)
        assert e.value.hint
        # Whoever shows it folds it, to a width that is known there.
        assert e.value.hint.count("\n") <= 1
    told = column_help(FILLS).splitlines()
    assert [line.split()[0] for line in told[1:]] == list(FILLS.known)
    assert all(len(line.split()) > 1 for line in told[1:])


def test_later_pages_widen_the_columns_and_bring_no_second_title() -> None:
    sheet = Sheet((Column("a"), Column("b", right=True), Column("")), 60, colors=False)
    first = list(sheet.page([[Cell("x"), Cell("1"), Cell("")]]))
    later = list(
        sheet.page([[Cell("longer"), Cell("1,000"), Cell("note")], [Cell("y"), Cell("2"), Cell("")]])
    )
    assert first == ["  a   b", "  x   1"]
    assert later == ["  longer   1,000   note", "  y            2"]


def test_a_list_in_the_house_colors_and_its_width_without_them() -> None:
    sheet = Sheet((Column("a"), Column("b")), 20, colors=True)
    lines = list(sheet.page([[Cell("buy", "green"), Cell("x" * 30, "dim")]]))
    assert lines[1].startswith("  \x1b[32mbuy\x1b[0m")
    plain = re.sub(r"\x1b\[\d*m", "", lines[1])
    assert plain.endswith("…") and cell_len(plain) <= 20


def test_how_many() -> None:
    assert [read_limit(text) for text in (None, "7", "ALL", "1000000", "9" * 20)] == [
        20,
        7,
        None,
        1_000_000,
        10**20 - 1,
    ]
    for text in ("", "0", "00", "-1", "1.5", "many", "٣"):
        with pytest.raises(UsageFault, match="--limit") as e:
            read_limit(text)
        assert "all" in cast(str, e.value.hint)


def test_what_the_daemon_is_asked() -> None:
    wanted = OrderFilter(
        status=["failed,expired", "FAILED"],
        pair="SOL/USDC",
        token="sol",
        side="buy",
        type="market",
        since="2026-11-23T00:00:00Z",
        until="2026-11-24T00:00:00Z",
    )
    assert _read_filter(wanted) == {
        "status": "failed,expired",
        "pair": "SOL/USDC",
        "token": "sol",
        "side": "buy",
        "type": "market",
        "since": "2026-11-23T00:00:00Z",
        "until": "2026-11-24T00:00:00Z",
    }
    assert _read_filter(OrderFilter()) == {}
    with pytest.raises(UsageFault, match="'done'") as e:
        _read_filter(OrderFilter(status=["failed,done"]))
    assert "submitted, confirmed, failed" in cast(str, e.value.hint)
    with pytest.raises(UsageFault, match="nothing is between"):
        _read_filter(OrderFilter(since="1h", until="2h"))


@pytest.mark.parametrize(("limit", "found", "more"), [(1, [7], False), (None, [7], False), (2, [7], False)])
def test_pages_of_others_hide_no_fill_below_them(limit: int | None, found: list[int], more: bool) -> None:
    """The wallet's newest transactions may all be another program's."""
    rows: list[list[int]] = [[], [], [], [7]]

    class Chain:
        def get(self, _path: str, asked: dict[str, Any]) -> dict[str, Any]:
            at = int(asked.get("cursor", 0))
            return {"fills": rows[at], "nextCursor": str(at + 1) if at + 1 < len(rows) else None}

    pages = _Pages(cast(Client, Chain()), FILLS, {}, limit)
    assert [cast(object, row) for page in pages for row in page] == found
    assert pages.more is more


def test_a_listing_ends_where_nothing_of_ours_comes_for_long() -> None:
    asked: list[int] = []

    class Chain:
        def get(self, _path: str, _asked: dict[str, Any]) -> dict[str, Any]:
            asked.append(1)
            return {"fills": [], "nextCursor": str(len(asked))}

    pages = _Pages(cast(Client, Chain()), FILLS, {}, 20)
    assert list(pages) == [] and pages.more and len(asked) == MOST_EMPTY

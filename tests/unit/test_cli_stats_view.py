"""The screen of `oee stats` at 60, 80 and 120 columns, for every kind of period, with and without UTF-8."""

from __future__ import annotations

import io
import sys
from typing import Any, cast

import pytest
from rich.cells import cell_len

from oee_cli.output import Output
from oee_cli.stats.stats_screen import draw_stats
from oee_cli.text.chart_text import bar, chart, spans
from oee_daemon.contract.shapes import StatsReport
from oee_daemon.contract.status import Status

WIDTHS = (60, 80, 120)


def spread(p50: Any = None, p95: Any = None) -> dict[str, Any]:
    return {"p50": p50, "p95": p95}


def venue(name: str, chosen: int = 20, gain: str | None = "162.0", **changes: Any) -> dict[str, Any]:
    values = {
        "venue": name,
        "statuses": {"confirmed": chosen, "failed": 2},
        "asked": 44,
        "quoted": 42,
        "choices": 41,
        "chosen": chosen,
        "winRate": "0.4878",
        "gainBps": {"mean": gain, "p50": "0.0"},
        "quoteMs": spread(204, 231),
    }
    return values | changes


def row(key: str | None = None, statuses: dict[str, int] | None = None, **changes: Any) -> dict[str, Any]:
    statuses = {"confirmed": 1_038, "failed": 61, "submitted": 3} if statuses is None else statuses
    values = {
        "key": key,
        "orders": sum(statuses.values()),
        "statuses": dict.fromkeys(Status, 0) | statuses,
        "retried": 9,
        "retries": 12,
        "volume": [{"token": "USDC", "amount": "1213274.123456"}],
        "fees": [{"token": name, "amount": "1981583.5905"} for name in ("BONK", "JUP", "SOL", "USDC", "WIF")],
        "slippageBps": spread("0.0", "14.3"),
        "latencyMs": {
            "pending": spread(3, 9),
            "routing": spread(206, 231),
            "building": spread(1, 2),
            "submitted": spread(402, 415),
            "whole": spread(612, 1_933),
        },
        "venues": [venue("meteora"), venue("raydium", 21, "97.3")],
    }
    return values | changes


def report(total: dict[str, Any], groups: list[dict[str, Any]] | None = None, by: str | None = None) -> Any:
    minutes = [30 * n for n in range(48)]
    return {
        "since": "2026-11-22T22:00:00.000000Z",
        "until": "2026-11-23T22:00:00.000000Z",
        "pair": None,
        "side": None,
        "by": by,
        "total": total,
        "groups": groups or [],
        "timeline": [
            {
                "at": f"2026-11-23T{m // 60:02d}:{m % 60:02d}:00.000000Z",
                "orders": n % 7,
                "failed": n % 11 == 10,
                "wholeMs": None if n % 7 == 0 else 600 + n,
            }
            for n, m in enumerate(minutes)
        ],
    }


def drawn(found: Any, width: int, monkeypatch: pytest.MonkeyPatch, encoding: str = "utf-8") -> list[str]:
    kept = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(kept, encoding=encoding))
    monkeypatch.setenv("COLUMNS", str(width))
    draw_stats(Output(), cast(StatsReport, found))
    sys.stdout.flush()
    lines = kept.getvalue().decode(encoding).splitlines()
    for line in lines:
        assert cell_len(line) <= width and line == line.rstrip(), line
    return lines


NOTHING = dict.fromkeys(("pending", "routing", "building", "submitted", "whole"), spread())
LIVE = row(
    statuses={"pending": 2}, retried=0, retries=0, volume=[], fees=[], slippageBps=spread(), latencyMs=NOTHING
)
KINDS = {
    "all": row(),
    "failures": row(statuses={"failed": 4}, volume=[], fees=[], slippageBps=spread()) | {
        "venues": [venue("meteora", 0, None, choices=0, winRate=None, quoted=0, quoteMs=spread())]
    },
    "one venue": row() | {"venues": [venue("meteora", 41, "0.0")]},
    "live": LIVE | {"venues": []},
}  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_whole_screen(kind: str, width: int, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    total = KINDS[kind]
    lines = drawn(report(total), width, monkeypatch, encoding)
    text = "\n".join(lines)
    assert f"{total['orders']:,} orders" in lines[0]
    table = text[text.index("  status") : text.index("\n\n", text.index("  status"))].splitlines()
    assert {line.split()[0] for line in table[1:]} == {s for s, n in total["statuses"].items() if n}
    marks = {"live": ("●", ".."), "failures": ("✗", "x")}.get(kind, ("✓", "ok"))
    verdict = text[text.rindex("\n\n") + 2 :].replace("\n  ", " ")
    assert verdict.startswith(marks[encoding == "ascii"] + " ")
    assert ("routing gained" in verdict) == (kind == "all")
    if kind == "all":
        assert "1,038 of 1,099 orders confirmed, 94.4 %, and 3 have not ended" in verdict
        assert "162.0 bps over always meteora, 97.3 bps over always raydium" in verdict
        assert "1,213,274.12 USDC" in text and "1,981,583.59 WIF" in text
        # Amounts stay beside their tokens, numbers beside what they count.
        assert not any(line.strip() in ("USDC", "WIF", "bps") for line in lines)
    if kind == "live":
        assert "no venue was asked yet" in text and "none of 2 orders has ended yet" in verdict


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("by", "keys"),
    [("pair", ["SOL/USDC", "BONK/SOL"]), ("day", ["2026-11-22", "2026-11-23"]), ("venue", ["meteora", None])],
)
def test_a_line_for_each_group_and_one_for_all(
    by: str, keys: list[str | None], width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [{"token": name, "amount": "1.5"} for name in ("SOL", "USDC")]
    total = row(volume=both)
    groups = [row(key, volume=total["volume"] if by == "day" else total["volume"][:1]) for key in keys]
    groups[1] |= {"venues": [venue("meteora", 3, None)]}
    lines = drawn(report(total, groups, by), width, monkeypatch)
    names = [line.split()[0] for line in lines if line.startswith("  ") and "94.4 %" in line]
    assert names == [key or "–" for key in keys] + ["all"]
    if width != 80:
        assert ("gained over meteora, raydium" in "\n".join(lines)) == (width == 120)
    assert f"stats by {by}" in lines[0]


def test_a_long_title_is_folded_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    found = report(row(), [row("JitoSOL/USDC")], "pair") | {"pair": "JitoSOL/USDC", "side": "sell"}
    lines = drawn(found, 60, monkeypatch, "ascii")
    assert lines[0] == "stats JitoSOL/USDC sell by pair" and " to " in lines[1]
    assert drawn(found, 120, monkeypatch)[0].endswith("1,102 orders")


def test_one_group_needs_no_line_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = drawn(report(row(), [row("SOL/USDC")], "pair"), 80, monkeypatch)
    assert not any(line.split()[:1] == ["all"] for line in lines)


def test_a_fee_that_no_venue_says_is_not_called_none(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown, some = {"token": "SOL", "amount": "0"}, {"token": "USDC", "amount": "0.5"}
    assert not [line for line in drawn(report(row(fees=[unknown])), 100, monkeypatch) if "fees" in line]
    (line,) = [line for line in drawn(report(row(fees=[unknown, some])), 100, monkeypatch) if "fees" in line]
    assert line.split() == ["fees", "0.50", "USDC"]


def test_bars_and_charts() -> None:
    assert [len(bar(n, 100, 20)) for n in (0, 0.1, 50, 100, 120)] == [0, 1, 10, 20, 20]
    assert bar(0, 0, 20) == ""
    assert chart([0, 1, 4, 8], unicode=True) == " ▂▅█"
    assert chart([0, 1, 4, 8], unicode=False) == " :+@"
    assert chart([0, None], unicode=True) == "  "
    lines = spans([10, 0, 1, 29], 20)
    assert [(line.count(" "), line.count("━")) for line in lines] == [(0, 5), (5, 0), (5, 1), (6, 14)]
    assert spans([0, 0], 20) == ["", ""]

"""Execution quality on one screen: how the period went, then status, venues and steps, or a line a group.

The last line alone says how it was. Bars and charts only show what a number beside them says.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from decimal import Decimal

from oee_cli.output import Output, clean
from oee_cli.text.amount_text import counted, short_amount
from oee_cli.text.chart_text import bar, chart, spans
from oee_cli.text.layout_text import (
    ACCENT,
    Cell,
    Column,
    Line,
    fold_sentence,
    lay_table,
    put_lines,
    status_cell,
)
from oee_cli.text.time_text import parse_moment, seconds_between, span_text
from oee_daemon.contract.shapes import StatsReport, StatsRow, TimelinePart, TokenAmount, VenueStats
from oee_daemon.contract.status import FINAL, Status

_NOTHING = "–"
#: Stands for a space at which no line may be folded.
_TIED = "\u00a0"
#: From how many columns on there is room for the charts' whole length and for longer bars.
_WIDE = 100
#: Sentences are folded here at the latest.
_LONGEST = 120
#: Steps of an attempt, in their order.
_STEPS = ("pending", "routing", "building", "submitted")
_CHARTS = (Column(), Column(), Column(rank=1))
_STATUSES = (Column("status"), Column("orders", right=True), Column("share", right=True), Column(rank=1))
_VENUES = (
    Column("venue"),
    Column("won", right=True),
    Column(rank=8),
    Column("of", right=True, rank=4),
    Column("answered", right=True, rank=5),
    Column("quote p50", right=True, rank=6),
    Column("confirmed", right=True, rank=3),
    Column("failed", right=True, rank=2),
    Column("gained over it", right=True),
)
_LATENCY = (Column("step"), Column("p50", right=True), Column("p95", right=True), Column(rank=1))


def draw_stats(output: Output, report: StatsReport) -> None:
    width = output.width(sys.stdout)
    total = report["total"]
    parts = [_stats_header(report, width), _timeline_charts(output, report, width)]
    if report["by"] is None:
        parts += [_status_table(total, width), _venue_table(total, width), _step_table(total, width)]
        parts += [_period_facts(total, width)]
    else:
        parts += [_group_table(report, width)]
    blank: list[Line] = [[]]
    put_lines(output, [line for part in parts for line in part + blank] + _period_verdict(total, width))


def _stats_header(report: StatsReport, width: int) -> list[Line]:
    what = [report["pair"], report["side"], report["by"] and f"by {report['by']}"]
    title = " ".join(["stats", *(clean(word) for word in what if word)])
    begun = parse_moment(report["since"] or report["until"]).astimezone()
    ended = parse_moment(report["until"]).astimezone()
    exact = "%b %H:%M" if begun.year == ended.year else "%b %Y %H:%M"
    period = f"{begun.day} {begun:{exact}} to {ended.day} {ended:{exact}}"
    count = counted(report["total"]["orders"], "order")
    if len(title) + 3 + len(period) > width:
        return [[Cell(title, "bold")], [Cell(period, "bold")]]
    line = Cell(f"{title}   {period}", "bold")
    room = min(width, _WIDE) - len(line.text) - len(count)
    # The last line says the count, too.
    return [[line, Cell(" " * room + count)] if room >= 3 else [line]]


def _timeline_charts(output: Output, report: StatsReport, width: int) -> list[Line]:
    found = report["timeline"]
    each = seconds_between(found[0]["at"], found[1]["at"])
    if width < _WIDE:
        found, each = _halve_timeline(found), each * 2
    orders, failed = [part["orders"] for part in found], [part["failed"] for part in found]
    times = [part["wholeMs"] or 0 for part in found]
    rows = [
        [
            Cell(name, "dim"),
            Cell(chart(values, unicode=output.unicode(sys.stdout)), ACCENT),
            Cell(told, "dim"),
        ]
        for name, values, told in (
            ("orders", orders, f"most {max(orders):,} in {_format_length(each)}"),
            ("failed", failed, f"most {max(failed):,}"),
            ("took", times, f"p50, most {span_text(max(times) / 1000)}"),
        )
        if any(values)
    ]
    ends = _format_edge(found[0]["at"], each), _format_edge(report["until"], each)
    rows.append([Cell(""), Cell(ends[0] + ends[1].rjust(len(found) - len(ends[0])), "dim"), Cell("")])
    return lay_table(_CHARTS, rows, width)


def _format_edge(text: str, each: float) -> str:
    """A moment, as exact as the parts of the chart are long."""
    at = parse_moment(text).astimezone()
    return f"{at.day} {at:%b}" if each >= 3_600 else f"{at:%H:%M}" if each >= 60 else f"{at:%H:%M:%S}"


def _halve_timeline(parts: Sequence[TimelinePart]) -> list[TimelinePart]:
    """Two parts as one, the slower one's time for both."""
    return [
        {
            "at": one["at"],
            "orders": one["orders"] + other["orders"],
            "failed": one["failed"] + other["failed"],
            "wholeMs": max(one["wholeMs"] or 0, other["wholeMs"] or 0) or None,
        }
        for one, other in zip(parts[::2], parts[1::2], strict=True)
    ]


def _format_length(seconds: float) -> str:
    """`30 min`, `2.5 h`, `1.5 d`."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            value = seconds / length
            return (f"{value:.0f}" if value >= 10 else f"{value:.1f}".removesuffix(".0")) + f" {unit}"
    return span_text(seconds)


def _status_table(total: StatsRow, width: int) -> list[Line]:
    counts = total["statuses"]
    # Ends first; what a newer daemon may say besides comes last.
    known = [*sorted(Status, key=lambda word: word not in FINAL), *counts]
    shown = [word for word in dict.fromkeys(known) if counts.get(word)]
    rows = [
        [
            status_cell(word),
            Cell(f"{counts[word]:,}"),
            Cell(_percent(counts[word], total["orders"])),
            Cell(bar(counts[word], total["orders"], _bar_cells(width)), ACCENT),
        ]
        for word in shown
    ]
    return lay_table(_STATUSES, rows, width, titles=True)


def _venue_table(total: StatsRow, width: int) -> list[Line]:
    rows = [
        [
            Cell(clean(venue["venue"])),
            Cell(_percent(venue["chosen"], venue["choices"])),
            Cell(bar(venue["chosen"], max(1, venue["choices"]), _bar_cells(width) // 2), ACCENT),
            Cell(f"{venue['choices']:,}", "dim"),
            Cell(_percent(venue["quoted"], venue["asked"]), "dim"),
            Cell(_ms(venue["quoteMs"]["p50"]), "dim"),
            Cell(f"{venue['statuses'].get('confirmed', 0):,}"),
            Cell(f"{venue['statuses'].get('failed', 0):,}"),
            Cell(_bps(_with_sign(venue["gainBps"]["mean"]))),
        ]
        for venue in total["venues"]
    ]
    if not rows:
        return [[Cell("  no venue was asked yet", "dim")]]
    return lay_table(_VENUES, rows, width, titles=True)


def _step_table(total: StatsRow, width: int) -> list[Line]:
    latency = total["latencyMs"]
    drawn = spans([latency[name]["p50"] or 0 for name in _STEPS], _bar_cells(width))
    rows = [
        [
            Cell(name),
            Cell(_ms(latency[name]["p50"])),
            Cell(_ms(latency[name]["p95"]), "dim"),
            Cell(line, ACCENT),
        ]
        for name, line in zip((*_STEPS, "whole"), (*drawn, ""), strict=True)
    ]
    return lay_table(_LATENCY, rows, width, titles=True)


def _period_facts(total: StatsRow, width: int) -> list[Line]:
    """The figures in words; folded where it is narrow, and no amount away from its token."""
    slipped, retried = total["slippageBps"], total["retried"]
    facts = []
    if slipped["p50"] is not None:
        against = f"{_bps(slipped['p50'])} p50, {_bps(slipped['p95'])} p95"
        facts.append(("slippage", f"{against}; above 0 is worse than quoted"))
    more = f"{retried:,} of {total['orders']:,} orders took more than one attempt"
    facts.append(("retries", f"{total['retries']:,}: {more}" if retried else "none"))
    # No venue of a real network says its fee of every fill: 0 is none that is known.
    told = {"volume": total["volume"], "fees": [fee for fee in total["fees"] if Decimal(fee["amount"])]}
    facts += [(name, _token_sums(sums)) for name, sums in told.items() if sums]
    lines: list[Line] = []
    for name, text in facts:
        folded = textwrap.wrap(text, max(20, min(width, _LONGEST) - 13), break_long_words=False)
        lines += [
            [Cell(f"  {'' if n else name:<11}", "dim"), Cell(part.replace(_TIED, " "))]
            for n, part in enumerate(folded)
        ]
    return lines


def _token_sums(amounts: Sequence[TokenAmount]) -> str:
    return ", ".join(f"{short_amount(a['amount'])}{_TIED}{clean(a['token'])}" for a in amounts)


def _group_table(report: StatsReport, width: int) -> list[Line]:
    venues = [clean(venue["venue"]) for venue in report["total"]["venues"]]
    columns = (
        Column("day, UTC" if report["by"] == "day" else str(report["by"])),
        Column("orders", right=True),
        Column(rank=8),
        Column("confirmed", right=True),
        Column("failed", right=True, rank=3),
        Column("retries", right=True, rank=9),
        Column(f"gained over {', '.join(venues)}", right=True, rank=6) if venues else Column(),
        Column("slippage p95", right=True, rank=10),
        Column("took p50", right=True, rank=4),
        Column("p95", right=True, rank=7),
        # Sums of several tokens are long, and the JSON has them.
        Column("volume", right=True, rank=11 if any(len(r["volume"]) > 1 for r in report["groups"]) else 5),
    )
    most = max(row["orders"] for row in report["groups"])
    rows = [
        _group_row(
            row, clean(row["key"] or _NOTHING), venues, bar(row["orders"], most, _bar_cells(width) // 3)
        )
        for row in report["groups"]
    ]
    if len(rows) > 1:
        *figures, volume = _group_row(report["total"], "all", venues, "")
        if report["by"] == "pair" and len(report["total"]["volume"]) > 1:
            # Each pair has one token; all of them together would widen the column for one cell.
            volume = Cell("")
        rows.append([Cell(cell.text, "bold") for cell in (*figures, volume)])
    return lay_table(columns, rows, width, titles=True)


def _group_row(row: StatsRow, name: str, venues: Sequence[str], drawn: str) -> list[Cell]:
    gains = {clean(venue["venue"]): venue["gainBps"]["mean"] for venue in row["venues"]}
    confirmed, whole = row["statuses"].get("confirmed", 0), row["latencyMs"]["whole"]
    return [
        Cell(name),
        Cell(f"{row['orders']:,}"),
        Cell(drawn, ACCENT),
        Cell(_percent(confirmed, _count_ended(row))),
        Cell(f"{row['statuses'].get('failed', 0):,}"),
        Cell(f"{row['retries']:,}", "dim"),
        Cell(
            _bps(", ".join(_with_sign(gains.get(venue)) or _NOTHING for venue in venues) if gains else None)
        ),
        Cell(_bps(row["slippageBps"]["p95"]), "dim"),
        Cell(_ms(whole["p50"])),
        Cell(_ms(whole["p95"]), "dim"),
        Cell(_token_sums(row["volume"]).replace(_TIED, " ") or _NOTHING),
    ]


def _period_verdict(total: StatsRow, width: int) -> list[Line]:
    confirmed, orders = total["statuses"].get("confirmed", 0), total["orders"]
    ended = _count_ended(total)
    if not ended:
        none = "the one order has not" if orders == 1 else f"none of {orders:,} orders has"
        mark, text = "●", f"{none} ended yet"
    else:
        mark = "✓" if confirmed else "✗"
        text = f"{confirmed:,} of {counted(ended, 'order')} confirmed, {_percent(confirmed, ended)}"
        if left := orders - ended:
            text += f", and {left:,} {'has' if left == 1 else 'have'} not ended"
    gains = [_venue_gain(venue) for venue in total["venues"] if venue["gainBps"]["mean"] is not None]
    if len(gains) > 1:
        text += f"; routing gained {', '.join(gains)}"
    # The plain sign of a mark takes two cells.
    return fold_sentence(f"{mark} {text}", min(width, _LONGEST) - 1)


def _count_ended(row: StatsRow) -> int:
    """What waits or runs has not failed."""
    return sum(row["statuses"].get(word, 0) for word in FINAL)


def _venue_gain(venue: VenueStats) -> str:
    return f"{_bps(venue['gainBps']['mean'])} over always {clean(venue['venue'])}"


def _bar_cells(width: int) -> int:
    return 36 if width >= _WIDE else 18


def _percent(part: int, whole: int) -> str:
    return f"{Decimal(part) * 100 / whole:.1f} %" if whole else _NOTHING


def _ms(value: int | None) -> str:
    return _NOTHING if value is None else span_text(value / 1000)


def _bps(text: str | None) -> str:
    return _NOTHING if text is None else f"{clean(text)} bps"


def _with_sign(text: str | None) -> str | None:
    return None if text is None else f"{'+' if Decimal(text) > 0 else ''}{text}"

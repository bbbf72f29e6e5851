"""What `oee top` draws: one frame as lines of text, as many as the terminal has.

What there is no room for goes in this order: the blank lines, the tables of venues and workers, which become
a line each, then those lines. Orders stay to the last. Pure text and the few escapes of the house.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from oee_cli.output import Output, clean
from oee_cli.text.amount_text import counted, short_amount
from oee_cli.text.chart_text import chart
from oee_cli.text.condition_text import seconds_executed
from oee_cli.text.layout_text import Cell, Column, Line, Sheet, draw_line, side_cell
from oee_cli.text.order_text import asked_amount, market_amount, pair_column_text, short_id
from oee_cli.text.time_text import minute_text, parse_moment, seconds_between, span_text
from oee_daemon.contract.shapes import Order

#: Rows from which there is room for tables and blank lines, for the lines above the orders, for a chart.
_ROOMY, _COMPACT = 30, 12
#: The most orders in flight that the daemon tells of.
_TOLD = 40
#: The most venues and workers in a table.
_MOST = 6
#: Seconds in one step from which an order is worth a second look.
_LONG = 5.0
#: Seconds over which a rate is told as a number; the chart has them all.
_RATE_S = 10
_FOR_EVER = 10_000

#: How orders in flight may be sorted: what is said of it, and by what.
SORTS: tuple[tuple[str, Callable[[Order], Any]], ...] = (
    ("longest in step first", lambda o: o["updatedAt"]),
    ("oldest order first", lambda o: o["createdAt"]),
    ("by pair", lambda o: (o["pair"], o["updatedAt"])),
)
_IN_FLIGHT = (
    Column("order"),
    Column("side", rank=2),
    Column("pair", rank=5),
    Column("amount", rank=1, right=True),
    Column("step"),
    Column("for", right=True),
    Column("", rank=4),
    Column("venue", rank=3),
    Column("age", rank=6, right=True),
)
_ENDED = (
    Column("at", rank=2),
    Column(""),
    Column("order"),
    Column("side", rank=1),
    Column("amount", right=True),
    Column("for", right=True),
    Column("price", rank=4, right=True),
    Column("venue", rank=3),
    Column("took", rank=5, right=True),
)
_VENUES = (
    Column("venue"),
    Column("answered in 5 min", right=True),
    Column("p50", rank=1, right=True),
    Column("errors", right=True),
    Column("", rank=2),
)
_WORKERS = (
    Column("worker"),
    Column("pid", rank=1, right=True),
    Column("threads", right=True),
    Column("running", right=True),
    Column("since"),
    Column("", rank=2),
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the last look failed, and for how long they have."""

    what: str
    why: str
    for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What is to be shown: what was seen last and how long ago, and the state of looking itself."""

    engine: dict[str, Any]
    age_s: float
    interval_s: float
    trouble: Trouble | None = None
    paused: bool = False
    sort: tuple[str, Callable[[Order], Any]] = SORTS[0]


def top_frame(output: Output, picture: Picture, width: int, height: int) -> list[str]:
    """At most `height` lines, none wider than `width`; the keys on the last one."""
    page = _Page(output, picture, width)
    keys = page.keys()
    return [*page.lines(height - 1), keys] if height > 3 else page.lines(height)


def top_snapshot(output: Output, engine: dict[str, Any]) -> list[str]:
    """One look with everything in it, for where nothing is redrawn."""
    picture = Picture(engine=engine, age_s=0, interval_s=0)
    return _Page(output, picture, output.width(sys.stdout)).lines(None)


class _Page:
    """One frame in the making."""

    def __init__(self, output: Output, picture: Picture, width: int) -> None:
        self.picture = picture
        self.engine = picture.engine
        self.width = width
        self.output = output
        self.colors = output.color(sys.stdout)
        self.unicode = output.unicode(sys.stdout)
        #: Now, by Postgres's clock, which orders are stamped with.
        self.now = (parse_moment(self.engine["at"]) + timedelta(seconds=picture.age_s)).isoformat()

    def lines(self, height: int | None) -> list[str]:
        """`height` lines, filled up with empty ones; without one as many as it takes."""
        roomy = height is None or height >= _ROOMY
        head = [self._title(), *self._trouble()]
        if roomy:
            head += ["", *self._figures(), "", *self._venues(), "", *self._workers(), ""]
        elif height is not None and height >= _COMPACT:
            head += [*self._figures(), self._venues_line(), self._workers_line(), ""]
        else:
            head += self._figures()[:1]
        room = _FOR_EVER if height is None else height - len(head) - 2 - roomy
        flying = [self._in_flight_row(o) for o in sorted(self.engine["inFlight"], key=self.picture.sort[1])]
        ended = [self._ended_row(order) for order in self.engine["ended"]]
        # Both lists get half of the room, and what the other one leaves.
        first = max(min(len(flying), room // 2), room - len(ended))
        first = min(len(flying), max(0, first))
        blank = [""] if roomy else []
        body = self._list(_IN_FLIGHT, flying[:first], self._in_flight_title(first, len(flying)))
        title = self._line([Cell("ended", "bold"), Cell("" if ended else "   none", "dim")])
        body += blank + self._list(_ENDED, ended[: max(0, room - first)], title)
        found = [self._plain(line) for line in head + body]
        if height is None:
            return found
        return (found + [""] * height)[:height]

    def keys(self) -> str:
        sort = f"s {self.picture.sort[0]}"
        pause = "p go on" if self.picture.paused else "p pause"
        return self._plain(self._line([Cell(f"q quit   {pause}   {sort}", "dim")]))

    def _title(self) -> str:
        p = self.picture
        at = f"{parse_moment(self.engine['at']).astimezone():%H:%M:%S}"
        every = "paused" if p.paused else f"every {p.interval_s:g} s" if p.interval_s else ""
        left = ["oee top", clean(self.engine["network"]), clean(self.engine["version"])]
        left.append(f"up {span_text(seconds_between(self.engine['startedAt'], self.now))}")
        right = "   ".join(part for part in (every, at) if part)
        while len(left) > 1 and len("   ".join(left)) + len(right) + 3 > self.width:
            left.pop()
        space = max(1, min(self.width, 100) - len("   ".join(left)) - len(right))
        name, *rest = left
        told = "".join(f"   {part}" for part in rest) + " " * space
        style = "cyan" if p.paused else "dim"
        return self._line([Cell(name, "bold"), Cell(told, "dim"), Cell(right, style)])

    def _trouble(self) -> list[str]:
        told = []
        if self.picture.trouble is not None:
            t = self.picture.trouble
            told.append(clean(f"{t.what}, for {span_text(t.for_s)}; it is asked again ({t.why})"))
        if (halt := self.engine.get("halt")) is not None:
            why = f": {clean(halt['reason'])}" if halt["reason"] else ""
            told.append(f"halted since {minute_text(halt['since'])}{why}; to go on: oee resume")
        if (wallet := self.engine.get("wallet") or {}).get("locked"):
            told.append(f"the wallet is locked: {clean(wallet['reason'])}; to go on: oee wallet unlock")
        if not self.engine["queue"]["reachable"]:
            told.append("the queue does not answer; orders go on when it does")
        mark = "✗" if self.unicode else "x"
        return [self._line([Cell(f"{mark} {text}", "red")]) for text in told]

    def _figures(self) -> list[str]:
        o, rate = self.engine["orders"], self.engine["rate"]
        told = [f"{o['running']:,} running of {o['maxActive']:,}", f"{o['due']:,} due"]
        told += [f"{o['delayed']:,} delayed", f"{o['accepted']:,} accepted"]
        while len("   ".join(told)) + 8 > self.width and len(told) > 1:
            told.pop()
        came, went = (sum(rate[name][-_RATE_S:]) / _RATE_S for name in ("accepted", "ended"))
        drawing = chart(rate["ended"][-60:], unicode=self.unicode)
        text = f"{came:.1f}/s in   {went:.1f}/s ended   "
        room = self.width - 8 - len(text)
        return [
            self._line([Cell(f"{'orders':<8}", "dim"), Cell("   ".join(told))]),
            *self._waiting(),
            self._line([Cell(f"{'rate':<8}", "dim"), Cell(text), Cell(drawing[-max(0, room) :], "cyan")]),
        ]

    def _waiting(self) -> list[str]:
        """Where orders wait for prices: how many, the nearest, how old the prices are and who sees them."""
        watch = self.engine.get("watch") or {}
        if not watch.get("pairs"):
            return []
        told = [f"{watch['waiting']:,} on {counted(watch['pairs'], 'pair')}"]
        if watch["nearest"] is not None:
            told.append(f"nearest {clean(watch['nearest'])} {max(0, watch['nearestBps']) / 100:.1f}%")
        if watch.get("deferred"):
            told.append(f"{watch['deferred']:,} deferred")
        prices, style = "no prices", "red"
        if watch["leader"] is None:
            prices = "nobody watches the prices"
        elif watch["stale"]:
            prices = f"no fresh price of {clean(watch['stale'][0])}"
            prices += f" and {len(watch['stale']) - 1:,} more" if len(watch["stale"]) > 1 else ""
        elif watch["oldestMs"] is not None:
            prices, style = f"prices {span_text(watch['oldestMs'] / 1000)} old", ""
        text = f"{'   '.join(told)}   "
        leader = "" if watch["leader"] is None else f"   {clean(watch['leader']['owner'])}"
        cells = [Cell(f"{'waiting':<8}", "dim"), Cell(text), Cell(prices, style), Cell(leader, "dim")]
        return [self._line(cells)]

    def _venues(self) -> list[str]:
        rows = [
            [
                Cell(clean(v["venue"])),
                Cell(f"{v['answered']:,} of {v['asked']:,}", "" if v["asked"] else "dim"),
                Cell("-" if v["p50Ms"] is None else f"{v['p50Ms']:,} ms"),
                Cell(f"{v['errors']:,}", "red" if v["errors"] else "dim"),
                Cell(clean(v["lastError"] or ""), "dim"),
            ]
            for v in self.engine["venues"]
        ]
        return self._table(_VENUES, rows)

    def _venues_line(self) -> str:
        told: list[Cell] = [Cell(f"{'venues':<8}", "dim")]
        for v in self.engine["venues"]:
            share = f"{100 * v['answered'] // v['asked']}%" if v["asked"] else "-"
            p50 = "" if v["p50Ms"] is None else f" {v['p50Ms']:,} ms"
            told.append(Cell(f"{clean(v['venue'])} {share}{p50}   ", "red" if v["errors"] else ""))
        return self._line(told)

    def _workers(self) -> list[str]:
        found = self.engine["workers"] or []
        # Where all run the same release, which is the rule, nothing is said of it.
        mixed = any(w["version"] != self.engine["version"] for w in found)
        rows = [
            [
                Cell(clean(w["host"])),
                Cell(str(w["pid"]), "dim"),
                Cell(f"{w['threads']:,}"),
                Cell(f"{w['running']:,}"),
                Cell(since(w["since"], self.now), "dim"),
                Cell(clean(w["version"]) if mixed else "", "red"),
            ]
            for w in found
        ]
        if not rows:
            return [self._line(self._no_worker())]
        return self._table(_WORKERS, rows)

    def _workers_line(self) -> str:
        found = self.engine["workers"] or []
        if not found:
            return self._line(self._no_worker())
        threads, running = (sum(w[name] for w in found) for name in ("threads", "running"))
        text = f"{len(found):,}   {threads:,} threads   {running:,} running"
        return self._line([Cell(f"{'workers':<8}", "dim"), Cell(text)])

    def _no_worker(self) -> Line:
        known = self.engine["workers"] is not None
        return [Cell(f"{'workers':<8}", "dim"), Cell("none" if known else "not known", "red")]

    def _in_flight_title(self, shown: int, known: int) -> str:
        # The daemon tells of so many; of the others only how many they are.
        there = max(known, self.engine["orders"]["running"]) if known >= _TOLD else known
        more = f"   {there - shown:,} more" if there > shown else "" if known else "   none"
        return self._line([Cell("in flight", "bold"), Cell(more, "dim")])

    def _in_flight_row(self, order: Order) -> Line:
        waited = seconds_between(order["updatedAt"], self.now)
        return [
            Cell(clean(short_id(order))),
            side_cell(order["side"]),
            Cell(pair_column_text(order["pair"])),
            Cell(asked_amount(order)),
            # As wide as they get, so that nothing moves from frame to frame.
            Cell(f"{clean(order['status']):<9}"),
            Cell(f"{span_text(waited):>6}", "red" if waited >= _LONG else ""),
            Cell(f"×{order['attempt']}" if order["attempt"] > 1 else "", "red"),
            Cell(clean(order["venue"] or ""), "dim"),
            Cell(span_text(seconds_between(order.get("firedAt") or order["createdAt"], self.now)), "dim"),
        ]

    def _ended_row(self, order: Order) -> Line:
        done = order["status"] == "confirmed"
        signs = ("✓", "✗") if self.unicode else ("ok", "x")
        ended, took = order["finishedAt"] or order["updatedAt"], seconds_executed(order)
        error = order["error"]
        return [
            Cell(f"{parse_moment(ended).astimezone():%H:%M:%S}", "dim"),
            Cell(signs[not done], "green" if done else "red"),
            Cell(clean(short_id(order))),
            side_cell(order["side"]),
            Cell(asked_amount(order)),
            Cell(market_amount(order))
            if done
            else Cell(clean(error["code"] if error else order["status"]), "red"),
            Cell(short_amount(order["price"]) if order["price"] else "", "dim"),
            Cell(clean(order["venue"] or "") if done else "", "dim"),
            Cell("" if took is None else span_text(took), "dim"),
        ]

    def _table(self, columns: Sequence[Column], rows: list[list[Cell]]) -> list[str]:
        sheet = Sheet(columns, self.width, colors=self.colors, indent=0)
        more = [self._line([Cell(f"{len(rows) - _MOST:,} more", "dim")])] if len(rows) > _MOST else []
        return [*sheet.page(rows[:_MOST]), *more]

    def _list(self, columns: Sequence[Column], rows: list[Line], title: str) -> list[str]:
        """A list below its title, without its columns' names: what stands in them says so."""
        if not rows:
            return [title]
        return [title, *list(Sheet(columns, self.width, colors=self.colors).page(rows))[1:]]

    def _line(self, cells: Line) -> str:
        return draw_line(cells, self.width, colors=self.colors)

    def _plain(self, line: str) -> str:
        # One sign for one: a line must not become wider than it was made.
        return line if self.unicode else self.output.marks(line.replace("…", "~"), sys.stdout)


def since(text: str, now: str) -> str:
    """`10:02`, and the day where it was another."""
    then = parse_moment(text).astimezone()
    same = then.date() == parse_moment(now).astimezone().date()
    return f"{then:%H:%M}" if same else f"{then.day} {then:%b %H:%M}"

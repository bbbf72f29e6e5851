"""The steps of one attempt, each with when it began, how long it took, and a bar where its time lies."""

from __future__ import annotations

from collections.abc import Iterator

from oee_cli.orders.show_explained import Explained, ExplainedAttempt
from oee_cli.output import clean
from oee_cli.text.layout_text import Cell, Line, status_cell
from oee_cli.text.time_text import clock_text, span_text, took_text
from oee_daemon.contract.shapes import Order

#: Cells of the timeline before its bars, and of what is said after them.
_BEFORE, _AFTER = 36, 24
#: The fewest cells for the last words, for the milliseconds of a step's moment, and for the moment.
_WITH_ALL, _WITH_MS, _WITH_CLOCK = 42, 34, 30
#: The longest bar, and the shortest, cells.
_BAR, _LEAST_BAR = 40, 4
_STEPS = {
    "waiting": "waiting to fire",
    "queue": "waiting for a worker",
    "betweenAttempts": "between attempts",
    "routing": "asking the venues",
    "building": "building, signing",
    "chain": "waiting for the chain",
}


def timeline_lines(order: Order, figures: Explained, attempt: ExplainedAttempt, width: int) -> Iterator[Line]:
    """One line a step, each with a bar where its time lies in the whole order's."""
    room = width - _BEFORE
    said = room >= _AFTER + 16
    cells = min(_BAR, room - _AFTER if said else room)
    waiting = figures["waiting"]
    whole = figures["totalMs"] or sum(figures["timing"].values()) + (waiting["ms"] if waiting else 0.0)
    # Days of waiting would leave nothing to see of the rest.
    whole -= figures["timing"].get("waiting", 0.0)
    begun = _ms_before(figures, attempt)
    for step in attempt["steps"]:
        lasts = step["ms"] is None and waiting is not None
        ms = waiting["ms"] if lasts and waiting else step["ms"] or 0.0
        line = [
            Cell(_clock(step["at"], width), "dim"),
            Cell(f"  {clean(step['status']):<9}"),
            Cell(f"  {span_text(ms / 1000):>7}"),
        ]
        if cells >= _LEAST_BAR:
            line += [Cell("  "), *_step_bar(begun, 0.0 if step["kind"] == "waiting" else ms, whole, cells)]
        if said:
            line.append(Cell(f"  {_STEPS.get(step['kind'], '')}{'…' if lasts else ''}", "dim"))
        yield line
        begun += 0.0 if step["kind"] == "waiting" else ms
    closing = figures["attempts"][-1] is attempt and order["finishedAt"]
    if closing:
        status = status_cell(order["status"])
        total = took_text((figures["totalMs"] or 0.0) / 1000)
        yield [
            Cell(_clock(closing, width), "dim"),
            Cell("  "),
            Cell(f"{status.text:<9}", status.style),
            Cell(f"  {total:>7}", "bold"),
            Cell("  in all" if width >= _WITH_ALL else "", "dim"),
        ]


def _clock(at: str, width: int) -> str:
    """When a step began; less of it, or nothing, where how long it took would have no room."""
    text = f"  {clock_text(at)}"
    return text if width >= _WITH_MS else text[:-4] if width >= _WITH_CLOCK else ""


def _ms_before(figures: Explained, attempt: ExplainedAttempt) -> float:
    """Milliseconds from the order's first step to the attempt's."""
    before = [a for a in figures["attempts"] if a["attempt"] < attempt["attempt"]]
    return sum(step["ms"] or 0.0 for a in before for step in a["steps"] if step["kind"] != "waiting")


def _step_bar(begun: float, ms: float, whole: float, cells: int) -> Line:
    """The part of the order's time that a step took, where it lies; the least of them is still seen."""
    if not whole:
        return [Cell("")]
    start = min(cells - 1, round(begun / whole * cells))
    bar = "━" * (min(cells, round((begun + ms) / whole * cells)) - start) or "╸"
    return [Cell(" " * start), Cell(bar, "cyan"), Cell(" " * (cells - start - len(bar)))]

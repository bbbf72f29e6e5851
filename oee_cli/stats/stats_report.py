"""`oee stats`: asks for the figures of a period, and gives them as JSON, as CSV, or to the view that draws.

The figures are the daemon's; nothing is measured or rounded here. In CSV a column is the figure's path in
the JSON, with venues and tokens by their name: `venues.raydium.winRate`, `volume.USDC`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from oee_cli.api.client_http import session
from oee_cli.options import check_format
from oee_cli.output import Output, clean
from oee_cli.stats.stats_options import StatsQuery
from oee_cli.text.csv_text import write_csv
from oee_cli.text.time_text import read_period
from oee_daemon.contract.shapes import StatsReport

#: What a list's elements go by in a column's name.
_NAMES = ("venue", "token")


def report_stats(query: StatsQuery, as_csv: bool, output: Output) -> None:
    """Execution quality over a period. Everything typed is checked before anything is started."""
    check_format(as_csv, output.json)
    params = _read_query(query)
    with session(output) as client:
        report: StatsReport = client.get("/api/stats", params)
    if output.json:
        output.emit(report)
    elif as_csv:
        _write_csv(report)
    elif not report["total"]["orders"]:
        output.note(_explain_nothing(query))
    else:
        from oee_cli.stats.stats_screen import draw_stats

        draw_stats(output, report)


def _read_query(query: StatsQuery) -> dict[str, str]:
    """As the daemon is asked. Raises `UsageFault` for what can be seen from here."""
    since, until = read_period(
        None if _means_everything(query) else query.since,
        query.until,
        hint="The period goes from --since up to, and without, --until.",
        moments="Everything there is: all.",
    )
    found = query._asdict() | {"since": since, "until": until}
    return {name: value for name, value in found.items() if value is not None}


def _means_everything(query: StatsQuery) -> bool:
    return query.since.strip().lower() == "all"


def _explain_nothing(query: StatsQuery) -> str:
    if query.pair or query.side:
        return "no order like that in this period\n  everything there is: oee stats --since all"
    if _means_everything(query) and query.until is None:
        return "no orders yet\n  place one: oee buy SOL USDC 1.5"
    return "no orders in this period\n  everything there is: oee stats --since all"


def _write_csv(report: StatsReport) -> None:
    """A row for each group, or one for all; the total has every column that any group has."""
    by = report["by"]
    columns = [path for path, _ in _flatten(report["total"]) if _is_column(path, by)]
    groups = report["groups"] if by is not None else [report["total"]]
    figures = (dict(_flatten(row)) for row in groups)
    names = (by if path == "key" and by else path for path in columns)
    write_csv(names, (map(row.get, columns) for row in figures))


def _is_column(path: str, by: str | None) -> bool:
    """Whether a figure is a column: all but what a row by venue says better."""
    return not (path.startswith("venues.") and ".statuses." in path) and (by is not None or path != "key")


def _flatten(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every figure with its path. An element of a list goes by its name, and alone by its one value."""
    if isinstance(value, list):
        value = dict(_name_element(element) for element in value)
    elif not isinstance(value, dict):
        yield path, value
        return
    for name, inner in value.items():
        yield from _flatten(inner, f"{path}.{name}" if path else name)


def _name_element(element: dict[str, Any]) -> tuple[str, Any]:
    name = next(name for name in _NAMES if name in element)
    rest = {key: value for key, value in element.items() if key != name}
    return clean(str(element[name])), rest if len(rest) > 1 else next(iter(rest.values()))

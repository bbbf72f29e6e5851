"""`oee history` and `oee fills`: pages of rows, as a table, as CSV, or as one array of JSON.

Rows are printed as their page arrives, so that any number of them takes the same memory. A listing is whole
while orders arrive: new ones are newer than its cursor, and a cursor never moves.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from oee_cli.api.client_http import Client, session
from oee_cli.cli_errors import UsageFault
from oee_cli.lists.list_options import ListOptions, OrderFilter
from oee_cli.network_badge import badge
from oee_cli.options import USUAL_ROWS, check_format, read_limit
from oee_cli.output import Output
from oee_cli.text.column_text import FILLS, ORDERS, Listing, column_help, named_columns
from oee_cli.text.csv_text import write_csv
from oee_cli.text.nearest_word_text import nearest
from oee_cli.text.time_text import read_period
from oee_daemon.contract.protocol import MAX_PAGE
from oee_daemon.contract.status import Status

Row = dict[str, Any]

#: Pages without a row, one after the other, after which a listing of so many rows ends.
MOST_EMPTY = 10


def list_orders(chosen: OrderFilter, options: ListOptions) -> None:
    """Past orders, newest first."""
    params = _read_filter(chosen)
    nothing = "no order like that" if params else "no orders yet\n  place one: oee buy SOL USDC 1.5"
    _show_listing(ORDERS, lambda _: params, options, nothing)


def list_fills(order: str | None, options: ListOptions) -> None:
    """What the chain says has landed, newest first."""

    def params(client: Client) -> dict[str, Any]:
        if order is None:
            return {}
        from oee_cli.api.client_order_lookup import find_order

        return {"orderId": find_order(client, order)["orderId"]}

    _show_listing(FILLS, params, options, "nothing has landed yet")


def _show_listing(
    fields: Listing, params: Callable[[Client], dict[str, Any]], options: ListOptions, nothing: str
) -> None:
    """Prints a listing. Everything typed is checked before anything is started."""
    output = Output(options.json, no_color=options.no_color)
    if options.columns is not None and options.columns.strip().lower() in ("help", "list"):
        output.say(column_help(fields))
        return
    columns = _read_columns(options, fields)
    limit = read_limit(options.limit)
    with session(output) as client:
        pages = _Pages(client, fields, params(client), limit)
        if options.csv:
            names = columns or fields.csv
            values = [fields.known[name].value for name in names]
            rows = ((value(row) for value in values) for row in chain.from_iterable(pages))
            write_csv(names, rows)
        elif output.json:
            _write_array(chain.from_iterable(pages))
        else:
            _write_table(fields, columns, pages, options, output, nothing)


def _read_columns(options: ListOptions, fields: Listing) -> tuple[str, ...] | None:
    check_format(options.csv, options.json)
    if options.columns is None:
        return None
    if options.json:
        raise UsageFault(
            "--columns goes with a table or with --csv: --json has every field.",
            hint=f"Choose there with jq: {fields.command} --json | jq '.[] | {{orderId}}'",
        )
    return named_columns(options.columns, fields)


def _read_filter(chosen: OrderFilter) -> dict[str, Any]:
    """The listing's query. Raises `UsageFault` for what can be seen from here."""
    statuses = [word.strip().lower() for typed in chosen.status or () for word in typed.split(",")]
    for word in statuses:
        if word not in tuple(Status):
            near = nearest(word, Status)
            raise UsageFault(
                f"--status can't be {word[:40]!r}.{f' Did you mean {near}?' if near else ''}",
                hint=f"It takes {', '.join(Status)}; several of them with commas.",
            )
    hint = "A listing goes from --since up to, and without, --until."
    since, until = read_period(chosen.since, chosen.until, hint)
    status = ",".join(dict.fromkeys(statuses)) or None
    params = chosen._asdict() | {"status": status, "since": since, "until": until}
    return {name: value for name, value in params.items() if value is not None}


class _Pages:
    """A listing's pages, each asked for when the one before it has been used. `more`: there are others."""

    def __init__(self, client: Client, fields: Listing, params: Mapping[str, Any], limit: int | None) -> None:
        self.client = client
        self.fields = fields
        self.params = params
        self.limit = limit
        self.more = False

    def __iter__(self) -> Iterator[list[Row]]:
        left, cursor, empty = self.limit, None, 0
        while left is None or left > 0:
            asked = {**self.params, "limit": MAX_PAGE if left is None else min(left, MAX_PAGE)}
            if cursor:
                asked["cursor"] = cursor
            page = self.client.get(self.fields.path, asked)
            rows, cursor = page[self.fields.member], page.get("nextCursor")
            self.more = bool(cursor)
            if rows:
                yield rows
            left = None if left is None else left - len(rows)
            # A page of the chain may hold transactions of other programs alone.
            empty = 0 if rows else empty + 1
            if not cursor or cursor == asked.get("cursor") or (left is not None and empty >= MOST_EMPTY):
                return


def _write_array(rows: Iterable[Mapping[str, Any]]) -> None:
    """One array, an element a line, without ever holding it."""
    before = "["
    for row in rows:
        sys.stdout.write(before + json.dumps(badge.on_object(row), separators=(",", ":")))
        before = ",\n"
    sys.stdout.write(("[" if before == "[" else "") + "]\n")
    sys.stdout.flush()


def _write_table(
    fields: Listing,
    columns: Sequence[str] | None,
    pages: _Pages,
    options: ListOptions,
    output: Output,
    nothing: str,
) -> None:
    from oee_cli.lists import list_pager
    from oee_cli.lists.list_tables import fill_lines, order_lines

    draw = order_lines if fields is ORDERS else fill_lines
    # The first page is there before anything is drawn: its answer says the network, which takes some room.
    found = iter(pages)
    first = next(found, None)
    if first is None:
        output.note(nothing)
        return
    lines = draw(output, chain([first], found), columns)
    list_pager.page_list(output, lines, pager=not options.no_pager)
    if pages.more and options.limit is None and sys.stdout.isatty():
        output.note(f"  the newest {USUAL_ROWS}; more: --limit 100, --limit all")

"""`oee history` and `oee fills`: pages of rows, as a table, as CSV, or as one array of JSON.

Rows are printed as their page arrives, so that any number of them takes the same memory. A listing is whole
while orders arrive: new ones are newer than its cursor, and a cursor never moves.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from oee_cli.api.client import Client
from oee_cli.api.session import session
from oee_cli.errors import UsageFault
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output, clean
from oee_cli.text.columns import FILLS, ORDERS, Fields, choose, table_of
from oee_cli.text.times import moment, read_moment
from oee_cli.wire import STATUSES
from oee_daemon.contract.protocol import MAX_PAGE

#: Rows where no number is asked for.
_USUAL = 20
_ALL = ("all", "0")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which orders, as typed; all of them where nothing is said."""

    status: Sequence[str] = ()
    pair: str | None = None
    token: str | None = None
    side: str | None = None
    type: str | None = None
    since: str | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How they are listed, as typed."""

    limit: str | None = None
    columns: str | None = None
    as_csv: bool = False
    pager: bool = True


def history(wanted: Wanted, manner: Manner, output: Output) -> ExitCode:
    """Past orders, newest first."""
    params = _params(wanted)
    nothing = "no order like that" if params else "no orders yet\n  place one: oee buy SOL USDC 1.5"
    return _list(ORDERS, lambda _: params, manner, output, nothing)


def fills(order: str | None, manner: Manner, output: Output) -> ExitCode:
    """What the chain says has landed, newest first."""

    def params(client: Client) -> dict[str, Any]:
        if order is None:
            return {}
        from oee_cli.api.find import find

        return {"orderId": find(client, order)["orderId"]}

    return _list(FILLS, params, manner, output, "nothing has landed yet")


def _list(
    fields: Fields,
    params: Callable[[Client], dict[str, Any]],
    manner: Manner,
    output: Output,
    nothing: str,
) -> ExitCode:
    """Everything typed is checked before anything is started."""
    if manner.columns is not None and manner.columns.strip().lower() in ("help", "list"):
        output.say(table_of(fields))
        return ExitCode.DONE
    columns = _columns(manner, output, fields)
    limit = _limit(manner.limit)
    with session(output) as client:
        pages = _Pages(client, fields, params(client), limit)
        if manner.as_csv:
            _csv(fields, columns or fields.csv, chain.from_iterable(pages))
        elif output.json:
            _array(chain.from_iterable(pages))
        else:
            _table(fields, columns, pages, manner, output, nothing)
    return ExitCode.DONE


def _columns(manner: Manner, output: Output, fields: Fields) -> tuple[str, ...] | None:
    if manner.as_csv and output.json:
        raise UsageFault(
            "Both --csv and --json were given: it takes one of them.", hint="Leave one of them out."
        )
    if manner.columns is None:
        return None
    if output.json:
        raise UsageFault(
            "--columns goes with a table or with --csv: --json has every field.",
            hint=f"Choose there with jq: {fields.command} --json | jq '.[] | {{orderId}}'",
        )
    return choose(manner.columns, fields)


def _limit(text: str | None) -> int | None:
    """How many rows at most; `None` is all of them. Raises `UsageFault`."""
    text = str(_USUAL) if text is None else text.strip().lower()
    if text in _ALL:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 13 and int(text)):
        raise UsageFault(
            f"--limit can't be {text[:40]!r}.", hint="It takes a whole number from 1 on, or all."
        )
    return int(text)


def _params(wanted: Wanted) -> dict[str, Any]:
    """The listing's query. Raises `UsageFault` for what can be seen from here."""
    statuses = [word.strip().lower() for typed in wanted.status for word in typed.split(",")]
    for word in statuses:
        if word not in STATUSES:
            from difflib import get_close_matches

            near = "".join(f" Did you mean {it}?" for it in get_close_matches(word, STATUSES, n=1))
            raise UsageFault(
                f"--status can't be {word[:40]!r}.{near}",
                hint=f"It takes {', '.join(map(repr, STATUSES))}; several of them with commas.",
            )
    since = None if wanted.since is None else read_moment(wanted.since, "--since")
    until = None if wanted.until is None else read_moment(wanted.until, "--until")
    if since is not None and until is not None and moment(since) >= moment(until):
        raise UsageFault(
            f"--since {wanted.since} is not before --until {wanted.until}: nothing is between them.",
            hint="A listing goes from --since up to, and without, --until.",
        )
    params = {
        "status": ",".join(dict.fromkeys(statuses)) or None,
        "pair": wanted.pair,
        "token": wanted.token,
        "side": wanted.side,
        "type": wanted.type,
        "since": since,
        "until": until,
    }
    return {name: value for name, value in params.items() if value is not None}


class _Pages:
    """A listing's pages, each asked for when the one before it has been used. `more`: there are others."""

    def __init__(self, client: Client, fields: Fields, params: Mapping[str, Any], limit: int | None) -> None:
        self.client = client
        self.fields = fields
        self.params = params
        self.limit = limit
        self.more = False

    def __iter__(self) -> Iterator[list[Row]]:
        left, cursor = self.limit, None
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
            if not cursor or not rows:
                return


def _array(rows: Iterable[Mapping[str, Any]]) -> None:
    """One array, an element a line, without ever holding it."""
    before = "["
    for row in rows:
        sys.stdout.write(before + json.dumps(row, separators=(",", ":")))
        before = ",\n"
    sys.stdout.write(("[" if before == "[" else "") + "]\n")
    sys.stdout.flush()


def _csv(fields: Fields, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    values = [fields.known[name].value for name in columns]
    for row in rows:
        found = (value(row) for value in values)
        writer.writerow("" if one is None else clean(str(one)) for one in found)
    sys.stdout.flush()


def _table(
    fields: Fields,
    columns: Sequence[str] | None,
    pages: _Pages,
    manner: Manner,
    output: Output,
    nothing: str,
) -> None:
    from oee_cli.lists import pager
    from oee_cli.lists.view import fill_lines, order_lines

    draw = order_lines if fields is ORDERS else fill_lines
    lines = draw(output, pages, columns)
    first = next(lines, None)
    if first is None:
        output.note(nothing)
        return
    pager.show(output, chain([first], lines), pager=manner.pager)
    if pages.more and manner.limit is None and sys.stdout.isatty():
        output.note(f"  the newest {_USUAL}; more: --limit 100, --limit all")

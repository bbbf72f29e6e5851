"""The options of `oee history` and `oee fills`."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import typer

from oee_cli import options as o


class OrderFilter(NamedTuple):
    """Which orders to list, as typed; all of them where nothing is given."""

    status: Annotated[
        list[str] | None,
        typer.Option("--status", metavar="STATUS", help="Only orders that are this; several with commas."),
    ] = None
    pair: o.Pair = None
    token: Annotated[str | None, typer.Option("--token", metavar="SOL", help="Only with this token.")] = None
    side: o.Side = None
    type: o.Type = None
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Only placed since: 2h, today, monday, ISO.")
    ] = None
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Only placed before: written the same way.")
    ] = None


class ListOptions(NamedTuple):
    """How rows are listed, as typed."""

    limit: o.Limit = None
    columns: Annotated[
        str | None,
        typer.Option("--columns", metavar="A,B,…|help", help="Which columns, of the table and of --csv."),
    ] = None
    json: o.JsonArray = False
    csv: o.Csv = False
    no_pager: Annotated[
        bool, typer.Option("--no-pager", help="No pager for what is longer than the screen.")
    ] = False
    no_color: o.NoColor = False

"""The commands that list: `history`, `fills`.

Only signatures and help: what a command needs is imported when it runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from oee_cli import options as o
from oee_cli.output import Output

Columns = Annotated[
    str | None,
    typer.Option("--columns", metavar="A,B,…|help", help="Which columns, of the table and of --csv."),
]
NoPager = Annotated[bool, typer.Option("--no-pager", help="No pager for what is longer than the screen.")]


def list_orders(
    status: Annotated[
        list[str] | None,
        typer.Option("--status", metavar="STATUS", help="Only orders that are this; several with commas."),
    ] = None,
    pair: o.Pair = None,
    token: Annotated[str | None, typer.Option("--token", metavar="SOL", help="Only with this token.")] = None,
    side: o.Side = None,
    type: Annotated[  # noqa: A002  # the option's name
        str | None, typer.Option("--type", metavar="limit|stop|…", help="Only orders of this type.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Only placed since: 2h, today, monday, ISO.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Only placed before: written the same way.")
    ] = None,
    limit: o.Limit = None,
    columns: Columns = None,
    json: o.JsonArray = False,
    csv: o.Csv = False,
    no_pager: NoPager = False,
    no_color: o.NoColor = False,
) -> None:
    """Past orders, newest first.

    \b
      oee history --since today --status failed,expired
      oee history --columns when,pair,price,fee --token SOL
      oee history --limit all --csv > orders.csv
    """
    from oee_cli.lists.list_pages import ListOptions, OrderFilter, list_orders

    list_orders(
        OrderFilter(
            status=status or (),
            pair=pair,
            token=token,
            side=None if side is None else side.value,
            type=type,
            since=since,
            until=until,
        ),
        ListOptions(limit=limit, columns=columns, as_csv=csv, pager=not no_pager),
        Output(json, no_color=no_color),
    )


def list_fills(
    order: Annotated[str | None, typer.Option("--order", metavar="ID", help="Only this order's.")] = None,
    limit: o.Limit = None,
    columns: Columns = None,
    json: o.JsonArray = False,
    csv: o.Csv = False,
    no_pager: NoPager = False,
    no_color: o.NoColor = False,
) -> None:
    """The chain's own ledger, for audits.

    \b
      oee fills --order last
      oee fills --columns at,orderId,paid,received
      oee fills --limit all --csv > fills.csv
    """
    from oee_cli.lists.list_pages import ListOptions, list_fills

    options = ListOptions(limit=limit, columns=columns, as_csv=csv, pager=not no_pager)
    list_fills(order, options, Output(json, no_color=no_color))

"""The commands that list: `history`, `fills`.

Only signatures and help: what a command needs is imported when it runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from oee_cli.lists.list_options import ListOptions, OrderFilter


def list_orders(*, chosen: OrderFilter, options: ListOptions) -> None:
    """Past orders, newest first.

    \b
      oee history --since today --status failed,expired
      oee history --columns when,pair,price,fee --token SOL
      oee history --limit all --csv > orders.csv
    """
    from oee_cli.lists.list_pages import list_orders

    list_orders(chosen, options)


def list_fills(
    order: Annotated[str | None, typer.Option("--order", metavar="ID", help="Only this order's.")] = None,
    *,
    options: ListOptions,
) -> None:
    """The chain's own ledger, for audits.

    \b
      oee fills --order last
      oee fills --columns at,orderId,paid,received
      oee fills --limit all --csv > fills.csv
    """
    from oee_cli.lists.list_pages import list_fills

    list_fills(order, options)

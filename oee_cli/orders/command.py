"""The commands about one order: `watch`, `show`, `cancel`.

Only signatures and help: what a command needs is imported when it runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from oee_cli import options as o
from oee_cli.exit_codes import ExitCode
from oee_cli.orders.cancel_options import CancelFilter
from oee_cli.output import Output


def watch_order(
    id: Annotated[  # noqa: A002  # the argument's name in help
        str | None,
        typer.Argument(metavar="ID", help="A full id, a unique prefix, or `last`.", show_default=False),
    ] = None,
    timeout: o.WatchTimeout = None,
    json: o.JsonLines = False,
    quiet: o.Quiet = False,
    no_color: o.NoColor = False,
) -> ExitCode:
    """Follow one order from its first event on, or every order.

    \b
      oee watch last         the newest order, to its end
      oee watch --json       every event of every order, a line each
    """
    from oee_cli.orders.watch_or_show import watch_order

    return watch_order(id, timeout, Output(json, quiet, no_color))


def show_order(id: o.Id, json: o.Json = False, no_color: o.NoColor = False) -> None:  # noqa: A002
    """One order explained: its timeline, attempts, quotes and fill.

    \b
      oee show last
      oee show 0c2f0b8e --json
    """
    from oee_cli.orders.watch_or_show import show_order

    show_order(id, Output(json, no_color=no_color))


def cancel_order(
    id: Annotated[  # noqa: A002  # the argument's name in help
        list[str] | None,
        typer.Argument(metavar="ID…", help="Full ids, unique prefixes, or `last`.", show_default=False),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option("--group", metavar="ID", help="Every order of its group, or of that one."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every order that has not ended.")] = False,
    *,
    chosen: CancelFilter,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --all: does not ask.")] = False,
    json: o.Json = False,
    no_color: o.NoColor = False,
) -> ExitCode:
    """Stop orders of which nothing can be on the chain.

    \b
      oee cancel last
      oee cancel 0c2f0b8e 77d1a9c0 --json
      oee cancel --group 0c2f0b8e
      oee cancel --all --pair SOL/USDC --yes
    """
    from oee_cli.orders.cancel_orders import cancel_all, cancel_group, cancel_orders

    output = Output(json, no_color=no_color)
    if group is not None:
        return cancel_group(id or [], group, chosen, output, every=every)
    return cancel_all(id or [], chosen, output, yes=yes) if every else cancel_orders(id or [], chosen, output)

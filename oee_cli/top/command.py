"""The command `oee top` with its options. As in `app`, what it needs is imported when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from oee_cli import options as o
from oee_cli.output import Output


def show_top(
    interval: Annotated[
        str, typer.Option("--interval", metavar="TIME", help="How often to look: seconds, 500ms, 5s.")
    ] = "1",
    once: Annotated[bool, typer.Option("--once", help="One look as plain text, without a terminal.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One look as a JSON object.")] = False,
    no_color: o.NoColor = False,
) -> None:
    """The engine live: orders in flight, queue, workers, venues, fills.

    Fills the terminal, and leaves it as it was. q quits, p pauses, s changes the order of the list.

    \b
      oee top                   until q
      oee top --interval 5s     a look every five seconds
      oee top --once            one look, for a mail or a log
      oee top --json | jq .orders.due
    """
    from oee_cli.top.top_loop import show_top

    show_top(interval, once, Output(json, no_color=no_color))

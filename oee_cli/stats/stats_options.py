"""The options of `oee stats` that say which orders are measured."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import typer

from oee_cli import options as o


class StatsQuery(NamedTuple):
    """Which orders to measure, as typed. `by`: what groups them."""

    since: Annotated[
        str, typer.Option("--since", metavar="2h|today|ISO|all", help="Only orders placed since then.")
    ] = "24h"
    until: Annotated[
        str | None, typer.Option("--until", metavar="2h|today|ISO", help="Only orders placed before then.")
    ] = None
    by: Annotated[
        Literal["venue", "pair", "day"] | None,
        typer.Option("--by", help="A line each; days are days in UTC."),
    ] = None
    pair: o.Pair = None
    side: o.Side = None

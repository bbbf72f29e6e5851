"""The command `oee stats`: how well orders were executed.

Only its signature and help: what it needs is imported when it runs.
"""

from __future__ import annotations

from oee_cli import options as o
from oee_cli.output import Output
from oee_cli.stats.stats_options import StatsQuery


def show_stats(
    *, query: StatsQuery, json: o.Json = False, csv: o.Csv = False, no_color: o.NoColor = False
) -> None:
    """Execution quality: routing's gain, slippage, latency.

    Orders by status and venue, how often each venue won and how many bps routing gained over always
    using the other, fills against quotes, and how long each step took; of the orders placed in a period.

    \b
      oee stats
      oee stats --since 7d --by day
      oee stats --since today --pair SOL/USDC --json | jq .total.slippageBps
    """
    from oee_cli.stats.stats_report import report_stats

    report_stats(query, csv, Output(json, no_color=no_color))

"""The command `oee limits`.

Only its signature and help: what it needs is imported when it runs.
"""

from __future__ import annotations

from oee_cli import options as o
from oee_cli.output import Output


def show_limits(json: o.Json = False, no_color: o.NoColor = False) -> None:
    """How much of each limit is used, and when it frees.

    They are settings: OEE_MAX_ORDER, OEE_MAX_DAILY, OEE_MAX_SLIPPAGE, OEE_MAX_OPEN, OEE_TOKENS.

    \b
      oee limits
      oee limits --json | jq .maxDaily
    """
    from oee_cli.limits.limit_bars import show_limits

    show_limits(Output(json, no_color=no_color))

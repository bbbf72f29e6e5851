"""The command `oee submit`.

Only signatures and help: what a command needs is imported when it runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from oee_cli import options as o
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output


def submit(
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="NDJSON or CSV; - is stdin.", show_default=False)
    ],
    max_inflight: Annotated[
        int, typer.Option("--max-inflight", metavar="N", help="Orders on their way at once.")
    ] = 50,
    batch: Annotated[
        str | None, typer.Option("--batch", metavar="NAME", help="The same batch again places nothing twice.")
    ] = None,
    slippage: o.Slippage = None,
    valid_for: o.ValidFor = None,
    dry_run: o.DryRun = False,
    timeout: o.Timeout = "60",
    detach: Annotated[bool, typer.Option("--detach", help="A result once each order is durable.")] = False,
    quiet: o.Quiet = False,
) -> ExitCode:
    """Place many orders, one a line.

    JSON objects or CSV rows with the fields of the HTTP body; one line of JSON for each result.

    \b
      oee submit orders.ndjson > results.ndjson
      oee submit - --batch monday < orders.csv
    """
    from oee_cli.submit import Batch
    from oee_cli.submit import submit as place_all

    wanted = Batch(
        source=file,
        name=batch,
        max_inflight=max_inflight,
        slippage=slippage,
        valid_for=valid_for,
        timeout=timeout,
        detach=detach,
        dry_run=dry_run,
    )
    return place_all(wanted, Output(json=True, quiet=quiet))

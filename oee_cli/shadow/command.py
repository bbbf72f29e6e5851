"""The command `oee shadow` with its options. As in `app`, what it needs is imported when it runs."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from oee_cli import options as o
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output


def shadow_chain(
    network: Annotated[
        Literal["mainnet", "localnet"], typer.Option("--network", help="Whose swaps.")
    ] = "mainnet",
    span: Annotated[str, typer.Option("--for", metavar="TIME", help="How long: 10m, 6h, 7d.")] = "10m",
    json: o.Json = False,
    quiet: o.Quiet = False,
    no_color: o.NoColor = False,
) -> ExitCode:
    """Judge strangers' swaps as your own, and compare with the blocks.

    Reads new blocks through your RPC endpoints (OEE_RPC_URLS), and has neither a wallet nor a daemon: it
    signs and sends nothing. Exit 0 if the chain never contradicted what was concluded, 1 if it did, 6 if
    nothing could be judged. With --json a line for each swap, and a summary.

    \b
      oee shadow --for 6h
      oee shadow --for 7d --json > shadow.ndjson
    """
    from oee_cli.shadow.shadow_run import run_shadow

    return run_shadow(network, span, Output(json, quiet, no_color=no_color))

"""The command `oee drill` with its options. As in `app`, what it needs is imported when it runs."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from oee_cli import options as o
from oee_cli.cli_errors import UsageFault
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output


def drill(
    orders: Annotated[int, typer.Option("--orders", metavar="N", min=1, help="How many orders.")] = 200,
    faults: Annotated[int, typer.Option("--faults", metavar="N", min=0, help="How many faults.")] = 20,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", min=0, help="Repeats the faults; drawn if not given.")
    ] = None,
    workers: Annotated[
        int,
        typer.Option("--workers", metavar="N", min=1, max=8, help="How many workers; the daemon's is one."),
    ] = 1,
    network: Annotated[
        Literal["simulated", "localnet"], typer.Option("--network", help="On which network.")
    ] = "simulated",
    waiting: Annotated[
        int,
        typer.Option(
            "--waiting", metavar="PERCENT", min=0, max=100, help="How many of a hundred wait for a price."
        ),
    ] = 0,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the drill's home.")] = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> ExitCode:
    """Check the promise on this machine, in a home of its own.

    Many orders run while processes are killed and frozen, connections go silent, the queue is emptied and
    the chain misbehaves. Exit 0 only if none was lost and none was executed twice.

    \b
      oee drill
      oee drill --orders 1000 --faults 50 --workers 3
      oee drill --waiting 60 --workers 2
      oee drill --network localnet
    """
    from secrets import randbelow

    from oee_cli.drill.drill_progress import DrillProgress
    from oee_cli.drill.drill_report import run_drill
    from oee_cli.drill.drill_run import Drill

    if waiting and network != "simulated":
        raise UsageFault(
            f"The drill's judge knows no prices of {network}.",
            code="field_contradicts",
            hint="--waiting goes with --network simulated.",
        )
    drawn = randbelow(10_000) if seed is None else seed
    drill = Drill(DrillProgress(orders, faults, drawn, workers, network, waiting))
    return run_drill(drill, keep, Output(json, quiet))

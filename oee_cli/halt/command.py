"""The commands `oee halt` and `oee resume`.

Only signatures and help: what a command needs is imported when it runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from oee_cli import options as o
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output


def halt_engine(
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why: shown wherever the halt is.")
    ] = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> ExitCode:
    """Let nothing be signed or sent any more, by any worker.

    That holds once the command has returned. Asking the chain, cancelling, expiry and lists go on. A daemon
    that does not answer within a second is killed, which is safe. Exit 6 where a worker elsewhere has not
    said that it is quiet.

    \b
      oee halt
      oee halt --reason 'the market is broken'
    """
    from oee_cli.halt.halt_run import halt_engine

    return halt_engine(reason, Output(json, quiet))


def resume_engine(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> ExitCode:
    """Let a halted engine go on: what is due then, goes on.

    Orders that wait are under OEE_VENUES, OEE_MAX_IMPACT and OEE_FEE_CAP as the daemon has them now.

    \b
      oee resume
      oee resume --yes
    """
    from oee_cli.halt.halt_run import resume_engine

    return resume_engine(yes, Output(json, quiet))

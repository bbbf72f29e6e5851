"""The commands `oee doctor` and `oee paths`: what is wrong here, and where everything is.

Only signatures and help: what a command needs is imported when it runs.
"""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from oee_cli import options as o
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output

#: What `oee_cli.doctor.doctor_paths` knows by name.
PathName = Literal[
    "home", "config", "socket", "token", "wallets", "database", "queue", "logs", "log", "completion"
]


def run_doctor_here(json: o.Json = False, no_color: o.NoColor = False) -> ExitCode:
    """Check everything here, and say what mends it.

    Looks at settings, home, permissions, disk, clock, servers, queue, schema, port and the
    daemon; starts and changes nothing. Exit 0 if nothing fails, even with warnings; otherwise
    what other commands would end with: 6 the daemon or a server, 2 a setting, 4 a permission.

    \b
      oee doctor
      oee doctor --json | jq -r '.checks[] | select(.status != "ok") | .message'
    """
    from oee_cli.doctor.doctor_examination import run_doctor

    return run_doctor(Output(json, no_color=no_color))


def show_home_paths(
    name: Annotated[
        PathName | None, typer.Argument(metavar="[PLACE]", help="Only this one.", show_default=False)
    ] = None,
    json: o.Json = False,
) -> None:
    """Where home, database, logs and everything else are.

    \b
      oee paths
      tail "$(oee paths log)"
    """
    from oee_cli.doctor.doctor_paths import show_home_paths

    show_home_paths(name, Output(json))

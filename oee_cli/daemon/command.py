"""The commands of `oee daemon`, and `oee worker`.

Only signatures and help: what a command needs is imported when it runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from oee_cli import options as o
from oee_cli.exit_codes import ExitCode
from oee_cli.lazy_commands import PlainCommand, group
from oee_cli.output import Output

daemon_app = group(
    """The local daemon; any command that needs it starts it.

    \b
      oee daemon status    what runs, and where
      oee daemon stop      what runs ends or is left safe
    """
)


Switch = Annotated[
    bool,
    typer.Option("--switch-database", help="Work on another database than this home has worked on before."),
]


@daemon_app.command("start", cls=PlainCommand)
def start_daemon(switch: Switch = False, json: o.Json = False, quiet: o.Quiet = False) -> None:
    """Start the daemon, detached, unless it runs already.

    \b
      oee daemon start
      OEE_PORT=4000 oee daemon start    settings are read when it starts
    """
    from oee_cli.daemon.daemon_control import start_daemon

    start_daemon(Output(json, quiet), switch=switch)


@daemon_app.command("stop", cls=PlainCommand)
def stop_daemon(json: o.Json = False, quiet: o.Quiet = False) -> None:
    """Stop the daemon: orders that run end first, or are left safe.

    \b
      oee daemon stop
      oee daemon stop --json
    """
    from oee_cli.daemon.daemon_control import stop_daemon

    stop_daemon(Output(json, quiet))


@daemon_app.command("restart", cls=PlainCommand)
def restart_daemon(switch: Switch = False, json: o.Json = False, quiet: o.Quiet = False) -> None:
    """Stop the daemon and start it again.

    \b
      oee daemon restart
      OEE_WORKER_THREADS=20 oee daemon restart
    """
    from oee_cli.daemon.daemon_control import restart_daemon

    restart_daemon(Output(json, quiet), switch=switch)


@daemon_app.command("status", cls=PlainCommand)
def daemon_status(json: o.Json = False, no_color: o.NoColor = False) -> ExitCode:
    """What of the daemon runs, and where. Exit 6 if nothing does.

    \b
      oee daemon status
      oee daemon status --json | jq -r .http.url
    """
    from oee_cli.daemon.daemon_control import daemon_status

    return daemon_status(Output(json, no_color=no_color))


@daemon_app.command("logs", cls=PlainCommand)
def daemon_logs(
    lines: Annotated[int, typer.Option("--lines", "-n", metavar="N", min=0, help="The last N lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is added.")] = False,
) -> None:
    """Print the daemon's log.

    \b
      oee daemon logs
      oee daemon logs -n 200 --follow
    """
    from oee_cli.daemon.daemon_control import daemon_logs

    daemon_logs(lines, follow, Output())


@daemon_app.command("run", cls=PlainCommand)
def run_daemon(switch: Switch = False) -> None:
    """Run the daemon in the foreground, for a service manager.

    \b
      oee daemon run
      exec oee daemon run            the last line of a start script
    """
    from oee_cli.daemon.daemon_control import run_daemon

    run_daemon(switch=switch)


@daemon_app.command("token", cls=PlainCommand)
def daemon_token(json: o.Json = False) -> None:
    """Print the token that TCP asks for.

    \b
      oee daemon token
      curl -H "Authorization: Bearer $(oee daemon token)" localhost:3000/api/fills
    """
    from oee_cli.daemon.daemon_control import daemon_token

    daemon_token(Output(json))


def run_worker() -> None:
    """Run one more worker.

    It works on the Postgres and Redis that the daemon works on, here or on another host.

    \b
      oee worker
      OEE_DATABASE_URL=… OEE_REDIS_URL=… oee worker
    """
    from oee_cli.daemon.daemon_control import become_engine

    become_engine("worker")

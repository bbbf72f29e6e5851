"""The commands of `oee daemon`, and how every command's usage line is written.

As in `app`, a command imports what it needs when it runs.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
import typer.core

from oee_cli import options as o
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output


class PlainCommand(typer.core.TyperCommand):
    """Its usage line without the braces that Typer puts around what is required."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


daemon_app = typer.Typer(
    help="The local daemon; any command that needs it starts it.",
    rich_markup_mode=None,
    suggest_commands=False,
)


@daemon_app.callback(invoke_without_command=True)
def daemon_root(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


@daemon_app.command(cls=PlainCommand)
def start(json: o.Json = False, quiet: o.Quiet = False) -> ExitCode:
    """Start it, detached, unless it runs already."""
    from oee_cli import daemon

    return daemon.start(Output(json, quiet))


@daemon_app.command(cls=PlainCommand)
def stop(json: o.Json = False, quiet: o.Quiet = False) -> ExitCode:
    """Drain and stop it: what runs ends or is left safe."""
    from oee_cli import daemon

    return daemon.stop(Output(json, quiet))


@daemon_app.command(cls=PlainCommand)
def restart(json: o.Json = False, quiet: o.Quiet = False) -> ExitCode:
    """Stop it and start it again."""
    from oee_cli import daemon

    return daemon.restart(Output(json, quiet))


@daemon_app.command(cls=PlainCommand)
def status(json: o.Json = False, no_color: o.NoColor = False) -> ExitCode:
    """What runs, and where. Exit 6 if nothing does."""
    from oee_cli import daemon

    return daemon.status(Output(json, no_color=no_color))


@daemon_app.command(cls=PlainCommand)
def logs(
    lines: Annotated[int, typer.Option("--lines", "-n", metavar="N", min=0, help="The last N lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is added.")] = False,
) -> ExitCode:
    """Its log."""
    from oee_cli import daemon

    return daemon.logs(lines, follow, Output())


@daemon_app.command(cls=PlainCommand)
def run() -> None:
    """Run it in the foreground, for a service manager."""
    from oee_cli import daemon

    daemon.run()


@daemon_app.command(cls=PlainCommand)
def token(json: o.Json = False) -> ExitCode:
    """Print the token that TCP asks for."""
    from oee_cli import daemon

    return daemon.token(Output(json))

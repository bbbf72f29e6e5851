"""The table of the commands: one line each, by what a person wants to do.

To add a command: write its signature and help as a plain function in `oee_cli/<x>_app.py` (a `typer.Typer`
for a command with commands of its own) and put one line here: its name, the first sentence of its help
without the full stop, and where it is. Nothing is imported until the command is typed; a test holds the
lines against the functions. The usage line, `-h` and `oee help` come by themselves.
"""

from __future__ import annotations

from typing import Annotated

import typer

from oee_cli.tree import Entry, LazyGroup


class Oee(LazyGroup):
    """All commands. A line is short enough for 80 columns."""

    sections = {  # noqa: RUF012  # read only
        "Trade": (
            Entry("buy", "Buy BASE with QUOTE at the best price of all venues", "oee_cli.buy_app:buy"),
            Entry("sell", "Sell BASE for QUOTE at the best price of all venues", "oee_cli.buy_app:sell"),
            Entry("submit", "Place many orders, one a line", "oee_cli.submit_app:submit"),
            Entry(
                "cancel", "Stop an order if nothing of it can be on the chain", "oee_cli.orders_app:cancel"
            ),
        ),
        "Look": (
            Entry("quote", "Every venue's price, best first; trades nothing", "oee_cli.orders_app:quote"),
            Entry(
                "watch",
                "Follow one order from its first event on, or every order",
                "oee_cli.orders_app:watch",
            ),
            Entry(
                "show",
                "One order explained: its timeline, attempts, quotes and fill",
                "oee_cli.orders_app:show",
            ),
            Entry("history", "Past orders, newest first", "oee_cli.lists_app:history"),
            Entry("fills", "The chain's own ledger, for audits", "oee_cli.lists_app:fills"),
            Entry(
                "top",
                "The engine live: orders in flight, queue, workers, venues, fills",
                "oee_cli.top_app:top",
            ),
            Entry(
                "stats",
                "Execution quality: routing's gain, slippage, latency",
                "oee_cli.stats_app:stats",
            ),
        ),
        "Run": (
            Entry(
                "daemon",
                "The local daemon; any command that needs it starts it",
                "oee_cli.daemon_app:daemon_app",
            ),
            Entry("worker", "Run one more worker", "oee_cli.daemon_app:worker"),
            Entry(
                "drill", "Check the promise on this machine, in a home of its own", "oee_cli.drill_app:drill"
            ),
            Entry(
                "backup", "Copy all orders into one file, while the daemon works", "oee_cli.backup_app:backup"
            ),
            Entry(
                "restore",
                "Put a backup into a fresh home, where nothing is executed again",
                "oee_cli.backup_app:restore",
            ),
        ),
        "Set up": (
            Entry("doctor", "Check everything here, and say what mends it", "oee_cli.doctor_app:doctor"),
            Entry("config", "Look at settings and change them", "oee_cli.config_app:config_app"),
            Entry("paths", "Where home, database, logs and everything else are", "oee_cli.doctor_app:paths"),
            Entry("completion", "Print the completion script of a shell", "oee_cli.help_app:completion"),
            Entry("help", "Explain a command or a topic", "oee_cli.help_app:help_command"),
        ),
    }


app = typer.Typer(
    name="oee",
    cls=Oee,
    help="""Executes orders on Solana from a shell: no order lost, none executed twice.

    \b
      oee buy SOL USDC 1.5    exactly 1.5 SOL, at the best price of all venues
      oee show last           what became of it, and why
    """,
    epilog="Also: oee help orders, oee help scripting, oee help exit-codes",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    suggest_commands=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    # `--version` is answered before this module is imported; here it is only described.
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())

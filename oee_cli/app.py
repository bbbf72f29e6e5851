"""The table of the commands: one line each, by what a person wants to do.

To add a command: write its signature and help as a plain function in `oee_cli/<room>/command.py` (a
`typer.Typer` for a command with commands of its own) and put one line here: its name, the first sentence of
its help without the full stop, and where it is. Nothing is imported until the command is typed; a test holds
the lines against the functions. The usage line, `-h` and `oee help` come by themselves.
"""

from __future__ import annotations

from typing import Annotated

import typer

from oee_cli.lazy_commands import Entry, LazyGroup


class Oee(LazyGroup):
    """All commands. A line is short enough for 80 columns."""

    sections = {  # noqa: RUF012  # read only
        "Trade": (
            Entry("buy", "Buy BASE with QUOTE at the best price of all venues", "trade:buy_tokens"),
            Entry("sell", "Sell BASE for QUOTE at the best price of all venues", "trade:sell_tokens"),
            Entry(
                "limit",
                "Trade once the whole amount has your price or a better one, fees and impact included",
                "waiting:place_limit",
            ),
            Entry(
                "stop",
                "Trade once the price has reached a level, or fallen back N % from its best",
                "waiting:place_stop",
            ),
            Entry("edit", "Change what an order waits for, while it waits", "waiting:edit_order"),
            Entry(
                "snipe",
                "Buy a new token once it is listed and passes every check, or any token at one moment",
                "waiting:snipe_token",
            ),
            Entry("submit", "Place many orders, one a line", "batch:submit_batch"),
            Entry("cancel", "Stop orders of which nothing can be on the chain", "orders:cancel_order"),
        ),
        "Look": (
            Entry("quote", "Every venue's price, best first; trades nothing", "trade:quote_prices"),
            Entry(
                "chart",
                "A pair's price live, with the levels of orders that wait and with fills",
                "trade:chart_price",
            ),
            Entry("waiting", "Orders that wait, those nearest to their price first", "waiting:list_waiting"),
            Entry("watch", "Follow one order from its first event on, or every order", "orders:watch_order"),
            Entry(
                "show", "One order explained: its timeline, attempts, quotes and fill", "orders:show_order"
            ),
            Entry("history", "Past orders, newest first", "lists:list_orders"),
            Entry("balance", "What the wallet holds, and what it is worth", "tokens:show_balance"),
            Entry("fills", "The chain's own ledger, for audits", "lists:list_fills"),
            Entry("top", "The engine live: orders in flight, queue, workers, venues, fills", "top:show_top"),
            Entry("stats", "Execution quality: routing's gain, slippage, latency", "stats:show_stats"),
        ),
        "Run": (
            Entry("daemon", "The local daemon; any command that needs it starts it", "daemon:daemon_app"),
            Entry("worker", "Run one more worker", "daemon:run_worker"),
            Entry("halt", "Let nothing be signed or sent any more, by any worker", "halt:halt_engine"),
            Entry("notify", "Who is told what happens while you are away", "notify:notify_app"),
            Entry("limits", "How much of each limit is used, and when it frees", "limits:show_limits"),
            Entry("resume", "Let a halted engine go on: what is due then, goes on", "halt:resume_engine"),
            Entry("drill", "Check the promise on this machine, in a home of its own", "drill:drill"),
            Entry(
                "shadow",
                "Judge strangers' swaps as your own, and compare with the blocks",
                "shadow:shadow_chain",
            ),
            Entry("backup", "Copy all orders into one file, while the daemon works", "backup:backup"),
            Entry(
                "restore", "Put a backup into a fresh home, where nothing is executed again", "backup:restore"
            ),
        ),
        "Set up": (
            Entry("doctor", "Check everything here, and say what mends it", "doctor:run_doctor_here"),
            Entry("wallet", "The key that signs: make, import, lock, unlock, list", "wallet:wallet_app"),
            Entry(
                "tokens", "What can be traded by its symbol; add tokens by their mints", "tokens:tokens_app"
            ),
            Entry("config", "Look at settings and change them", "config:config_app"),
            Entry("paths", "Where home, database, logs and everything else are", "doctor:show_home_paths"),
            Entry("completion", "Print the completion script of a shell", "help:print_completion"),
            Entry("help", "Explain a command or a topic", "help:print_help"),
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

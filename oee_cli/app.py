"""The commands with their arguments and options, and nothing else.

Each command imports what it needs when it runs, so that `--help`, completion and usage errors load neither
HTTP nor Rich. What a command does lives in `placing`, `orders`, `lists`, `submit` and `daemon`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from oee_cli import options as o
from oee_cli.daemon_app import PlainCommand, daemon_app
from oee_cli.drill_app import drill
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output

app = typer.Typer(
    name="oee",
    help="Executes orders on Solana from a shell: no order lost, none executed twice.",
    epilog="Exit codes: oee help exit-codes",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    suggest_commands=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.add_typer(daemon_app, name="daemon")


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    # `--version` is answered before this module is imported; here it is only described.
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


@app.command(cls=PlainCommand)
def buy(
    base: o.Base,
    quote: o.Quote,
    amount: o.Amount = None,
    spend: o.Spend = None,
    slippage: o.Slippage = None,
    max_spend: o.MaxSpend = None,
    min_receive: o.MinReceive = None,
    idempotency_key: o.Key = None,
    dry_run: o.DryRun = False,
    timeout: o.Timeout = "60",
    valid_for: o.ValidFor = None,
    detach: o.Detach = False,
    json: o.Json = False,
    events: o.Events = False,
    quiet: o.Quiet = False,
    no_color: o.NoColor = False,
) -> ExitCode:
    """Buy BASE with QUOTE at the best price of all venues.

    \b
      oee buy SOL USDC 1.5            exactly 1.5 SOL, paid in USDC
      oee buy SOL USDC --spend 200    as much SOL as exactly 200 USDC buy
    """
    from oee_cli.placing import Manner, Wanted, place

    return place(
        Wanted(
            side="buy",
            base=base,
            quote=quote,
            amount=amount,
            other=spend,
            slippage=slippage,
            valid_for=valid_for,
            max_spend=max_spend,
            min_receive=min_receive,
        ),
        Manner(key=idempotency_key, dry_run=dry_run, timeout=timeout, detach=detach, events=events),
        Output(json, quiet, no_color),
    )


@app.command(cls=PlainCommand)
def sell(
    base: o.Base,
    quote: o.Quote,
    amount: o.Amount = None,
    receive: o.Receive = None,
    slippage: o.Slippage = None,
    max_spend: o.MaxSpend = None,
    min_receive: o.MinReceive = None,
    idempotency_key: o.Key = None,
    dry_run: o.DryRun = False,
    timeout: o.Timeout = "60",
    valid_for: o.ValidFor = None,
    detach: o.Detach = False,
    json: o.Json = False,
    events: o.Events = False,
    quiet: o.Quiet = False,
    no_color: o.NoColor = False,
) -> ExitCode:
    """Sell BASE for QUOTE at the best price of all venues.

    \b
      oee sell SOL USDC 1.5              exactly 1.5 SOL, for USDC
      oee sell SOL USDC --receive 200    as little SOL as brings exactly 200 USDC
    """
    from oee_cli.placing import Manner, Wanted, place

    return place(
        Wanted(
            side="sell",
            base=base,
            quote=quote,
            amount=amount,
            other=receive,
            slippage=slippage,
            valid_for=valid_for,
            max_spend=max_spend,
            min_receive=min_receive,
        ),
        Manner(key=idempotency_key, dry_run=dry_run, timeout=timeout, detach=detach, events=events),
        Output(json, quiet, no_color),
    )


@app.command(cls=PlainCommand)
def quote(
    base: o.Base,
    quote: o.Quote,
    amount: o.Amount = None,
    side: Annotated[o.SideWord, typer.Option("--side", help="Which way to ask.")] = o.SideWord.BUY,
    spend: o.Spend = None,
    receive: o.Receive = None,
    json: o.Json = False,
    no_color: o.NoColor = False,
) -> ExitCode:
    """Every venue's price, best first; trades nothing.

    \b
      oee quote SOL USDC 1.5                what buying 1.5 SOL would cost
      oee quote SOL USDC 1.5 --side sell    what selling 1.5 SOL would bring
    """
    from oee_cli.orders import quote as ask

    return ask(base, quote, amount, spend, receive, side.value, Output(json, no_color=no_color))


@app.command(cls=PlainCommand)
def watch(
    id: Annotated[  # noqa: A002  # the argument's name in help
        str | None,
        typer.Argument(metavar="ID", help="A full id, a unique prefix, or `last`.", show_default=False),
    ] = None,
    timeout: o.WatchTimeout = None,
    json: o.JsonLines = False,
    quiet: o.Quiet = False,
    no_color: o.NoColor = False,
) -> ExitCode:
    """Follow one order from its first event on, or every order.

    \b
      oee watch last         the newest order, to its end
      oee watch --json       every event of every order, a line each
    """
    from oee_cli.orders import watch as follow

    return follow(id, timeout, Output(json, quiet, no_color))


@app.command(cls=PlainCommand)
def show(id: o.Id, json: o.Json = False, no_color: o.NoColor = False) -> ExitCode:  # noqa: A002
    """One order explained: its timeline, attempts, quotes and fill.

    \b
      oee show last
      oee show 0c2f0b8e --json
    """
    from oee_cli.orders import show as explain

    return explain(id, Output(json, no_color=no_color))


@app.command(cls=PlainCommand)
def cancel(id: o.Id, json: o.Json = False, no_color: o.NoColor = False) -> ExitCode:  # noqa: A002
    """Stop an order if nothing of it can be on the chain.

    \b
      oee cancel last
      oee cancel 0c2f0b8e --json
    """
    from oee_cli.orders import cancel as stop

    return stop(id, Output(json, no_color=no_color))


@app.command(cls=PlainCommand)
def history(
    status: Annotated[
        o.StatusWord | None, typer.Option("--status", help="Only orders that are this.")
    ] = None,
    pair: Annotated[str | None, typer.Option("--pair", metavar="SOL/USDC", help="Only this pair.")] = None,
    side: Annotated[o.SideWord | None, typer.Option("--side", help="Only this side.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="2h|today|ISO", help="Only orders placed since then.")
    ] = None,
    limit: o.Limit = 20,
    json: o.JsonArray = False,
    csv: o.Csv = False,
    no_color: o.NoColor = False,
) -> ExitCode:
    """Past orders, newest first.

    \b
      oee history --since today --status failed
      oee history --limit 5000 --csv > orders.csv
    """
    from oee_cli.lists import history as list_orders

    return list_orders(
        status=None if status is None else status.value,
        pair=pair,
        side=None if side is None else side.value,
        since=since,
        limit=limit,
        as_csv=csv,
        output=Output(json, no_color=no_color),
    )


@app.command(cls=PlainCommand)
def fills(
    order: Annotated[str | None, typer.Option("--order", metavar="ID", help="Only this order's.")] = None,
    limit: o.Limit = 20,
    json: o.JsonArray = False,
    csv: o.Csv = False,
    no_color: o.NoColor = False,
) -> ExitCode:
    """The chain's own ledger, for audits.

    \b
      oee fills
      oee fills --limit 5000 --csv > fills.csv
    """
    from oee_cli.lists import fills as list_fills

    return list_fills(order=order, limit=limit, as_csv=csv, output=Output(json, no_color=no_color))


@app.command(cls=PlainCommand)
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


@app.command(cls=PlainCommand)
def worker() -> None:
    """Run one more worker.

    Against the same Redis and Postgres, here or on another host.

    \b
      oee worker
      OEE_DATABASE_URL=… OEE_REDIS_URL=… oee worker
    """
    from oee_cli.daemon import become

    become("worker")


app.command(cls=PlainCommand)(drill)


@app.command(cls=PlainCommand)
def completion(shell: Annotated[o.Shell, typer.Argument(show_default=False)]) -> ExitCode:
    """Print the completion script of a shell.

    \b
      oee completion bash > ~/.local/share/bash-completion/completions/oee
      oee completion fish > ~/.config/fish/completions/oee.fish
    """
    from oee_cli.completion import script

    typer.echo(script(shell.value, typer.main.get_command(app)), nl=False)
    return ExitCode.DONE


@app.command(name="help", cls=PlainCommand)
def help_command(
    ctx: typer.Context,
    topic: Annotated[
        list[str] | None, typer.Argument(metavar="COMMAND|exit-codes", show_default=False)
    ] = None,
) -> ExitCode:
    """Explain a command, or the exit codes.

    \b
      oee help buy
      oee help exit-codes
    """
    from oee_cli.usage import help_text

    typer.echo(help_text(typer.main.get_command(app), topic or []))
    return ExitCode.DONE

"""The commands `oee buy`, `oee sell`, `oee quote` and `oee chart`.

Only signatures and help: what a command needs is imported when it runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from oee_cli import options as o
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output


def buy_tokens(
    base: o.Base,
    quote: o.Quote,
    amount: o.Amount = None,
    spend: o.Spend = None,
    *,
    options: o.PlaceOptions,
) -> ExitCode:
    """Buy BASE with QUOTE at the best price of all venues.

    \b
      oee buy SOL USDC 1.5            exactly 1.5 SOL, paid in USDC
      oee buy SOL USDC --spend 200    as much SOL as exactly 200 USDC buy
    """
    from oee_cli.text.request_text import TradeRequest
    from oee_cli.trade.trade_placement import place_order

    asked = TradeRequest(side="buy", base=base, quote=quote, amount=amount, spend=spend)
    return place_order(asked, options)


def sell_tokens(
    base: o.Base,
    quote: o.Quote,
    amount: o.Amount = None,
    receive: o.Receive = None,
    *,
    options: o.PlaceOptions,
) -> ExitCode:
    """Sell BASE for QUOTE at the best price of all venues.

    \b
      oee sell SOL USDC 1.5              exactly 1.5 SOL, for USDC
      oee sell SOL USDC --receive 200    as little SOL as brings exactly 200 USDC
    """
    from oee_cli.text.request_text import TradeRequest
    from oee_cli.trade.trade_placement import place_order

    asked = TradeRequest(side="sell", base=base, quote=quote, amount=amount, receive=receive)
    return place_order(asked, options)


def quote_prices(
    base: o.Base,
    quote: o.Quote,
    amount: o.Amount = None,
    side: Annotated[o.SideWord, typer.Option("--side", help="Which way to ask.")] = "buy",
    spend: o.Spend = None,
    receive: o.Receive = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Follow the price of a little, until Ctrl-C.")
    ] = False,
    json: o.Json = False,
    no_color: o.NoColor = False,
) -> ExitCode:
    """Every venue's price, best first; trades nothing.

    \b
      oee quote SOL USDC 1.5                what buying 1.5 SOL would cost
      oee quote SOL USDC 1.5 --side sell    what selling 1.5 SOL would bring
      oee quote SOL USDC --watch            the best bid and ask, as they move
    """
    if watch:
        from oee_cli.trade.trade_quote_watch import watch_price

        watch_price(base, quote, amount or spend or receive, Output(json, no_color=no_color))
        return ExitCode.DONE
    from oee_cli.text.request_text import TradeRequest
    from oee_cli.trade.trade_quote import quote_trade

    asked = TradeRequest(side=side, base=base, quote=quote, amount=amount, spend=spend, receive=receive)
    return quote_trade(asked, Output(json, no_color=no_color))


def chart_price(
    base: o.Base,
    quote: o.Quote,
    json: Annotated[
        bool, typer.Option("--json", help="Every price as a line of JSON on stdout, as oee quote --watch.")
    ] = False,
    no_color: o.NoColor = False,
) -> None:
    """A pair's price live, with the levels of orders that wait and with fills.

    Fills the terminal, and leaves it as it was. q quits. It begins with the command; levels more than 5 %
    away are counted and not drawn.

    \b
      oee chart SOL USDC                     until q
      oee chart SOL USDC --json | jq .bid    without a terminal
    """
    from oee_cli.trade.trade_chart_loop import show_chart

    show_chart(base, quote, Output(json, no_color=no_color))

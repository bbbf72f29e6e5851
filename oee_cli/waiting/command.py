"""The commands about orders that wait: `limit`, `stop`, `snipe`, `edit`, `waiting`.

Only signatures and help: what a command needs is imported when it runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from oee_cli import options as o
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output
from oee_cli.text.terms_text import SniperTerms, StopTerms, Terms
from oee_cli.waiting.waiting_options import (
    At,
    Confirm,
    EditRequest,
    Expires,
    Far,
    Floor,
    Oco,
    OrStop,
    OrStopLimit,
    SnipeRequest,
    Start,
    Trail,
)

SideArgument = Annotated[
    o.SideWord, typer.Argument(metavar="buy|sell", help="What to do with BASE.", show_default=False)
]
Spend = Annotated[
    str | None, typer.Option("--spend", metavar="AMOUNT", help="How much QUOTE to pay, exactly. Needed.")
]
Token = Annotated[str, typer.Argument(metavar="TOKEN", help="What to buy.", show_default=False)]


def place_limit(
    side: SideArgument,
    base: o.Base,
    quote: o.Quote,
    amount: o.Amount = None,
    spend: o.Spend = None,
    receive: o.Receive = None,
    at: At = None,
    or_stop: OrStop = None,
    or_stop_limit: OrStopLimit = None,
    oco: Oco = None,
    start: Start = None,
    expires: Expires = None,
    *,
    terms: Terms,
    valid_for: o.ValidFor = None,
    far: Far = False,
    options: o.WaitOptions,
) -> ExitCode:
    """Trade once the whole amount has your price or a better one, fees and impact included.

    On every network, while the daemon runs: oee help waiting.

    \b
      oee limit buy SOL USDC 1.5 --at 140
      oee limit sell SOL USDC --receive 300 --at 160 --expires 7d
      oee limit buy SOL USDC --spend 200 --at -2% --wait --timeout 2h
      oee limit sell SOL USDC 1.5 --at 160 --or-stop 130    at most one is filled
    """
    from oee_cli.text.request_text import TradeRequest
    from oee_cli.waiting.waiting_condition_request import WaitRequest

    trade = TradeRequest(
        side=side, verb=f"limit {side}", base=base, quote=quote, amount=amount, spend=spend,
        receive=receive, terms=terms, valid_for=valid_for,
    )  # fmt: skip
    asked = WaitRequest(kind="limit", trade=trade, at=at, start=start, expires=expires, far=far, oco=oco)
    if or_stop is None and or_stop_limit is None:
        from oee_cli.waiting.waiting_placement import place_waiting

        return place_waiting(asked, options)
    from oee_cli.waiting.waiting_or_stop import place_or_stop

    return place_or_stop(asked, or_stop, or_stop_limit, options)


def place_stop(
    side: SideArgument,
    base: o.Base,
    quote: o.Quote,
    amount: o.Amount = None,
    spend: o.Spend = None,
    receive: o.Receive = None,
    at: At = None,
    trail: Trail = None,
    limit: Floor = None,
    confirm: Confirm = None,
    oco: Oco = None,
    start: Start = None,
    expires: Expires = None,
    *,
    terms: StopTerms,
    valid_for: o.ValidFor = None,
    far: Far = False,
    options: o.WaitOptions,
) -> ExitCode:
    """Trade once the price has reached a level, or fallen back N % from its best.

    On every network, while the daemon runs: oee help waiting.

    \b
      oee stop sell SOL USDC 1.5 --at 130         at 104 or better (20 % floor)
      oee stop sell SOL USDC 1.5 --at 130 --limit 125 --confirm 3s
      oee stop sell SOL USDC 1.5 --trail 5%       5 % under the best bid since now
      oee stop sell SOL USDC 1.5 --at 130 --oco 0c2f0b8e
    """
    from oee_cli.text.request_text import TradeRequest
    from oee_cli.waiting.waiting_condition_request import WaitRequest
    from oee_cli.waiting.waiting_placement import place_waiting

    trade = TradeRequest(
        side=side, verb=f"stop {side}", base=base, quote=quote, amount=amount, spend=spend,
        receive=receive, terms=terms, valid_for=valid_for,
    )  # fmt: skip
    asked = WaitRequest(
        kind="stop", trade=trade, at=at, trail=trail, limit=limit, confirm=confirm, start=start,
        expires=expires, far=far, oco=oco,
    )  # fmt: skip
    return place_waiting(asked, options)


def snipe_token(
    token: Token,
    quote: o.Quote,
    spend: Spend = None,
    *,
    asked: SnipeRequest,
    terms: SniperTerms,
    valid_for: o.SniperValidFor = None,
    options: o.WaitOptions,
) -> ExitCode:
    """Buy a new token once it is listed and passes every check, or any token at one moment.

    A new token is named by its mint: oee tokens new. What it is checked for: oee help sniping. A sniper
    has a place in execution that no other order takes. Unless you say otherwise, it may fill 5 % worse than
    its first quote, and is tried for 30 s.

    \b
      oee snipe JUP USDC --spend 100 --at 2030-12-01T09:00:00Z
      oee snipe JUP USDC --spend 100 --at 10m --max-price 0.9
    """
    from oee_cli.text.request_text import TradeRequest
    from oee_cli.waiting.waiting_placement import place_typed
    from oee_cli.waiting.waiting_snipe_request import read_snipe

    trade = TradeRequest(
        side="buy", verb="snipe", base=token, quote=quote, spend=spend, terms=terms, valid_for=valid_for
    )
    return place_typed(read_snipe(trade, asked), "buy", options)


def list_waiting(
    pair: o.Pair = None,
    type: Annotated[  # noqa: A002  # the option's name
        str | None, typer.Option("--type", metavar="limit|stop|sniper", help="Only orders of this type.")
    ] = None,
    side: o.Side = None,
    limit: o.Limit = None,
    json: o.JsonArray = False,
    csv: o.Csv = False,
    no_color: o.NoColor = False,
) -> None:
    """Orders that wait, those nearest to their price first.

    \b
      oee waiting --pair SOL/USDC
      oee waiting --json | jq '.[] | select(.market.stale)'
    """
    from oee_cli.waiting.waiting_list import list_waiting

    asked = {"pair": pair, "type": type, "side": side}
    list_waiting(asked, o.read_limit(limit), Output(json, no_color=no_color), as_csv=csv)


def edit_order(
    id: o.Id,  # noqa: A002  # the argument's name in help
    *,
    changes: EditRequest,
    json: o.Json = False,
    no_color: o.NoColor = False,
) -> ExitCode:
    """Change what an order waits for, while it waits.

    What you don't give stays; its worst price is made anew. An order that has fired can't be changed: exit 3.

    \b
      oee edit 0c2f --at 138 --expires 24h
      oee edit 0c2f --amount 2 --at -2%
    """
    from oee_cli.waiting.waiting_edit import edit_order

    return edit_order(id, changes, Output(json, no_color=no_color))

"""The options of the commands about orders that wait."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import typer

from oee_cli.text.terms_text import EditedTerms

At = Annotated[
    str | None, typer.Option("--at", metavar="PRICE|±N%", help="QUOTE for one BASE, or a step from now.")
]
Expires = Annotated[
    str | None, typer.Option("--expires", metavar="TIME", help="Stop waiting then: 24h, 7d, ISO. (never)")
]
Start = Annotated[
    str | None, typer.Option("--from", metavar="TIME", help="Begin to wait then: 24h, 7d, ISO. (at once)")
]
Far = Annotated[bool, typer.Option("--far", help="The price is meant, although it is far from the market.")]
Confirm = Annotated[
    str | None, typer.Option("--confirm", metavar="TIME", help="How long the price has to hold. (800ms)")
]
Trail = Annotated[
    str | None, typer.Option("--trail", metavar="N%", help="Follow the best price at this distance instead.")
]
Floor = Annotated[
    str | None,
    typer.Option("--limit", metavar="PRICE|none", help="Never fill worse. (20 % past --at)"),
]
Oco = Annotated[
    str | None,
    typer.Option("--oco", metavar="ID", help="Join that order or its group: at most one is filled."),
]
OrStop = Annotated[
    str | None,
    typer.Option("--or-stop", metavar="PRICE|±N%", help="And a stop there; at most one of both is filled."),
]
OrStopLimit = Annotated[
    str | None,
    typer.Option("--or-stop-limit", metavar="PRICE|none", help="That stop's worst price. (20 % past it)"),
]


class SnipeRequest(NamedTuple):
    """What a purchase waits for, as it was typed."""

    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="The moment: ISO with up to microseconds, 10m."),
    ] = None
    min_liquidity: Annotated[
        str | None,
        typer.Option(
            "--min-liquidity", metavar="USD", help="What the pool has to hold of QUOTE, in USD. (10000)"
        ),
    ] = None
    accept: Annotated[
        str | None, typer.Option("--accept", metavar="RISK,…", help="Risks that you take, one by one.")
    ] = None
    max_price: Annotated[
        str | None,
        typer.Option("--max-price", metavar="PRICE|±N%", help="Never pay more QUOTE for one TOKEN."),
    ] = None
    within: Annotated[
        str | None,
        typer.Option("--within", metavar="TIME", help="Give up then. (24h; a known token's 30 s after --at)"),
    ] = None


class EditRequest(NamedTuple):
    """What is to change, as it was typed."""

    at: At = None
    trail: Trail = None
    limit: Floor = None
    confirm: Confirm = None
    amount: Annotated[
        str | None,
        typer.Option("--amount", metavar="AMOUNT", help="A new amount, of the token that it counts."),
    ] = None
    start: Start = None
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="TIME|never", help="Stop waiting then: 24h, 7d, ISO.")
    ] = None
    terms: EditedTerms = EditedTerms()
    far: Far = False

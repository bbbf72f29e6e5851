"""The arguments and options that several commands share, each described once.

Long values have a metavar that shows how they are written; help texts are one short sentence.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer


class SideWord(StrEnum):
    BUY = "buy"
    SELL = "sell"


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


Base = Annotated[str, typer.Argument(metavar="BASE", help="The token that is traded.", show_default=False)]
Quote = Annotated[
    str, typer.Argument(metavar="QUOTE", help="The token that it is traded against.", show_default=False)
]
Amount = Annotated[
    str | None, typer.Argument(metavar="AMOUNT", help="How much BASE, exactly.", show_default=False)
]
Id = Annotated[
    str, typer.Argument(metavar="ID", help="A full id, a unique prefix, or `last`.", show_default=False)
]
Spend = Annotated[
    str | None, typer.Option("--spend", metavar="AMOUNT", help="Pay exactly this much QUOTE instead.")
]
Receive = Annotated[
    str | None, typer.Option("--receive", metavar="AMOUNT", help="Get exactly this much QUOTE instead.")
]


def _slippage(usual: str, quote: str = "the first quote") -> Any:
    """`usual`: what holds where nobody says it."""
    told = f"How much worse than {quote} a fill may be." + (f" ({usual})" if usual else "")
    return typer.Option("--slippage", metavar="0.5%|50bps", help=told)


Slippage = Annotated[str | None, _slippage("0.5%")]
StopSlippage = Annotated[str | None, _slippage("1%", "each try's quote")]
SniperSlippage = Annotated[str | None, _slippage("5%", "each try's quote")]
BatchSlippage = Annotated[str | None, _slippage("0.5%; stop 1%, sniper 5%")]
EditedSlippage = Annotated[str | None, _slippage("")]
MaxSpend = Annotated[
    str | None, typer.Option("--max-spend", metavar="AMOUNT", help="Never pay more than this.")
]
MinReceive = Annotated[
    str | None, typer.Option("--min-receive", metavar="AMOUNT", help="Never get less than this.")
]
Key = Annotated[
    str | None,
    typer.Option("--idempotency-key", metavar="KEY", help="The same key places the order only once."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Quotes and every check; places nothing.")]
Timeout = Annotated[
    str, typer.Option("--timeout", metavar="TIME", help="How long to wait for the end: seconds, 90s, 5m.")
]
WatchTimeout = Annotated[
    str | None, typer.Option("--timeout", metavar="TIME", help="How long to watch; for ever if not given.")
]
ValidFor = Annotated[
    str | None, typer.Option("--valid-for", metavar="TIME", help="Expires if not sent by then (300 s).")
]
BatchValidFor = Annotated[
    str | None,
    typer.Option("--valid-for", metavar="TIME", help="Expires if not sent by then (300 s; sniper 30 s)."),
]
SniperValidFor = Annotated[
    str | None, typer.Option("--valid-for", metavar="TIME", help="Expires if not sent by then (30 s).")
]
Detach = Annotated[bool, typer.Option("--detach", help="Print the id once the order is durable, and return.")]
Tokens = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TOKEN…]", help="Only these, by symbol or mint.", show_default=False),
]
Pair = Annotated[str | None, typer.Option("--pair", metavar="SOL/USDC", help="Only this pair.")]
Side = Annotated[SideWord | None, typer.Option("--side", help="Only this side.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
JsonLines = Annotated[bool, typer.Option("--json", help="Every event as a line of JSON on stdout.")]
JsonArray = Annotated[bool, typer.Option("--json", help="One JSON array on stdout.")]
Csv = Annotated[bool, typer.Option("--csv", help="CSV with a header row on stdout.")]
Events = Annotated[bool, typer.Option("--events", help="Every event as a line of JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colours.")]

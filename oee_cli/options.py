"""The arguments and options that several commands share, each described once; terms of an order stand in
`text.terms_text`. A named tuple of them is a group: a command takes it whole, by a parameter that has to be
named, in the place of its options.

Long values have a metavar that shows how they are written; help texts are one short sentence.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import typer

from oee_cli.cli_errors import UsageFault
from oee_cli.text.terms_text import Terms

#: Rows of a listing where no number is asked for.
USUAL_ROWS = 20


SideWord = Literal["buy", "sell"]

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
_Key = Annotated[
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
Tokens = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TOKEN…]", help="Only these, by symbol or mint.", show_default=False),
]
Pair = Annotated[str | None, typer.Option("--pair", metavar="SOL/USDC", help="Only this pair.")]
Side = Annotated[SideWord | None, typer.Option("--side", help="Only this side.")]
Type = Annotated[str | None, typer.Option("--type", metavar="limit|stop|…", help="Only orders of this type.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
JsonLines = Annotated[bool, typer.Option("--json", help="Every event as a line of JSON on stdout.")]
JsonArray = Annotated[bool, typer.Option("--json", help="One JSON array on stdout.")]
Csv = Annotated[bool, typer.Option("--csv", help="CSV with a header row on stdout.")]
Limit = Annotated[
    str | None,
    typer.Option("--limit", "-n", metavar="N|all", help="At most this many, or every one. (20)"),
]
Events = Annotated[bool, typer.Option("--events", help="Every event as a line of JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colours.")]


class PlaceOptions(NamedTuple):
    """How an order that trades at once is bound, placed, waited for and shown."""

    terms: Terms = Terms()
    max_spend: Annotated[
        str | None, typer.Option("--max-spend", metavar="AMOUNT", help="Never pay more than this.")
    ] = None
    min_receive: Annotated[
        str | None, typer.Option("--min-receive", metavar="AMOUNT", help="Never get less than this.")
    ] = None
    key: _Key = None
    dry_run: DryRun = False
    timeout: Timeout = "60"
    valid_for: ValidFor = None
    detach: Annotated[
        bool, typer.Option("--detach", help="Print the id once the order is durable, and return.")
    ] = False
    json: Json = False
    events: Events = False
    quiet: Quiet = False
    no_color: NoColor = False


class WaitOptions(NamedTuple):
    """How an order that waits is placed, whether somebody waits for it, and how it is shown."""

    wait: Annotated[
        bool, typer.Option("--wait", help="Follow the order to its end; else its id is printed.")
    ] = False
    timeout: Annotated[
        str | None,
        typer.Option("--timeout", metavar="TIME", help="With --wait: for how long. (for ever)"),
    ] = None
    key: _Key = None
    dry_run: DryRun = False
    json: Json = False
    events: Events = False
    quiet: Quiet = False
    no_color: NoColor = False


def check_format(csv: bool, json: bool) -> None:
    """Raises `UsageFault` where both were asked for."""
    if csv and json:
        raise UsageFault(
            "Both --csv and --json were given: it takes one of them.", hint="Leave one of them out."
        )


def read_limit(text: str | None) -> int | None:
    """How many rows a listing has at most; `None` is all of them. Raises `UsageFault`."""
    text = str(USUAL_ROWS) if text is None else text.strip().lower()
    if text == "all":
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 100 and int(text)):
        raise UsageFault(
            f"--limit can't be {text[:40]!r}.", hint="It takes a whole number from 1 on, or all."
        )
    return int(text)

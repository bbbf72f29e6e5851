"""The commands of `oee tokens`, and `oee balance`.

Only signatures and help: what a command needs is imported when it runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from oee_cli import options as o
from oee_cli.lazy_commands import PlainCommand
from oee_cli.output import Output

tokens_app = typer.Typer(
    help="""What can be traded by its symbol; add tokens by their mints.

    A mint can be traded as it is. A symbol is one of the pinned list, or one that you gave: what a
    search finds is never traded by its symbol.

    \b
      oee tokens                          where each is from and what it can do
      oee tokens search BONK              also what the network's directory knows
      oee tokens add MINT --symbol FOO    from now on FOO means this mint
    """,
    rich_markup_mode=None,
    suggest_commands=False,
)
Mint = Annotated[str, typer.Argument(metavar="MINT", help="Its address.", show_default=False)]


@tokens_app.callback(invoke_without_command=True)
def tokens_root(ctx: typer.Context, json: o.JsonArray = False, no_color: o.NoColor = False) -> None:
    if ctx.invoked_subcommand is None:
        from oee_cli.tokens.token_list import list_tokens

        list_tokens(Output(json, no_color=no_color))


@tokens_app.command("search", cls=PlainCommand)
def search_tokens(
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="Of a symbol, a name, or a mint.", show_default=False)
    ],
    json: o.JsonArray = False,
    no_color: o.NoColor = False,
) -> None:
    """Look a token up: pinned, added, and in the network's directory.

    \b
      oee tokens search BONK
      oee tokens search BONK --json | jq -r '.[] | select(.origin==null) | .mint'
    """
    from oee_cli.tokens.token_list import search_tokens

    search_tokens(text, Output(json, no_color=no_color))


@tokens_app.command("new", cls=PlainCommand)
def list_new_tokens(
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", min=1, max=100, help="At most this many.")
    ] = 10,
    json: o.JsonArray = False,
    no_color: o.NoColor = False,
) -> None:
    """Tokens that will be traded next, the nearest first: of the simulated network and of localnet.

    \b
      oee tokens new
      oee snipe "$(oee tokens new --json | jq -r '.[0].mint')" USDC --spend 100
    """
    from oee_cli.tokens.token_list import list_new_tokens

    list_new_tokens(limit, Output(json, no_color=no_color))


@tokens_app.command("add", cls=PlainCommand)
def add_token(
    mint: Mint,
    symbol: Annotated[
        str | None, typer.Option("--symbol", metavar="FOO", help="What you call it from now on.")
    ] = None,
    accept: Annotated[
        str | None,
        typer.Option("--accept", metavar="NAME,…", help="The extensions whose risk you take, by name."),
    ] = None,
    json: o.Json = False,
    no_color: o.NoColor = False,
) -> None:
    """Add a token by its mint, or say anew what it is called and what you accept.

    Decimals, program and extensions are read from the chain.

    \b
      oee tokens add MINT --symbol FOO
      oee tokens add MINT --accept permanent-delegate
    """
    from oee_cli.tokens.token_edit import add_token

    add_token(mint, symbol, accept, Output(json, no_color=no_color))


@tokens_app.command("remove", cls=PlainCommand)
def remove_token(
    token: Annotated[
        str, typer.Argument(metavar="TOKEN", help="Its symbol, or its mint.", show_default=False)
    ],
    json: o.Json = False,
) -> None:
    """Take back what you said of a token: its symbol, and what you accepted.

    \b
      oee tokens remove FOO
      oee tokens remove MINT
    """
    from oee_cli.tokens.token_edit import remove_token

    remove_token(token, Output(json))


def show_balance(
    tokens: o.Tokens = None,
    json: o.Json = False,
    no_color: o.NoColor = False,
) -> None:
    """What the wallet holds, and what it is worth.

    A price that is not known is said to be so, and left out of the total. The simulated network
    has no balances: exit 3.

    \b
      oee balance
      oee balance SOL USDC
      oee balance --json | jq -r .totalUsd
    """
    from oee_cli.api.client_balance import show_balance

    show_balance(tokens or [], Output(json, no_color=no_color))

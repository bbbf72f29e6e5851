"""The commands of `oee wallet`.

Only signatures and help: what a command needs is imported when it runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from oee_cli import options as o
from oee_cli.exit_codes import ExitCode
from oee_cli.lazy_commands import PlainCommand, group
from oee_cli.output import Output

wallet_app = group(
    """The key that signs: make, import, lock, unlock, list.

    A sealed wallet is opened by a passphrase and held in the worker's memory alone. While it is
    locked, orders are refused (exit 4) before anything is stored; what was sent is still confirmed.

    \b
      oee wallet new                a new key, sealed by a passphrase
      oee wallet unlock --for 8h    orders can be signed until then
    """
)
Name = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="Small letters, digits, -; the default one if not given."),
]
Named = Annotated[
    str, typer.Argument(metavar="NAME", help="As `oee wallet list` shows it.", show_default=False)
]
PassphraseFile = Annotated[
    str | None,
    typer.Option("--passphrase-file", metavar="FILE", help="Its one line is the passphrase (mode 0600)."),
]
NoPassphrase = Annotated[
    bool, typer.Option("--no-passphrase", help="Leave the key in the file as it is: who reads it can spend.")
]


@wallet_app.command("new", cls=PlainCommand)
def new_wallet(
    name: Name = None,
    passphrase_file: PassphraseFile = None,
    no_passphrase: NoPassphrase = False,
    json: o.Json = False,
    no_color: o.NoColor = False,
) -> None:
    """Make a new key, sealed by a passphrase.

    There is one copy of it, and nobody can make another: back the file up before it holds anything.

    \b
      oee wallet new
      oee wallet new trading --passphrase-file /run/credentials/oee/pass
    """
    from oee_cli.wallet.wallet_make import make_wallet

    make_wallet(name, None, passphrase_file, no_passphrase, Output(json, no_color=no_color))


@wallet_app.command("import", cls=PlainCommand)
def import_wallet(
    source: Annotated[
        str, typer.Argument(metavar="-", help="The key comes on stdin, and nowhere else.", show_default=False)
    ],
    name: Name = None,
    passphrase_file: PassphraseFile = None,
    no_passphrase: NoPassphrase = False,
    json: o.Json = False,
    no_color: o.NoColor = False,
) -> None:
    """Take over a key from stdin, never from an argument.

    Base58 as wallets export it, a JSON list as solana-keygen writes it, or a seed as 64 hex digits.

    \b
      oee wallet import - < id.json
      oee wallet import - trading        asks for it, and does not show it
    """
    from oee_cli.wallet.wallet_make import make_wallet

    make_wallet(name, source, passphrase_file, no_passphrase, Output(json, no_color=no_color))


@wallet_app.command("list", cls=PlainCommand)
def list_wallets(json: o.JsonArray = False, no_color: o.NoColor = False) -> None:
    """Every wallet of this home.

    \b
      oee wallet list
      oee wallet list --json | jq -r '.[] | select(.default) | .address'
    """
    from oee_cli.wallet.wallet_show import list_wallets

    list_wallets(Output(json, no_color=no_color))


@wallet_app.command("show", cls=PlainCommand)
def show_wallet(name: Name = None, json: o.Json = False, no_color: o.NoColor = False) -> None:
    """Its address, file and kind, and whether it is locked; never the key.

    \b
      oee wallet show
      oee wallet show --json | jq -r .address
    """
    from oee_cli.wallet.wallet_show import show_wallet

    show_wallet(name, Output(json, no_color=no_color))


@wallet_app.command("default", cls=PlainCommand)
def choose_wallet(name: Named, json: o.Json = False, no_color: o.NoColor = False) -> None:
    """Let the engine sign with this one, from its next start on.

    An engine belongs to one wallet: a database that another one has worked on refuses it.

    \b
      oee wallet default trading
      oee wallet default trading --json
    """
    from oee_cli.wallet.wallet_choose import choose_wallet

    choose_wallet(name, Output(json, no_color=no_color))


@wallet_app.command("lock", cls=PlainCommand)
def lock_wallet(json: o.Json = False, no_color: o.NoColor = False) -> None:
    """Make the worker forget the key.

    \b
      oee wallet lock
      oee wallet lock --json
    """
    from oee_cli.wallet.wallet_unlock import lock_wallet

    lock_wallet(Output(json, no_color=no_color))


@wallet_app.command("unlock", cls=PlainCommand)
def unlock_wallet(
    for_: Annotated[
        str | None, typer.Option("--for", metavar="8h", help="Lock again by itself: 30m, 8h, 2d.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    json: o.Json = False,
    no_color: o.NoColor = False,
) -> None:
    """Open the sealed wallet that the engine signs with, until it is locked or the daemon ends.

    \b
      oee wallet unlock
      oee wallet unlock --for 8h
    """
    from oee_cli.wallet.wallet_unlock import unlock_wallet

    unlock_wallet(for_, passphrase_file, Output(json, no_color=no_color))


@wallet_app.command("remove", cls=PlainCommand)
def remove_wallet(
    name: Named,
    yes: Annotated[
        bool, typer.Option("--yes", help="There is a backup, or nothing to lose; ask nothing.")
    ] = False,
    json: o.Json = False,
    no_color: o.NoColor = False,
) -> ExitCode:
    """Delete its file, after asking for its name and for a backup.

    Refused for the wallet of an engine that has orders which have not ended.

    \b
      oee wallet remove old
      oee wallet remove old --yes
    """
    from oee_cli.wallet.wallet_remove import remove_wallet

    return remove_wallet(name, yes, Output(json, no_color=no_color))


@wallet_app.command("balance", cls=PlainCommand)
def show_wallet_balance(
    tokens: o.Tokens = None,
    json: o.Json = False,
    no_color: o.NoColor = False,
) -> None:
    """What the wallet in use holds, and what it is worth: as `oee balance`.

    \b
      oee wallet balance
      oee wallet balance SOL USDC
    """
    from oee_cli.api.client_balance import show_balance

    show_balance(tokens or [], Output(json, no_color=no_color))

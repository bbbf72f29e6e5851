"""The commands `oee backup` and `oee restore`.

Only signatures and help: what a command needs is imported when it runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from oee_cli import options as o
from oee_cli.output import Output


def backup(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="Where to; - is stdout.", show_default=False)],
    force: Annotated[bool, typer.Option("--force", help="Take the place of a file that exists.")] = False,
    with_wallets: Annotated[
        bool, typer.Option("--with-wallets", help="The wallets' secret keys too: guard the file as them.")
    ] = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
    no_color: o.NoColor = False,
) -> None:
    """Copy all orders into one file, while the daemon works.

    The whole database at one moment, complete or not written at all. Wallets are left out unless
    you say so; settings and the token are not part of it.

    \b
      oee backup orders.oee
      oee backup - > orders.oee
    """
    from oee_cli.backup.backup_run import backup

    backup(file, force, with_wallets, Output(json, quiet, no_color))


def restore(
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="What `oee backup` wrote; - is stdin.", show_default=False)
    ],
    json: o.Json = False,
    quiet: o.Quiet = False,
    no_color: o.NoColor = False,
) -> None:
    """Put a backup into a fresh home, where nothing is executed again.

    Orders that had not ended are never sent from there: the chain is asked about those that may
    be on it, the others expire. Two homes with the same orders must not both go on: stop the
    first one for good. Restore only files of your own: a backup can do to the home all that
    its maker wants.

    \b
      OEE_HOME=~/oee-restored oee restore orders.oee
      oee restore - < orders.oee
    """
    from oee_cli.backup.backup_run import restore

    restore(file, Output(json, quiet, no_color))

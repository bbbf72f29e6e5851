"""`oee wallet new` and `oee wallet import -`: a key's file, made once, never over another."""

from __future__ import annotations

from pathlib import Path

from oee_cli.cli_errors import UsageFault
from oee_cli.output import Output
from oee_cli.settings.settings_load import is_set
from oee_cli.wallet.wallet_asked_secrets import new_passphrase, read_key
from oee_cli.wallet.wallet_engine import ask_engine, check_name, local_settings, must_have_key
from oee_cli.wallet.wallet_show import wallet_line
from oee_daemon.contract.real_money import KEYLESS
from oee_daemon.contract.setting_table import NETWORKS


def make_wallet(
    name: str | None, source: str | None, passphrase_file: str | None, plain: bool, output: Output
) -> None:
    """`source`: where the key comes from, `-`; none for a new one."""
    if source is not None and source != "-":
        raise _key_as_argument(source)
    command = "new" if source is None else "import -"
    must_have_key(local_settings(command), name)
    check_name(name)
    # The key first: with it a passphrase that is asked for would be read from a pipe that is empty by then.
    secret = {} if source is None else {"secret": read_key()}
    made = ask_engine("make", name=name, **secret, **new_passphrase(passphrase_file, plain, command))
    output.answer(
        made, f"✓ {'made' if source is None else 'imported'}   {wallet_line(made)}\n  {made['file']}"
    )
    if made["kind"] == "plain":
        output.sentence("●", "The key is in that file as it is: whoever reads it can spend what it holds.")
    if source is None:
        output.sentence("●", "There is one copy of this key.", f"Back it up: cp {made['file']} …")
    if made["default"]:
        return
    # A network's own signs there without any setting; chosen here, it would be asked for on every network.
    if not is_set("wallet") and made["name"] in set(NETWORKS) - set(KEYLESS):
        output.sentence(
            "●", f"It signs once the network is {made['name']}.", f"oee config set network {made['name']}"
        )
    else:
        output.sentence("●", "The engine signs with another one.", f"oee wallet default {made['name']}")


def _key_as_argument(source: str) -> UsageFault:
    """Never repeats it."""
    if len(source) < 200 and Path(source).exists():
        return UsageFault("The key comes on stdin, and nowhere else.", hint="oee wallet import - < FILE")
    return UsageFault(
        "A key is never given as an argument. If that was one, it is now in this shell's history, and every"
        " process of this machine could read it. Nothing was imported.",
        hint="Take that line out of the history, make another key (oee wallet new), and move to it what that"
        " one holds.\nOn stdin nobody sees it: oee wallet import - < FILE",
        code="key_in_arguments",
    )

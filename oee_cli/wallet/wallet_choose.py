"""`oee wallet default`: which wallet the engine signs with, in config.toml."""

from __future__ import annotations

import os

from oee_cli.cli_errors import Refused
from oee_cli.output import Output
from oee_cli.settings.settings_file_edit import edit_config
from oee_cli.settings.settings_load import config_file
from oee_cli.wallet.wallet_engine import ask_engine, check_name, daemon_wallet, local_settings
from oee_cli.wallet.wallet_show import wallet_line
from oee_daemon.contract.setting_table import BY_NAME


def choose_wallet(name: str, output: Output) -> None:
    """Raises `Refused` where the daemon here belongs to another wallet: it would not start again."""
    settings = local_settings("default")
    found = ask_engine("show", name=check_name(name))
    held = daemon_wallet(settings)
    if held is not None and held["address"] != found["address"]:
        raise Refused(
            f"This database belongs to an engine whose wallet is {held['address']}, and {name} is"
            f" {found['address']}. One engine has one wallet.",
            hint="On another network the wallet that is called like the network signs, without any setting.\n"
            f"A home of its own for it: OEE_HOME=… OEE_WALLET={found['file']} oee daemon start\n"
            "Where a change is meant: docs/operations.md, One engine",
            code="other_engine",
        )
    # The network's own needs no setting: written down it would be asked for on every other network, too, and
    # a new or restored home would miss it instead of making it.
    own = name == (settings.network or BY_NAME["network"].default)
    written = edit_config(config_file(), "wallet", None if own else name)
    found |= {"default": True, "changed": written}
    output.answer(found, f"✓ default   {wallet_line(found)}")
    if os.environ.get("OEE_WALLET"):
        output.sentence("●", "OEE_WALLET is set in the environment and wins.", "unset OEE_WALLET")
    if held is not None and held["file"] != found["file"]:
        output.sentence("●", "The daemon that runs goes on with the file of its start.", "oee daemon restart")

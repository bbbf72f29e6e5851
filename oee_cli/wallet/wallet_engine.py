"""What `oee wallet` asks of the engine: files by a process that is gone at once, the rest of the daemon.

A key or a passphrase is handed over by a pipe or the socket, never in an argument or a variable.
"""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

from oee_cli.api.client_launcher import Launcher, daemon_command
from oee_cli.cli_errors import CliError, Forbidden, Refused, UsageFault
from oee_cli.network_badge import badge
from oee_cli.output import Output, clean
from oee_cli.settings.settings_load import Settings, load_local_settings
from oee_daemon.contract.real_money import KEYLESS
from oee_daemon.contract.setting_readers import WALLET_NAME

_KINDS: dict[str, type[CliError]] = {
    "bad_key": UsageFault,
    "bad_passphrase": UsageFault,
    "bad_setting": UsageFault,
    "no_wallet": UsageFault,
    "key_file": Forbidden,
    "passphrase_file": Forbidden,
    "wallet_unwritable": Forbidden,
    "wallet_exists": Refused,
}


def local_settings(what: str) -> Settings:
    """Raises `UsageFault` where the daemon is elsewhere: its wallets are, too."""
    there = f"On the machine that the daemon runs on: oee wallet {what}"
    settings = load_local_settings(f"wallet {what}", "the wallets", there)
    badge.wear(settings.network)
    return settings


def must_have_key(settings: Settings, name: str | None) -> None:
    """Raises `Refused` where the wallet that signs is meant, and nothing is signed."""
    if name is None and settings.network in KEYLESS:
        raise Refused(
            f"Nothing is signed on {settings.network}: it has no key, and asks for none.",
            hint="What it holds: oee balance. A key for real money: oee wallet new mainnet",
            code="keyless_network",
        )


def check_name(name: str | None) -> str | None:
    """Raises `UsageFault`, which does not repeat what may be a key."""
    if name is not None and not re.fullmatch(WALLET_NAME, name):
        raise UsageFault(
            "A wallet's name has 1 to 32 small letters, digits and -.",
            hint="Those there are: oee wallet list",
        )
    return name


def ask_engine(action: str, **request: Any) -> Any:
    """The result of one action on the files of this home. Raises the error that it tells."""
    done = subprocess.run(
        daemon_command("wallet", action), input=json.dumps(request).encode(), capture_output=True, cwd="/"
    )
    try:
        told = json.loads(done.stdout)
    except ValueError:
        said = [clean(line) for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
        raise CliError("\n".join(["The engine ended without a word.", *said[-3:]])) from None
    if "error" in told:
        error = told["error"]
        raise _KINDS.get(error["code"], CliError)(error["message"], hint=error["hint"], code=error["code"])
    return told["result"]


def daemon_wallet(settings: Settings) -> dict[str, Any] | None:
    """What a daemon that runs here signs with; none where none answers. Starts nothing."""
    status = Launcher(settings, Output()).fetch("/api/status")
    return status.get("wallet") if isinstance(status, dict) else None

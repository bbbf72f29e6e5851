"""Passphrases and keys as people give them: at a terminal, unseen, or from a file; never from an argument."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Any

from oee_cli.cli_errors import Forbidden, UsageFault
from oee_cli.network_badge import badge
from oee_cli.settings.settings_load import stored_settings
from oee_cli.settings.settings_origins import setting_value
from oee_daemon.contract.setting_table import BY_NAME

#: Bytes of stdin that may be a key.
_MOST = 8192


def passphrase_file(given: str | None) -> str | None:
    """The file that was named, or that is set. Raises `UsageFault` where the setting can't be understood."""
    if given is not None:
        return os.path.abspath(given)  # noqa: PTH100 - as it was typed, links and all
    found = setting_value(BY_NAME["wallet_passphrase_file"], os.environ, stored_settings())
    if found.problem:
        raise UsageFault(found.complaint, code="bad_setting")
    return found.text


def new_passphrase(given: str | None, none: bool, command: str) -> dict[str, Any]:
    """What a new wallet is sealed with, for the engine: a file, what was typed, or nothing on purpose."""
    if none and given is not None:
        raise UsageFault("Both --no-passphrase and --passphrase-file were given: it takes one of them.")
    if none:
        return {}
    file = passphrase_file(given)
    if file is not None:
        return {"passphrase_file": file}
    _need_terminal(command)
    first = _ask("passphrase for the new wallet: ")
    if first != _ask("the same again: "):
        raise UsageFault("The two were not the same. Nothing was made.", code="bad_passphrase")
    return {"passphrase": first}


def known_passphrase(given: str | None) -> str:
    """What opens a wallet. Raises `UsageFault`, and `Forbidden` by what the engine says of a file."""
    if given is not None:
        return _read_file(given)
    if not sys.stdin.isatty():
        raise UsageFault(
            "The passphrase is asked for at a terminal, and this is none.",
            hint="oee wallet unlock --passphrase-file FILE\n"
            "For a daemon without a person: OEE_WALLET_PASSPHRASE_FILE, see docs/wallets.md",
            code="no_terminal",
        )
    return _ask("passphrase: ")


def read_key() -> str:
    """The key on stdin; asked for, and not shown, where that is a terminal. Raises `UsageFault`."""
    if sys.stdin.isatty():
        return _ask("secret key: ")
    content = sys.stdin.buffer.read(_MOST + 1)
    if len(content) > _MOST:
        raise UsageFault(f"What came on stdin has more than {_MOST} bytes: that is no key.", code="bad_key")
    return content.decode(errors="replace")


def _read_file(path: str) -> str:
    try:
        if stat.S_IMODE(Path(path).stat().st_mode) & 0o077 and not path.startswith("/run/credentials/"):
            raise Forbidden(
                f"{path} can be read by others.", hint=f"chmod 600 {path}", code="passphrase_file"
            )
        with Path(path).open("rb") as file:
            content = file.read(_MOST).decode().removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as e:
        reason = getattr(e, "strerror", None) or "it is not UTF-8 text"
        raise Forbidden(f"{path} can't be read: {reason}.", code="passphrase_file") from None
    if not content or "\n" in content:
        raise Forbidden(f"{path} has to hold a passphrase: one line.", code="passphrase_file")
    return content


def _need_terminal(command: str) -> None:
    try:
        # `import -` has its key on stdin: the terminal is asked, wherever stdin comes from.
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
        there = command == "import -" or sys.stdin.isatty()
    except OSError:
        there = False
    if not there:
        raise UsageFault(
            "The passphrase is asked for at a terminal, and this is none.",
            hint=f"oee wallet {command} with one of:\n"
            "--passphrase-file FILE   its one line is the passphrase\n"
            "--no-passphrase   leaves the key in the file as it is",
            code="no_terminal",
        )


def _ask(prompt: str) -> str:
    from getpass import getpass

    try:
        # It writes to the terminal itself, past what names the network on each line.
        return getpass(f"{badge.network} {prompt}" if badge.network else prompt)
    except EOFError:
        raise UsageFault("Nothing was typed.", code="bad_passphrase") from None

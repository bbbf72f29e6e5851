"""`python -m oee_daemon wallet ACTION`: what `oee wallet` does with files, in a process that is gone at once.

Speaks to the command line: the request comes as one JSON object on stdin, a passphrase or a key only there;
the answer is a line of JSON on stdout, with the result or the error, and never a secret. Needs no daemon.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from solders.keypair import Keypair

from oee_daemon import settings as settings_page
from oee_daemon.contract import home_files
from oee_daemon.errors import Conflict, InvalidInput, OeeError
from oee_daemon.networks.wallet.key_file import read_wallet, write_wallet
from oee_daemon.networks.wallet.key_folder import wallet_file, wallet_path
from oee_daemon.networks.wallet.key_pair_file import keypair_content
from oee_daemon.networks.wallet.key_passphrase import check_new, read_passphrase_file
from oee_daemon.networks.wallet.key_sealed_file import seal
from oee_daemon.networks.wallet.key_secret import read_secret_key
from oee_daemon.settings import Settings


def run(action: str) -> int:
    """0, or 1 with the error told."""
    os.umask(0o077)
    try:
        result = ACTIONS[action](settings_page.load(), json.load(sys.stdin))
    except OeeError as e:
        told = {"code": e.code, "message": e.message, "hint": getattr(e, "hint", None)}
        print(json.dumps({"error": told}), flush=True)
        return 1
    except OSError as e:
        told = {"code": "wallet_unwritable", "message": f"{e.filename}: {e.strerror}.", "hint": None}
        print(json.dumps({"error": told}), flush=True)
        return 1
    print(json.dumps({"result": result}), flush=True)
    return 0


def _file(found: Settings, asked: Mapping[str, Any]) -> Path:
    name = asked.get("name")
    return wallet_path(found) if name is None else wallet_file(found.home, name)


def _make(found: Settings, asked: Mapping[str, Any]) -> dict[str, Any]:
    """A new key, or the one that was given. The file is read back before anybody relies on it."""
    path = _file(found, asked)
    if path.exists() or path.is_symlink():
        raise _taken_error(path)
    secret = asked.get("secret")
    keypair = Keypair() if secret is None else read_secret_key(secret)
    passphrase = asked.get("passphrase")
    if asked.get("passphrase_file") is not None:
        passphrase = read_passphrase_file(Path(asked["passphrase_file"]))
    content = keypair_content(keypair) if passphrase is None else seal(keypair, check_new(passphrase))
    try:
        write_wallet(path, content)
    except FileExistsError:
        raise _taken_error(path) from None
    wallet = read_wallet(path)
    if passphrase is not None:
        wallet.unlock(passphrase)
    return _describe(found, path)


def _taken_error(path: Path) -> Conflict:
    return Conflict(
        f"{path} exists already, and no key is ever overwritten.",
        code="wallet_exists",
        hint="Give another name, or move that one away: oee wallet list",
    )


def _show(found: Settings, asked: Mapping[str, Any]) -> dict[str, Any]:
    return _describe(found, _file(found, asked))


def _describe(found: Settings, path: Path) -> dict[str, Any]:
    """Raises `StartFailed` where it is no wallet."""
    wallet = read_wallet(path)
    kind = "sealed" if wallet.sealed else "plain"
    return _row(found, path) | {"address": wallet.address, "kind": kind}


def _row(found: Settings, path: Path) -> dict[str, Any]:
    row = {"name": path.stem, "address": None, "file": str(path), "kind": None}
    return row | {"default": path == wallet_path(found), "problem": None}


def _list(found: Settings, _asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every one in the home, and the one that was set; a file that is none with its problem."""
    files = {
        *(found.home / home_files.WALLETS).glob("*.json"),
        *(path for path in [wallet_path(found)] if path.exists()),
    }
    rows = []
    for path in sorted(files, key=lambda file: file.stem):
        try:
            rows.append(_describe(found, path))
        except OeeError as e:
            rows.append(_row(found, path) | {"problem": e.message})
    return rows


def _remove(found: Settings, asked: Mapping[str, Any]) -> dict[str, Any]:
    path = wallet_file(found.home, asked["name"])
    if not path.exists() and not path.is_symlink():
        raise InvalidInput(f"There is no wallet {asked['name']}.", code="no_wallet", hint="oee wallet list")
    path.unlink()
    return _row(found, path)


#: What can be asked for.
ACTIONS: Mapping[str, Callable[[Settings, Mapping[str, Any]], Any]] = {
    "make": _make,
    "show": _show,
    "list": _list,
    "remove": _remove,
}

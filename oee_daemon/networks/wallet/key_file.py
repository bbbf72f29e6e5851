"""A wallet's file, whichever of the two formats it has: looked at, opened, and written anew.

What can be wrong with one ends as `BadKeyFile` with the code `key_file`, before anything is signed or sent.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from solders.keypair import Keypair

from oee_daemon.contract import home_files
from oee_daemon.contract.atomic_file import atomic_file
from oee_daemon.errors import InvalidInput
from oee_daemon.networks.wallet.key_pair_file import keypair_content, read_keypair
from oee_daemon.networks.wallet.key_sealed_file import NotSealed, Sealed, is_sealed, read_sealed
from oee_daemon.networks.wallet.key_secret_file import read_secret_file
from oee_daemon.networks.wallet.key_signer import Wallet
from oee_daemon.start_errors import BadKeyFile, OtherWallet

#: The code of every error about a key's file.
CODE = "key_file"


def read_wallet(path: Path) -> Wallet:
    """The wallet in `path`: locked where it is sealed. Raises `BadKeyFile`."""
    content = read_secret_file(path, what="a key", code=CODE)
    found = _read(path, content)
    if isinstance(found, Sealed):
        return Wallet(None, file=path, sealed=found)
    return Wallet(found, file=path)


def _read(path: Path, content: bytes) -> Keypair | Sealed:
    try:
        return read_sealed(content) if is_sealed(content) else read_keypair(content)
    except NotSealed as e:
        raise BadKeyFile(f"{path} is no sealed key: {e}. Put it back from a backup.", code=CODE) from None
    except InvalidInput as e:
        why = "" if "JSON list" in e.message else f" ({e.message.partition(': ')[2].removesuffix('.')})"
        raise BadKeyFile(f"{path} is no keypair: it takes a JSON list of 64 bytes{why}.", code=CODE) from None


def open_wallet(path: Path, named: Callable[[], str | None] = lambda: None) -> Wallet:
    """The wallet of an engine. `named` tells the address that the database belongs to.

    Raises `OtherWallet` where that one's file is missing, and `BadKeyFile` where there is none, where others
    can read it, or where it is no key.
    """
    if is_missing(path):
        address = named()
        if address is None:
            raise no_key(path)
        raise OtherWallet(
            f"This database belongs to an engine whose wallet is {address}, and {path} does not exist."
            f" Copy wallets/{path.name} from the home of the daemon that has worked on this database."
            " Where that key is lost: docs/operations.md, One engine."
        )
    return read_wallet(path)


def is_missing(path: Path) -> bool:
    return not path.exists() and not path.is_symlink()


def no_key(path: Path) -> BadKeyFile:
    name = path.stem if path.parent.name == home_files.WALLETS else "NAME"
    return BadKeyFile(
        f"There is no key at {path}. Make one: oee wallet new {name}; or bring your own: oee wallet"
        f" import - {name}",
        code=CODE,
    )


def write_wallet(path: Path, content: bytes) -> None:
    """Writes a key's file with mode 0600. Raises `FileExistsError` where there is one: no key is ever
    overwritten."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with atomic_file(path, replace=False) as file:
        file.write(content)


def make_wallet(path: Path) -> None:
    """Writes a new plain key, unless there is a file. Of several at once the first one wins."""
    with contextlib.suppress(FileExistsError):
        write_wallet(path, keypair_content(Keypair()))

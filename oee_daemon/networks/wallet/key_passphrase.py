"""The passphrase that seals a wallet: what one may be, and the file that gives it where there is no person.

The same characters are the same passphrase however a keyboard composes them. It is never logged, stored, or
put into an argument or a variable; what holds it in memory forgets it once the key is open.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

from oee_daemon.errors import InvalidInput
from oee_daemon.networks.wallet.key_secret_file import read_secret_file
from oee_daemon.start_errors import BadKeyFile

#: Characters of a new one, and bytes of any: a few random words are about 30.
LEAST, MOST = 8, 1024
#: The code of every error about the file.
CODE = "passphrase_file"


def passphrase_bytes(text: str) -> bytes:
    """What is derived from. Raises `InvalidInput` for text that nobody can type."""
    try:
        found = unicodedata.normalize("NFC", text).encode()
    except UnicodeEncodeError:
        raise InvalidInput("The passphrase is not UTF-8 text.", code="bad_passphrase") from None
    if len(found) > MOST:
        raise InvalidInput(f"The passphrase has more than {MOST} bytes.", code="bad_passphrase")
    return found


def check_new(text: str) -> bytes:
    """As `passphrase_bytes`, for one that is to seal a key. Raises `InvalidInput` also where it is short."""
    if len(text) < LEAST:
        raise InvalidInput(
            f"The passphrase has fewer than {LEAST} characters: whoever gets the file would try them all.",
            code="bad_passphrase",
            hint="Five or six random words are easy to keep and hard to try.",
        )
    return passphrase_bytes(text)


def read_passphrase_file(path: Path) -> str:
    """The first line of `path`, mode 0600 or lent by systemd. Raises `BadKeyFile`."""
    content = read_secret_file(path, what="a passphrase", code=CODE)
    try:
        found = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise BadKeyFile(f"{path} is not UTF-8 text, where a passphrase should be.", code=CODE) from None
    if not found or "\n" in found:
        raise BadKeyFile(f"{path} has to hold a passphrase: one line, and nothing else.", code=CODE)
    return found

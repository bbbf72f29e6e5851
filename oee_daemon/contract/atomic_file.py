"""The one way in which a small file is written: it is complete or not there, whenever the machine stops."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

#: What helps where something can't be written, whoever owns it.
_REMEDIES = {
    errno.EROFS: "Its file system is read-only: mount -o remount,rw makes it writable, or use another.",
    errno.ENOSPC: "The disk is full: make room there.",
    errno.EDQUOT: "The account's quota on that disk is used up: make room there.",
}


def write_remedy(e: OSError, otherwise: str) -> str:
    """What helps against that; `otherwise` where the reason is none of the disk's."""
    return _REMEDIES.get(e.errno or 0, otherwise)


@contextmanager
def atomic_file(target: Path, *, replace: bool = True, durable: bool = True) -> Iterator[BinaryIO]:
    """A file of mode 0600 that gets its name when it is complete and, if `durable`, on disk; until then it
    has another one, which nobody can have foreseen.

    Raises `FileExistsError` at the end where the name is taken and not to be replaced.
    """
    draft = target.with_name(f".{target.name[:50]}.{secrets.token_hex(8)}.part")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(draft, flags, 0o600), "w+b") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        if replace:
            draft.replace(target)
        else:
            # Unlike a rename this never takes the place of what came there meanwhile.
            os.link(draft, target)
        if durable:
            flush_folder(target.parent)
    finally:
        draft.unlink(missing_ok=True)


def atomic_write(target: Path, text: str, *, durable: bool = True) -> None:
    """Puts `text` into `target`, which others than its owner can't open, in place of what was there."""
    with atomic_file(target, durable=durable) as file:
        file.write(text.encode())


def flush_folder(folder: Path) -> None:
    """Makes the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

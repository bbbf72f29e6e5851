"""The file of a backup: written whole or not at all, and checked to its last byte before it is used.

It is a plain tar archive, so that it can be read without this program: what it is (`oee-backup.json`), the
wallets that were asked for, the database as `pg_restore` reads it, and a checksum of each. Nothing is ever
unpacked by a name that stands in it. Nothing here knows a database.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tarfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from oee_daemon.errors import BackupFailed

#: The first member, whose name begins the file: its magic.
ABOUT = "oee-backup.json"
#: What `pg_restore` reads, and the last member, as `sha256sum -c` reads it.
DUMP, SUMS = "database.dump", "SHA256SUMS"
WALLET = re.compile(r"wallets/([a-z0-9-]{1,32})\.json")
#: This release's format; one that it does not know is refused.
FORMAT = 1
#: Bytes at once, the unit of a tar archive, and the most that a member other than the dump may have.
CHUNK, BLOCK, SMALL = 1 << 20, 512, 1 << 20


class Archive:
    """Writes the members one after the other; the size of each is filled in when it is known."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sums: list[str] = []

    def add(self, name: str, chunks: Iterable[bytes]) -> None:
        place = self._file.tell()
        self._file.write(bytes(BLOCK))
        digest = hashlib.sha256()
        size = 0
        for chunk in chunks:
            self._file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
        self._file.write(bytes(-size % BLOCK))
        self._file.seek(place)
        self._file.write(_header(name, size))
        self._file.seek(0, os.SEEK_END)
        self._sums.append(f"{digest.hexdigest()}  {name}\n")

    def end(self) -> int:
        """Adds the checksums and returns the file's size in bytes."""
        self.add(SUMS, ["".join(self._sums).encode()])
        self._file.write(bytes(2 * BLOCK))
        return self._file.tell()


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o600, int(time.time())
    # GNU's, because a size may be more than the 8 GiB of the older one.
    return info.tobuf(tarfile.GNU_FORMAT)


@dataclass(frozen=True, slots=True)
class Backup:
    """A file that was read to its end and found whole. `wallets`: content by network."""

    about: dict[str, Any]
    wallets: dict[str, bytes]
    _file: BinaryIO
    _place: int
    _size: int

    def dump(self) -> Iterator[bytes]:
        """The database, as `pg_dump` wrote it."""
        self._file.seek(self._place)
        left = self._size
        while left and (chunk := self._file.read(min(left, CHUNK))):
            left -= len(chunk)
            yield chunk


def check(file: BinaryIO, name: str) -> Backup:
    """Reads all of it. Raises `BackupFailed` where it is no backup, or not all of one."""
    file.seek(0)
    begin = ABOUT.encode() + b"\0"
    if file.read(len(begin)) != begin:
        raise BackupFailed(
            f"{name} is not a backup.", code="not_a_backup", hint="It takes a file that `oee backup` wrote."
        )
    file.seek(0)
    try:
        return _read(file)
    except (tarfile.TarError, ValueError, KeyError, TypeError, EOFError, RecursionError) as e:
        raise BackupFailed(
            f"{name} is damaged or cut short ({e}). Nothing was restored.",
            code="backup_damaged",
            hint="Copy it anew, or use an earlier one.",
        ) from None


def _read(file: BinaryIO) -> Backup:
    sums: dict[str, str] = {}
    small: dict[str, bytes] = {}
    place = size = -1
    with tarfile.open(fileobj=file, mode="r:") as archive:
        for member in archive:
            if not member.isreg() or member.name in sums or SUMS in small:
                raise ValueError(f"{member.name!r} does not belong there")
            if member.name == DUMP:
                place, size = member.offset_data, member.size
            elif member.size > SMALL:
                raise ValueError(f"{member.name!r} is too large")
            sums[member.name], content = _sum(file, member)
            if member.name != DUMP:
                small[member.name] = content
    if SUMS not in small:
        raise ValueError("its end is missing")
    del sums[SUMS]
    wanted = "".join(f"{digest}  {name}\n" for name, digest in sums.items())
    if place < 0 or small.pop(SUMS) != wanted.encode():
        raise ValueError("its checksums do not agree")
    wallets = {match[1]: content for name, content in small.items() if (match := WALLET.fullmatch(name))}
    return Backup(_read_about(small[ABOUT]), wallets, file, place, size)


def _sum(file: BinaryIO, member: tarfile.TarInfo) -> tuple[str, bytes]:
    """The member's checksum, and its last chunk: all of it where it is small."""
    file.seek(member.offset_data)
    digest, left, chunk = hashlib.sha256(), member.size, b""
    while left:
        chunk = file.read(min(left, CHUNK))
        if not chunk:
            raise ValueError("its end is missing")
        digest.update(chunk)
        left -= len(chunk)
    return digest.hexdigest(), chunk


def _read_about(content: bytes) -> dict[str, Any]:
    about: dict[str, Any] = json.loads(content)
    if int(about["format"]) > FORMAT:
        raise BackupFailed(
            f"The backup was made by oee {about.get('version')}, in a format that this release can't read.",
            code="backup_too_new",
            hint="Restore it with that release, or a later one.",
        )
    for key, kind in (("version", str), ("revision", str), ("takenAt", str), ("orders", int)):
        if not isinstance(about[key], kind):
            raise TypeError(f"its {key} can't be read")
    datetime.fromisoformat(about["takenAt"])
    return about

"""The file of a backup: what is written is read again, and nothing else is."""

from __future__ import annotations

import io
import json
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest

from oee_daemon.backups import archive_file
from oee_daemon.contract.atomic_file import atomic_file
from oee_daemon.errors import BackupFailed

ABOUT: dict[str, Any] = {"format": 1, "version": "0.1.0", "revision": "0001", "orders": 3}
ABOUT["takenAt"] = "2026-11-27T13:55:15.666485Z"
DUMP = bytes(range(256)) * 5
#: JSON that no parser follows to its end.
DEEP = b"[" * 100_000


def made(members: dict[str, bytes] | None = None, *, end: bool = True) -> bytes:
    """A backup's bytes; `members` are put in before its dump."""
    out = io.BytesIO()
    archive = archive_file.Archive(out)
    archive.add(archive_file.ABOUT, [json.dumps(ABOUT).encode()])
    for name, content in (members or {}).items():
        archive.add(name, [content])
    archive.add(archive_file.DUMP, [DUMP[:700], DUMP[700:]])
    if end:
        archive.end()
    return out.getvalue()


def refusal(content: bytes) -> str:
    """The code with which it is refused, and "" where it is taken."""
    try:
        archive_file.check(io.BytesIO(content), "it")
    except BackupFailed as e:
        assert e.hint
        return e.code
    return ""


def test_what_was_written_is_read_again() -> None:
    content = made({"wallets/simulated.json": b"[1]"})
    backup = archive_file.check(io.BytesIO(content), "it")
    assert (backup.about, backup.wallets) == (ABOUT, {"simulated": b"[1]"})
    assert b"".join(backup.dump()) == b"".join(backup.dump()) == DUMP


def test_tar_and_sha256sum_read_it_too() -> None:
    with tarfile.open(fileobj=io.BytesIO(made())) as archive:
        assert archive.getnames() == [archive_file.ABOUT, archive_file.DUMP, archive_file.SUMS]
        assert {(m.mode, m.uid, m.gid) for m in archive} == {(0o600, 0, 0)}
        sums = archive.extractfile(archive_file.SUMS)
        assert (
            sums is not None
            and [len(line.split("  ")[0]) for line in sums.read().decode().splitlines()] == [64] * 2
        )


def test_a_file_cut_anywhere_is_refused() -> None:
    content = made()
    # Less than the two empty blocks at the end is the last member's.
    for length in range(0, len(content) - 2 * archive_file.BLOCK - 400, 97):
        assert refusal(content[:length]), length
    assert refusal(content) == ""


def test_one_changed_byte_of_what_counts_is_noticed() -> None:
    content = made()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        places = [m.offset_data + n for m in archive for n in (0, m.size // 2, m.size - 2)]
    for place in places:
        changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        assert refusal(changed) == "backup_damaged", place


def test_what_is_something_else_is_named_so() -> None:
    other = io.BytesIO()
    with tarfile.open(fileobj=other, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("holiday.jpg"))
    for content in (b"", b"PGDMP", b"{}", bytes(2000), other.getvalue()):
        assert refusal(content) == "not_a_backup"
    assert refusal(made(end=False)) == "backup_damaged"


def test_members_that_do_not_belong_there_are_refused_or_left_alone() -> None:
    assert refusal(made({archive_file.ABOUT: b"{}"})) == "backup_damaged"
    assert refusal(made({"large": bytes(archive_file.SMALL + 1)})) == "backup_damaged"
    link = tarfile.TarInfo(archive_file.DUMP)
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    assert refusal(made(end=False) + link.tobuf()) == "backup_damaged"
    strange = {"wallets/../../evil.json": b"[1]", "/etc/cron.d/x": b"x", "wallets/UP.json": b"[1]"}
    assert archive_file.check(io.BytesIO(made(strange)), "it").wallets == {}


@pytest.mark.parametrize(
    ("about", "code"),
    [
        (ABOUT | {"format": 2}, "backup_too_new"),
        (ABOUT | {"orders": "3"}, "backup_damaged"),
        ({"format": 1}, "backup_damaged"),
        (ABOUT | {"takenAt": "yesterday"}, "backup_damaged"),
        ([], "backup_damaged"),
        (DEEP, "backup_damaged"),
    ],
)
def test_what_it_says_of_itself_has_to_be_understood(about: Any, code: str) -> None:
    out = io.BytesIO()
    archive = archive_file.Archive(out)
    archive.add(archive_file.ABOUT, [about if isinstance(about, bytes) else json.dumps(about).encode()])
    archive.add(archive_file.DUMP, [DUMP])
    archive.end()
    assert refusal(out.getvalue()) == code


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "orders.oee"
    with pytest.raises(ZeroDivisionError), atomic_file(target, replace=True) as opened:
        opened.write(b"half")
        assert not target.exists()
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    with atomic_file(target, replace=False) as opened:
        opened.write(b"all")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    # Somebody else's, made in the meantime, stays.
    with pytest.raises(FileExistsError), atomic_file(target, replace=False) as opened:
        opened.write(b"other")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"all"]

"""The migrations are a line: each has one before it and one after it, and its file is named by its number."""

from __future__ import annotations

import re
from pathlib import Path

from oee_daemon.store import migrations

VERSIONS = Path(migrations.__file__).parent / "versions"
_REVISION = re.compile(r'^(revision|down_revision) = (?:"(\d+)"|None)$', re.MULTILINE)


def test_each_migration_follows_the_one_before_it() -> None:
    found = [
        (path.name, dict(_REVISION.findall(path.read_text()))) for path in sorted(VERSIONS.glob("0*.py"))
    ]
    numbers = [name.partition("_")[0] for name, _ in found]
    assert numbers == [f"{n:04}" for n in range(1, len(numbers) + 1)]
    assert [said["revision"] for _, said in found] == numbers
    assert [said["down_revision"] for _, said in found] == ["", *numbers[:-1]]

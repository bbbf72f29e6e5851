"""A short drill on localnet, through the command itself."""

from __future__ import annotations

from pathlib import Path

from tests.kit.drills import short_drill


def test_a_short_drill_keeps_the_promise(tmp_path: Path) -> None:
    short_drill(tmp_path, "localnet", orders=24, faults=8, seed=3, forked=True)

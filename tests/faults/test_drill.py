"""A short drill on the simulated network, through the command itself."""

from __future__ import annotations

from pathlib import Path

from tests.kit.drills import short_drill


def test_a_short_drill_keeps_the_promise(tmp_path: Path) -> None:
    found = short_drill(tmp_path, "simulated", orders=60, faults=12, seed=80, waiting=60)
    assert found["struck"]["halted"] == 3 == found["watched"]["halts"] and found["watched"]["edited"]

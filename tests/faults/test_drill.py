"""A short drill on each network that has one, through the command itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("network", "orders", "faults", "seed", "waiting"),
    [("simulated", 60, 12, 80, 60), ("localnet", 24, 8, 3, 0)],
)
def test_a_short_drill_keeps_the_promise(
    tmp_path: Path, network: str, orders: int, faults: int, seed: int, waiting: int
) -> None:
    """And does so whatever the user has set for another home."""
    (tmp_path / "oee").mkdir()
    (tmp_path / "oee/config.toml").write_text('max_order = "0.01"\non_event = "/none"\n')
    environ = os.environ | {"XDG_CONFIG_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "oee_cli", "drill", "--network", network, "--seed", str(seed)]
    command += ["--orders", str(orders), "--faults", str(faults), "--json", "--quiet"]
    command += ["--waiting", str(waiting)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, env=environ)
    found = json.loads(done.stdout)
    assert done.returncode == 0, found
    assert found["kept"] and sum(found["ends"].values()) == orders and found["network"] == network
    assert (found["lost"], found["doubled"], found["gaps"], found["wrong"]) == ([], [], [], [])
    assert (found["unfounded"], found["missed"]) == ([], [])
    assert found["watched"].get("prices found on the path", 0) >= waiting / 5
    if waiting:
        assert found["struck"]["halted"] == 3 == found["watched"]["halts"] and found["watched"]["edited"]
    # Named places are passed by chance; all other faults must have struck.
    assert found["faults"] >= faults - 4

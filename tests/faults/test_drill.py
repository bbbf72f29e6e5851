"""A short drill on each network that has one, through the command itself."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("network", "orders", "faults", "seed"), [("simulated", 80, 12, 11), ("localnet", 24, 8, 3)]
)
def test_a_short_drill_keeps_the_promise(network: str, orders: int, faults: int, seed: int) -> None:
    command = [sys.executable, "-m", "oee_cli", "drill", "--network", network, "--seed", str(seed)]
    command += ["--orders", str(orders), "--faults", str(faults), "--json", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    found = json.loads(done.stdout)
    assert done.returncode == 0, found
    assert found["kept"] and sum(found["ends"].values()) == orders and found["network"] == network
    assert (found["lost"], found["doubled"], found["gaps"], found["wrong"]) == ([], [], [], [])
    # Named places are passed by chance; all other faults must have struck.
    assert found["faults"] >= faults - 4

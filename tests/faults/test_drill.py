"""A short drill, through the command itself."""

from __future__ import annotations

import json
import subprocess
import sys


def test_a_short_drill_keeps_the_promise() -> None:
    command = [sys.executable, "-m", "oee_cli", "drill", "--orders", "80", "--faults", "12", "--seed", "11"]
    done = subprocess.run([*command, "--json", "--quiet"], capture_output=True, text=True, timeout=400)
    found = json.loads(done.stdout)
    assert done.returncode == 0, found
    assert found["kept"] and sum(found["ends"].values()) == 80
    assert (found["lost"], found["doubled"], found["gaps"], found["wrong"]) == ([], [], [], [])
    # Named places are passed by chance; all other faults must have struck.
    assert found["faults"] >= 8

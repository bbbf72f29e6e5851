"""A short `oee drill`, and what it has to say for itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def short_drill(
    home: Path, network: str, *, orders: int, faults: int, seed: int, waiting: int = 0, forked: bool = False
) -> dict[str, Any]:
    """Its report, once the promise was kept. `forked`: what it starts does not import all anew."""
    # What the user has set for another home is none of the drill's.
    (home / "oee").mkdir()
    (home / "oee/config.toml").write_text('max_order = "0.01"\non_event = "/none"\n')
    command = [sys.executable, "-m", "tests.kit.forked_drill" if forked else "oee_cli", "drill"]
    command += ["--network", network, "--seed", str(seed), "--orders", str(orders), "--faults", str(faults)]
    command += ["--waiting", str(waiting), "--json", "--quiet"]
    environ = os.environ | {"XDG_CONFIG_HOME": str(home)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, env=environ)
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 0, found
    assert found["kept"] and sum(found["ends"].values()) == orders and found["network"] == network
    assert (found["lost"], found["doubled"], found["gaps"], found["wrong"]) == ([], [], [], [])
    assert (found["unfounded"], found["missed"]) == ([], [])
    assert found["watched"].get("prices found on the path", 0) >= waiting / 5
    # Named places are passed by chance; all other faults must have struck.
    assert found["faults"] >= faults - 4
    return found

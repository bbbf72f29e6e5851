"""Localnet judges the engine: of the project it knows the contract alone, and it takes nothing heavy
along."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import oee_daemon.networks.localnet

ROOM = Path(oee_daemon.networks.localnet.__file__).parent
OWN = "oee_daemon.networks.localnet"


def test_of_the_project_it_imports_the_contract_alone() -> None:
    seen = set()
    for file in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, file
                seen |= {node.module} if node.module else set()
            elif isinstance(node, ast.Import):
                seen |= {name.name for name in node.names}
    ours = {name for name in seen if name and name.startswith(("oee_daemon", "oee_cli"))}
    assert {name for name in ours if not name.startswith(OWN)} == {"oee_daemon.contract.listed_tokens"}


def test_its_process_loads_nothing_of_the_engine() -> None:
    program = f"import sys, {OWN}.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {
        "sqlalchemy",
        "psycopg",
        "redis",
        "dramatiq",
        "fastapi",
        "pydantic",
        "httpx",
        "uvicorn",
    }
    ours = {name for name in loaded if name.startswith("oee_daemon.") and not name.startswith(OWN)}
    assert ours == {"oee_daemon.networks", "oee_daemon.contract", "oee_daemon.contract.listed_tokens"}

"""What a command loads: the quick ones load next to nothing, and of the engine only the contract.

What commands load that talk to a daemon is looked at in `tests/e2e/test_cli_start.py`.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

import oee_cli
import oee_daemon.contract
from oee_cli.app import app

HEAVY = {
    "rich",
    "plotext",
    "pydantic",
    "httpx",
    "websockets",
    "asyncio",
    "pygments",
    "click",
    "decimal",
    "csv",
    "ssl",
}
CONTRACT = sorted(Path(oee_daemon.contract.__file__).parent.rglob("*.py"))
#: Runs a command and then says its exit code and what is loaded, on the stderr that it began with.
PROBE = """
import sys
from oee_cli.__main__ import main
try:
    main()
except SystemExit as e:
    print(e.code, *sys.modules, file=sys.__stderr__)
"""


def loaded(*arguments: str, **environ: str) -> tuple[int, set[str]]:
    """Exit code and modules. `OEE_DEBUG` leaves the process the long way, past what is printed here."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        env={**os.environ, **environ, "OEE_DEBUG": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
    )
    code, *modules = done.stderr.splitlines()[-1].split()
    return int(code), set(modules)


def tops(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def of_the_engine(modules: set[str]) -> set[str]:
    """What is loaded of it beside the contract."""
    mine = {name for name in modules if name.startswith("oee_daemon.")}
    return {name for name in mine if f"{name}.".partition("oee_daemon.contract.")[0]}


@pytest.mark.parametrize(
    ("arguments", "code", "signatures"),
    [
        (["--help"], 0, set()),
        (["help", "exit-codes"], 0, {"help"}),
        (["help", "orders"], 0, {"help"}),
        (["buy", "--help"], 0, {"trade"}),
        (["buy", "SOL", "USDC", "1", "--slipage", "1%"], 2, {"trade"}),
        (["buy", "SOL"], 2, {"trade"}),
        (["history", "--side", "by"], 2, {"lists"}),
    ],
)
def test_help_and_usage_errors_load_nothing_heavy_and_no_other_command(
    arguments: list[str], code: int, signatures: set[str]
) -> None:
    exit_code, modules = loaded(*arguments)
    assert exit_code == code
    assert not tops(modules) & HEAVY
    assert not of_the_engine(modules)
    mine = {name.partition(".")[2] for name in modules if name.startswith("oee_cli.")}
    rooms = {path.parent.name for path in Path(oee_cli.__file__).parent.glob("*/command.py")}
    # The options of a command may have a file beside its signature.
    loaded_rooms = {name for name in mine if name.partition(".")[0] in rooms and "." in name}
    loaded_rooms -= {name for name in loaded_rooms if name.endswith("_options")}
    assert loaded_rooms - {"help.help_pages"} == {f"{room}.command" for room in signatures}
    assert not {name.partition(".")[0] for name in mine} & {"api", "settings"}


def test_an_unknown_command_and_a_completion_script_look_at_all_commands_and_load_nothing_heavy() -> None:
    for arguments, code in ((["byu"], 2), (["completion", "zsh"], 0)):
        exit_code, modules = loaded(*arguments)
        assert exit_code == code
        assert not tops(modules) & (HEAVY - {"decimal", "csv"})


@pytest.mark.parametrize("arguments", [["--version"], ["__orders"], ["__orders", "live"]])
def test_the_version_and_a_tab_load_neither_typer_nor_typing(arguments: list[str], tmp_path: Path) -> None:
    exit_code, modules = loaded(*arguments, OEE_HOME=str(tmp_path), OEE_URL="http://localhost:1")
    assert exit_code == 0
    assert not tops(modules) & {"typer", "typing", "enum", "dataclasses", "pathlib", "platformdirs", *HEAVY}
    assert not of_the_engine(modules)


def test_httpx_comes_without_its_command_line_and_without_httpcore() -> None:
    code = "import sys, oee_cli.api.client_http; print(*sys.modules); import httpx._main; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    ours, all_of_it = (tops(set(line.split())) for line in done.stdout.splitlines())
    assert "httpx" in ours
    assert not ours & {"rich", "click", "pygments", "httpcore", "h11", "anyio", "certifi", "websockets"}
    # Whoever wants the part that was left out still finds it.
    assert {"click", "rich"} <= all_of_it


def test_the_table_says_of_each_command_what_the_command_says_of_itself() -> None:
    tree: Any = typer.main.get_command(app)
    lines = {entry.name: entry.line for section in tree.sections.values() for entry in section}
    assert list(lines) == tree.list_commands(typer.Context(tree))
    for name, line in lines.items():
        command = tree.commands[name]
        assert command.name == name
        first = " ".join(command.help.split("\n\n")[0].split())
        assert first == f"{line}.", f"the line of oee {name} in oee_cli/app.py"


@pytest.mark.parametrize("path", CONTRACT, ids=lambda path: str(path.name))
def test_the_contract_imports_the_standard_library_and_itself(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            assert (
                name.startswith("oee_daemon.contract.") or name.partition(".")[0] in sys.stdlib_module_names
            )

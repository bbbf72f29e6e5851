"""What a command loads: the quick ones load next to nothing, and nothing loads the engine."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import oee_cli

HEAVY = ("rich", "pydantic", "httpx", "websockets", "asyncio", "pygments")
SOURCES = sorted(Path(oee_cli.__file__).parent.rglob("*.py"))


def loaded(*arguments: str) -> tuple[int, set[str]]:
    code = (
        "import sys\n"
        f"sys.argv = ['oee', *{list(arguments)!r}]\n"
        "from oee_cli.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit as e:\n    code = e.code\n"
        "print(code, *{name.partition('.')[0] for name in sys.modules}, file=sys.__stderr__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    words = done.stderr.splitlines()[-1].split()
    return int(words[0]), set(words[1:])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["buy", "--help"], 0),
        (["help", "exit-codes"], 0),
        (["completion", "zsh"], 0),
        (["byu"], 2),
        (["buy", "SOL", "USDC", "1", "--slipage", "1%"], 2),
        (["buy", "SOL", "USDC"], 2),
    ],
)
def test_quick_commands_load_nothing_heavy(arguments: list[str], code: int) -> None:
    exit_code, modules = loaded(*arguments)
    assert exit_code == code
    light = arguments[:1] != ["buy"] or "--help" in arguments or "--slipage" in arguments
    # A usage fault of ours is found after HTTP was loaded, a parser's before.
    assert not modules & set(HEAVY if light else ("rich", "pydantic", "websockets"))
    assert "oee_daemon" not in modules


def test_the_version_is_answered_before_typer_is_loaded() -> None:
    exit_code, modules = loaded("--version")
    assert exit_code == 0
    assert not modules & {"typer", "click", *HEAVY}


def test_httpx_comes_without_its_command_line() -> None:
    code = "import sys, oee_cli.client as c; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    modules = {name.partition(".")[0] for name in done.stdout.split()}
    assert "httpx" in modules
    assert not modules & {"rich", "click", "pygments", "websockets", "pydantic"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.name))
def test_the_engine_is_never_imported_and_files_stay_small(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 50, node.name
        assert not any(name.partition(".")[0] == "oee_daemon" for name in names)
    assert len(text.splitlines()) <= 350
    assert ast.get_docstring(tree)

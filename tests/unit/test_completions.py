"""The files that are shipped are what the generator makes of the commands as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer.main

from oee_cli.app import app
from oee_cli.shell.completion_tree import script

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("shell", "name"), [("bash", "oee.bash"), ("zsh", "_oee"), ("fish", "oee.fish")])
def test_the_shipped_completions_are_the_generated_ones(shell: str, name: str) -> None:
    shipped = (ROOT / "completions" / name).read_text()
    assert shipped == script(shell, typer.main.get_command(app)), (
        f"oee completion {shell} > completions/{name}"
    )

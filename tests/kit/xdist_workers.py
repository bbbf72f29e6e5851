"""The processes of a test run, forked from one that has imported and collected all that they will.

Each would import everything anew, two thirds of what it does before its first test. They share, too, the
processes that fork commands and daemons (see `forks`).
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import os
import sys
from collections.abc import Sequence

import pytest

from tests.kit import forks, shell_program


def fork_workers(config: pytest.Config) -> None:
    """In the process that xdist runs in: has it start forked ones."""
    asked: list[str] = getattr(config.option, "tx", None) or []
    if "popen" not in asked or sys.platform != "linux" or config.option.help:
        return
    forks.open_line("pytest", [str(config.invocation_params.dir), *config.args])
    place = shell_program.folder((sys.executable,), "pytest")
    config.option.tx = [f"popen//python={place}/pytest" if one == "popen" else one for one in asked]


def collect(folder: str, *arguments: str) -> None:
    """All modules of these tests. What can not be collected, each process says itself."""
    os.chdir(folder)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        pytest.main(["--collect-only", "-n", "0", *arguments])
    if "tests.kit.forks" in sys.modules:
        # This file is another module where it is the program.
        shared = importlib.import_module("tests.kit.forks")
        for program in ("oee_cli", "oee_daemon"):
            shared.open_line(program)
    gc.collect()


def become_worker(arguments: Sequence[str]) -> None:
    """As `python -u -c LINE`, with the line that execnet gives; it says what to read and do."""
    assert arguments[:2] == ["-u", "-c"]
    exec(arguments[2], {"__name__": "__main__", "sys": sys})  # noqa: S102
    sys.exit(0)

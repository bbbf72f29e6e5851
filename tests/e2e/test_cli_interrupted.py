"""Ctrl-C at any moment of a command, from its first line on: it ends with 130, and no traceback."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.kit.commands import Cli

#: Runs `oee` as its script does, with a real signal at the so manyth moment at which Python looks for a
#: module, opens a file or makes code; says how many there were where that was none of them.
DRIVER = """
import os, signal, sys
last, moments, begun = int(sys.argv[1]), 0, False
sys.argv = ["oee", *sys.argv[2:]]
def look(event, told):
    global moments, begun
    if event == "import":
        begun = begun or told[0] == "oee_cli.search_path"
    if begun and event in ("import", "open", "compile", "exec", "socket.connect"):
        moments += 1
        if moments == last:
            os.kill(os.getpid(), signal.SIGINT)
leave = os._exit
def count(code):
    if not last:
        os.write(2, b"moments %d" % moments)
    leave(code)
os._exit = count
sys.addaudithook(look)
from oee_cli.__main__ import main
main()
"""
COMMANDS = {("--version",): 0, ("help", "orders"): 0, ("buy", "SOL"): 2, ("history", "--json"): 6}
#: So many moments of each command.
TRIES = 24


def interrupted(cli: Cli, command: tuple[str, ...], moment: int) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(moment), *command],
        env=cli.environ,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_whatever_the_moment_it_ends_with_130_and_no_traceback(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    cli = Cli(tmp_path / "h", OEE_NO_AUTOSTART="1")
    code, said = interrupted(cli, command, 0)
    assert code == COMMANDS[command], said
    moments = int(said.rpartition("moments ")[2])
    chosen = sorted({1 + n * (moments - 1) // TRIES for n in range(TRIES)} | {1, 2})
    with ThreadPoolExecutor(2) as threads:
        ends = [*threads.map(lambda moment: interrupted(cli, command, moment), chosen)]
    wrong = [
        (moment, code, said)
        for moment, (code, said) in zip(chosen, ends, strict=True)
        if code != 130 or "Traceback" in said or "fault of ours" in said
    ]
    assert wrong == []

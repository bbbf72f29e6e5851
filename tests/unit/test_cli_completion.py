"""Completion scripts: a function of the commands alone, readable by their shells, right where it counts."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

import pytest
import typer

from oee_cli.app import app
from oee_cli.shell.completion_tree import script
from oee_daemon.contract.listed_tokens import SYMBOLS

SHELLS = ("bash", "zsh", "fish")


def made(shell: str) -> str:
    return script(shell, typer.main.get_command(app))


#: What is the same every time is made once: all commands are built for it.
kept = functools.cache(made)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_is_the_same_every_time_and_knows_every_command(shell: str) -> None:
    text = kept(shell)
    assert text == made(shell)
    for word in ("buy", "submit", "daemon", "restart", "slippage", "idempotency", "exit-codes", *SYMBOLS):
        assert word in text
    # Orders are asked for when Tab is pressed, and from nothing that loads Typer.
    assert text.count("oee __orders") >= 1


@pytest.mark.parametrize("shell", SHELLS)
def test_its_shell_can_read_it(shell: str, tmp_path: Path) -> None:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not on this machine")
    path = tmp_path / "completion"
    path.write_text(kept(shell))
    subprocess.run([found, "-n", str(path)], check=True, timeout=10)


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        (["oee", "bu"], "buy"),
        (["oee", "daemon", "st"], "start stop status"),
        (["oee", "buy", "SOL", "U"], "USDC USDT"),
        (["oee", "buy", "--slippage", "1%", "J"], "JUP JTO JitoSOL"),
        (["oee", "history", "--side", ""], "buy sell"),
        (["oee", "buy", "SOL", "USDC", "--sl"], "--slippage"),
        (["oee", "show", "l"], "last"),
        (["oee", "buy", "SOL", "USDC", ""], ""),
        (["oee", "history", "--side", "=", "s"], "sell"),
        (["oee", "history", "--side", "="], "buy sell"),
        (["oee", "history", "--side", "=", "buy", "--pa"], "--pair"),
        (["oee", "history", "--pair", "JUP"], "JUP/USDC JUP/USDT"),
        (["oee", "history", "--status", "e"], "expired"),
        (["oee", "config", "set", "sim_s"], "sim_seed"),
        (["oee", "help", "s"], "sell stop snipe submit show stats shadow sniping scripting"),
        (["oee", "-"], ""),
        (["oee", "buy", "sol", "us"], "USDC USDT"),
        (["oee", "buy", "mso"], "mSOL"),
        (["oee", "history", "--status", "=", "pending,con"], "pending,confirmed"),
        (["oee", "history", "--status", "pending,FAI"], "pending,failed"),
        (["oee", "history", "--columns", "order,pa"], "order,pair"),
        (["oee", "history", "--pair", "jup/usdt"], "JUP/USDT"),
        (["oee", "buy", "--slippage", "1%,"], ""),
        (["oee", "history", ">", "out.csv", "--sid"], "--side"),
        (["oee", "history", "2", ">", "err", ">", "out.csv", "--sid"], "--side"),
        (["oee", "submit", "<", "in.csv", "oee.b"], "oee.bash"),
        (["oee", "nonsense", ""], ""),
    ],
)
def test_bash_offers_what_fits(line: list[str], offered: str, tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not on this machine")
    path = tmp_path / "oee.bash"
    path.write_text(kept("bash"))
    program = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _oee; echo "${COMPREPLY[*]}"'
    done = subprocess.run(
        [bash, "-c", program, "bash", str(path), *line],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
        cwd=tmp_path,
    )
    assert done.stdout.strip() == offered

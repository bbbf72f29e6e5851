"""Completion as people use it: the Tab key in the real shells, with the script that `oee` prints."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.test_cli_streams import Cli

TYPED = [
    ("oee hist\t\n", "history"),
    ("oee daemon resta\t\n", "daemon restart"),
    ("oee buy BON\tUSDC 1.5 --dry\t\n", "buy BONK USDC 1.5 --dry-run"),
    ("oee show la\t\n", "show last"),
    ("oee history --side se\t\n", "history --side sell"),
]


def shell(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not on this machine")
    return found


def printed(name: str, folder: Path) -> str:
    """What `oee completion` prints; it needs no daemon and makes no home."""
    cli = Cli(folder / "none")
    done = cli.run("completion", name)
    assert (done.returncode, done.stderr) == (0, "")
    assert not cli.home.exists()
    return done.stdout


class Prompt:
    """An interactive shell in which `oee` is a function that says what it was given."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.master, slave = pty.openpty()
        self.shell = subprocess.Popen(
            command,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "dumb", "PS1": "> ", "LC_ALL": "C"},
            preexec_fn=lambda: os.login_tty(slave),
        )
        os.close(slave)
        self.seen = ""

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def until(self, text: str, within: float = 20) -> None:
        deadline = time.monotonic() + within
        while text not in self.seen:
            ready = select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))[0]
            assert ready, f"{text!r} never came: {self.seen!r}"
            self.seen += os.read(self.master, 65536).decode(errors="replace")

    def close(self) -> None:
        self.shell.kill()
        self.shell.wait()
        os.close(self.master)


def tab_completes(prompt: Prompt) -> None:
    try:
        prompt.type("oee() { printf 'got:%s.\\n' \"$*\"; }; echo rea''dy\n")
        prompt.until("ready")
        for keys, words in TYPED:
            prompt.type(keys)
            prompt.until(f"got:{words}.")
    finally:
        prompt.close()


def test_tab_in_bash(tmp_path: Path) -> None:
    (tmp_path / "oee.bash").write_text(printed("bash", tmp_path))
    prompt = Prompt([shell("bash"), "--noprofile", "--norc", "-i"], tmp_path)
    prompt.type(f"source {tmp_path}/oee.bash\n")
    tab_completes(prompt)


def test_tab_in_zsh(tmp_path: Path) -> None:
    (tmp_path / "_oee").write_text(printed("zsh", tmp_path))
    prompt = Prompt([shell("zsh"), "-f", "-i"], tmp_path)
    prompt.type(f"fpath=({tmp_path} $fpath); autoload -Uz compinit; compinit -D -u\n")
    tab_completes(prompt)


def test_what_fish_offers(tmp_path: Path) -> None:
    (tmp_path / "oee.fish").write_text(printed("fish", tmp_path))
    for line, offered in [
        ("oee hist", {"history"}),
        ("oee daemon st", {"start", "stop", "status"}),
        ("oee buy BON", {"BONK"}),
        ("oee buy SOL USDC --dry", {"--dry-run"}),
        ("oee show la", {"last"}),
        ("oee history --side se", {"sell"}),
    ]:
        done = subprocess.run(
            [shell("fish"), "-N", "-c", f"source {tmp_path}/oee.fish; complete -C '{line}'"],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert {text.split("\t")[0] for text in done.stdout.splitlines()} == offered, line

"""Completion as people use it: the Tab key in the real shells, with the daemon down."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import termios
import time
from pathlib import Path
from typing import Any

import pytest

from oee_cli.api.client_recent_orders import Recent
from tests.kit.commands import OEE, Cli
from tests.kit.daemons import until

#: What is typed, and the words that `oee` is then given.
TYPED = [
    ("oee hist\t\n", "history"),
    ("oee daemon resta\t\n", "daemon restart"),
    ("oee buy BON\tUSDC 1.5 --dry\t\n", "buy BONK USDC 1.5 --dry-run"),
    ("oee show la\t\n", "show last"),
    ("oee history --side se\t\n", "history --side sell"),
    ("oee show 0c\t\n", "show 0c2f0b8e"),
    ("oee wallet show tra\t\n", "wallet show trading"),
    ("oee cancel 77\t--json\n", "cancel 77d1a9c0 --json"),
    ("oee fills --order e1\t\n", "fills --order e19b0a44"),
    ("oee submit many\t\n", "submit many orders.csv"),
    ("oee buy sol usdc 1.5 --dry\t\n", "buy sol usdc 1.5 --dry-run"),
    ("oee buy bon\tusdt 1\n", "buy BONK usdt 1"),
    ("oee history --status=pending,con\t\n", "history --status=pending,confirmed"),
    ("oee history --status pending,fai\t\n", "history --status pending,failed"),
    ("oee history --columns order,pai\t\n", "history --columns order,pair"),
]
#: What fish offers for a line.
OFFERED: list[tuple[str, set[str]]] = [
    ("oee hist", {"history"}),
    ("oee daemon st", {"start", "stop", "status"}),
    ("oee buy BON", {"BONK"}),
    ("oee buy --slippage 1% SOL USDT 1 ", set()),
    ("oee buy SOL USDC --dry", {"--dry-run"}),
    ("oee show la", {"last"}),
    ("oee wallet show ", {"simulated", "trading"}),
    ("oee wallet new ", set()),
    ("oee history --side se", {"sell"}),
    ("oee history --side=se", {"--side=sell"}),
    ("oee submit many", {"many orders.csv"}),
    ("oee help scr", {"scripting"}),
    ("oee nonsense ", set()),
    ("oee buy sol usd", {"USDC", "USDT"}),
    ("oee history --status pending,con", {"pending,confirmed"}),
    ("oee history --status=pending,con", {"--status=pending,confirmed"}),
    ("oee history --columns order,pai", {"order,pair"}),
    ("oee history --json > man", {"many orders.csv"}),
    ("oee submit - < man", {"many orders.csv"}),
]


def order(number: str, side: str, amount: str, status: str) -> dict[str, Any]:
    return {
        "orderId": f"{number}-0000-4000-8000-000000000000",
        "pair": "SOL/USDC",
        "side": side,
        "amount": amount,
        "inputToken": "USDC" if side == "buy" else "SOL",
        "outputToken": "SOL" if side == "buy" else "USDC",
        "swapMode": "ExactOut" if side == "buy" else "ExactIn",
        "status": status,
    }


ORDERS = [
    order("e19b0a44", "sell", "3", "failed"),
    order("77d1a9c0", "buy", "2", "pending"),
    order("0c2f0b8e", "buy", "1.5", "submitted"),
]


def shell(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not on this machine")
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's own: `oee` on the path, orders that were seen, no daemon, one file in the working folder."""
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "oee").write_text(f'#!/bin/sh\nexec {shlex.join(OEE)} "$@"\n')
    (commands / "oee").chmod(0o755)
    run = tmp_path / "h" / "run"
    run.mkdir(parents=True)
    seen = Recent(run, None)
    seen.note(ORDERS)
    seen.save()
    (tmp_path / "h" / "wallets").mkdir()
    for name in ("simulated", "trading"):
        (tmp_path / "h" / "wallets" / f"{name}.json").touch()
    (tmp_path / "many orders.csv").touch()
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": f"{folder}/bin:{os.environ['PATH']}",
        "HOME": str(folder),
        "OEE_HOME": str(folder / "h"),
        "OEE_NO_AUTOSTART": "1",
        "TERM": "dumb",
        "PS1": "> ",
        "LC_ALL": "C",
    }


def printed(name: str, folder: Path) -> str:
    """What `oee completion` prints; it needs no daemon and makes no home."""
    cli = Cli(folder / "none")
    done = cli.run("completion", name)
    assert (done.returncode, done.stderr) == (0, "")
    assert not cli.home.exists()
    return done.stdout


class Prompt:
    """An interactive shell in which `oee` is a function that says what it was given."""

    def __init__(self, command: list[str], folder: Path, setup: str = "") -> None:
        self.master, slave = pty.openpty()
        # So narrow that a list of orders is one column.
        termios.tcsetwinsize(slave, (40, 60))
        self.shell = subprocess.Popen(
            command, env=environment(folder), cwd=folder, preexec_fn=lambda: os.login_tty(slave)
        )
        os.close(slave)
        self.seen = ""
        self.type(setup)
        self.type("oee() { printf 'got:%s.\\n' \"$*\"; }; echo rea''dy\n")
        self.until("ready")

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def until(self, text: str, within: float = 30) -> None:
        deadline = time.monotonic() + within
        while text not in self.seen:
            ready = select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))[0]
            assert ready, f"{text!r} never came: {self.seen!r}"
            self.seen += os.read(self.master, 65536).decode(errors="replace")

    def forget(self) -> None:
        self.seen = ""

    def close(self) -> None:
        self.shell.kill()
        self.shell.wait()
        os.close(self.master)


def tab_completes(prompt: Prompt) -> None:
    for keys, words in TYPED:
        prompt.type(keys)
        prompt.until(f"got:{words}.")
    assert "Traceback" not in prompt.seen


def tab_completes_redirections(prompt: Prompt, folder: Path) -> None:
    """Files' names stand after them, and they are no words of the command's."""
    file = folder / "many orders.csv"
    prompt.type("oee history --json >man\t\n")
    until(lambda: file.read_text() == "got:history --json.\n", what="what was written to the file")
    prompt.type("oee fills 2> /dev/null --js\t >> man\t\n")
    until(lambda: file.read_text().endswith(".\ngot:fills --json.\n"), what="what was added to it")
    prompt.type("oee submit - < man\t\n")
    prompt.until("got:submit -.")


def test_tab_in_bash(folder: Path) -> None:
    (folder / "oee.bash").write_text(printed("bash", folder))
    prompt = Prompt([shell("bash"), "--noprofile", "--norc", "-i"], folder, f"source {folder}/oee.bash\n")
    try:
        tab_completes(prompt)
        tab_completes_redirections(prompt, folder)
        prompt.forget()
        # Several fit: each with what it is, those that can still be cancelled first.
        prompt.type("oee cancel \t\t")
        prompt.until("last")
        prompt.until("e19b0a44  SOL/USDC sell 3 failed")
        lines = re.findall(r"(\w{8})  SOL/USDC (?:buy|sell) [\d.]+ \w+", prompt.seen)
        assert lines[-3:] == ["77d1a9c0", "0c2f0b8e", "e19b0a44"]
    finally:
        prompt.close()


def test_tab_in_zsh(folder: Path) -> None:
    (folder / "_oee").write_text(printed("zsh", folder))
    setup = f"fpath=({folder} $fpath); autoload -Uz compinit; compinit -D -u\n"
    prompt = Prompt([shell("zsh"), "-f", "-i"], folder, setup)
    try:
        tab_completes(prompt)
        tab_completes_redirections(prompt, folder)
        prompt.forget()
        prompt.type("oee cancel \t")
        prompt.until("last")
        prompt.until("the newest order")
        lines = re.findall(r"(\w{8})  SOL/USDC (?:buy|sell) [\d.]+ \w+", prompt.seen)
        assert lines == ["77d1a9c0", "0c2f0b8e", "e19b0a44"]
    finally:
        prompt.close()


def offered_by_fish(folder: Path, *lines: str, as_fish_4: bool = False) -> list[list[str]]:
    """What fish offers for each of these, with its descriptions. `as_fish_4`: with `?` no wildcard."""
    features = ["--features=qmark-noglob"] if as_fish_4 else []
    asked = "; ".join(f"complete -C {shlex.quote(line)}; echo ---" for line in lines)
    done = subprocess.run(
        [shell("fish"), *features, "-N", "-c", f"source {folder}/oee.fish; {asked}"],
        env=environment(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=40,
    )
    assert done.stderr == ""
    return [part.split("\n")[:-1] for part in done.stdout.replace("---\n", "\0").split("\0")[:-1]]


@pytest.mark.parametrize("as_fish_4", [False, True])
def test_what_fish_offers(folder: Path, as_fish_4: bool) -> None:
    (folder / "oee.fish").write_text(printed("fish", folder))
    lines = (*(line for line, _ in OFFERED), "oee watch ", "oee show 0c", "oee s")
    found = offered_by_fish(folder, *lines, as_fish_4=as_fish_4)
    *plain, watch, show, commands = found
    for (line, offered), answers in zip(OFFERED, plain, strict=True):
        assert {text.split("\t")[0] for text in answers} == offered, line
    # Not every fish keeps the order that it is given.
    assert sorted(watch) == [
        "0c2f0b8e\tSOL/USDC buy 1.5 submitted",
        "77d1a9c0\tSOL/USDC buy 2 pending",
        "e19b0a44\tSOL/USDC sell 3 failed",
        "last\tthe newest order",
    ]
    assert show == ["0c2f0b8e\tSOL/USDC buy 1.5 submitted"]
    assert "sell\tSell BASE for QUOTE at the best price of all venues" in commands


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_nothing_is_said_where_there_is_nothing_to_offer(name: str, folder: Path) -> None:
    shutil.rmtree(folder / "h")
    (folder / "script").write_text(printed(name, folder))
    (folder / "bin" / "oee").write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
    if name == "fish":
        (folder / "oee.fish").write_text((folder / "script").read_text())
        assert offered_by_fish(folder, "oee cancel ") == [["last\tthe newest order"]]
        return
    command = ["--noprofile", "--norc", "-i"] if name == "bash" else ["-f", "-i"]
    prompt = Prompt([shell(name), *command], folder, f". {folder}/script\n")
    try:
        prompt.type("oee cancel \t\n")
        prompt.until("got:cancel last.")
        assert "broken" not in prompt.seen
    finally:
        prompt.close()


#: How each shell starts as a person's own, with the files that it reads then.
INTERACTIVE = {"bash": ["-i"], "zsh": ["-i"], "fish": ["-i"]}


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_documented_line_installs_it(name: str, folder: Path) -> None:
    """The line is taken from `oee completion --help` and run as it stands there."""
    shell(name)
    shown = Cli(folder / "none").run("completion", "--help", COLUMNS="100").stdout
    (line,) = re.findall(rf"^ +(.*oee completion {name} > .*)$", shown, re.MULTILINE)
    # fish makes it when it is first started.
    (folder / ".config" / "fish" / "completions").mkdir(parents=True)
    subprocess.run(["/bin/sh", "-c", line], env=environment(folder), check=True, timeout=30)
    if name == "fish":
        done = subprocess.run(
            [shell("fish"), "-c", "complete -C 'oee daemon resta'"],
            env=environment(folder),
            capture_output=True,
            text=True,
            timeout=40,
        )
        assert done.stdout.startswith("restart\t")
        return
    prompt = Prompt([shell(name), *INTERACTIVE[name]], folder)
    try:
        prompt.type("oee daemon resta\t\n")
        prompt.until("got:daemon restart.")
    finally:
        prompt.close()

"""The words: every example of every `--help` is run, topics fit a screen, guesses are near."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from oee_cli.app import app
from oee_cli.text.topic_text import TOPICS
from tests.kit.api_daemon import Shared
from tests.kit.commands import BUY, OEE, Cli

TESTS = Path(__file__).parents[1]
#: What an example ends with, where that is not 0: the order is confirmed, the daemon runs already.
ENDS = {
    "oee cancel last": 3,
    "oee cancel 0c2f0b8e 77d1a9c0 --json": 5,
    # The simulated network has its own tokens and no balances.
    "oee tokens add MINT --symbol FOO": 3,
    "oee tokens add MINT --accept permanent-delegate": 3,
    "oee tokens remove FOO": 2,
    "oee tokens remove MINT": 2,
    "oee balance": 3,
    # Nobody is set who could be told.
    "oee notify test": 2,
    "oee notify test --json": 2,
    "oee wallet balance": 3,
    "oee wallet balance SOL USDC": 3,
    "oee balance SOL USDC": 3,
    "oee balance --json | jq -r .totalUsd": 3,
    "oee limit buy SOL USDC --spend 200 --at -2% --wait --timeout 2h": 124,
    "oee daemon run": 6,
    "exec oee daemon run": 6,
    "oee daemon logs -n 200 --follow": 124,
}
#: Buys whatever token is listed next, and one of several is a trap.
BY_CHANCE = """oee snipe "$(oee tokens new --json | jq -r '.[0].mint')" USDC --spend 100"""
#: What goes on for ever is run for a moment.
INSTEAD = {
    "oee resume": "oee resume --yes",
    "oee limit buy SOL USDC --spend 200 --at -2% --wait --timeout 2h": "oee limit buy SOL USDC --spend 200 "
    "--at -7% --wait --timeout 0.3",
    "oee watch --json": "oee watch --json --timeout 0.2",
    "oee daemon logs -n 200 --follow": "timeout 0.6 oee daemon logs -n 200 --follow",
    "oee daemon stop": "OEE_HOME=$HOME/none oee daemon stop",
    "oee daemon stop --json": "OEE_HOME=$HOME/none oee daemon stop --json",
}
#: What takes a daemon, a terminal or minutes of its own is run by these tests, with other numbers.
ELSEWHERE = {
    "oee stop sell SOL USDC 1.5 --at 130 --oco 0c2f0b8e": "e2e/test_cli_waiting.py",
    "oee cancel --group 0c2f0b8e": "e2e/test_cli_waiting.py",
    "oee quote SOL USDC --watch": "e2e/test_cli_chart.py",
    "oee chart SOL USDC": "e2e/test_cli_chart.py",
    "oee chart SOL USDC --json | jq .bid": "e2e/test_cli_chart.py",
    "oee daemon restart": "e2e/test_cli_daemon.py",
    "OEE_WORKER_THREADS=20 oee daemon restart": "e2e/test_cli_daemon.py",
    "oee worker": "integration/test_worker.py",
    "OEE_DATABASE_URL=… OEE_REDIS_URL=… oee worker": "integration/test_worker.py",
    "oee drill": "faults/test_drill.py",
    "oee drill --orders 1000 --faults 50 --workers 3": "faults/test_drill.py",
    "oee drill --waiting 60 --workers 2": "faults/test_drill.py",
    "oee drill --network localnet": "faults/test_drill.py",
    "oee shadow --for 6h": "networks/solana/test_shadow.py",
    "oee shadow --for 7d --json > shadow.ndjson": "networks/solana/test_shadow.py",
    "oee backup orders.oee": "e2e/test_backup.py",
    "oee backup - > orders.oee": "e2e/test_backup.py",
    "OEE_HOME=~/oee-restored oee restore orders.oee": "e2e/test_restore.py",
    "oee restore - < orders.oee": "e2e/test_restore.py",
    **dict.fromkeys(
        (
            "oee wallet new",
            "oee wallet new trading --passphrase-file /run/credentials/oee/pass",
            "oee wallet import - < id.json",
            "oee wallet import - trading",
            "oee wallet default trading",
            "oee wallet default trading --json",
            "oee wallet lock",
            "oee wallet lock --json",
            "oee wallet unlock",
            "oee wallet unlock --for 8h",
            "oee wallet remove old",
            "oee wallet remove old --yes",
        ),
        "e2e/test_wallet.py",
    ),
    "oee edit 0c2f --at 138 --expires 24h": "e2e/test_cli_edit.py",
    "oee edit 0c2f --amount 2 --at -2%": "e2e/test_cli_edit.py",
    "oee top": "e2e/test_cli_top.py",
    "oee top --interval 5s": "e2e/test_cli_top.py",
}
#: The file of `oee submit` and its like; every amount is filled.
LINES = [{"inputToken": "SOL", "outputToken": "USDC", "amount": f"1.{n}"} for n in range(3)]


def commands(command: Any = None, path: tuple[str, ...] = ("oee",)) -> Iterator[tuple[str, Any]]:
    command = typer.main.get_command(app) if command is None else command
    yield " ".join(path), command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))


COMMANDS = dict(commands())


def examples(command: Any) -> list[str]:
    """The lines of the help that are to be typed, without what is said about them."""
    blocks = [block for block in command.help.split("\n\n") if block.startswith("\b")]
    lines = [line.strip() for block in blocks for line in block.splitlines()[1:]]
    return [re.split(r"\s{3,}", line)[0] for line in lines]


EXAMPLES = list(dict.fromkeys(line for command in COMMANDS.values() for line in examples(command)))


@pytest.fixture(scope="module")
def desk(bench: tuple[Cli, Shared], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with the files that the examples name; it is the user's home as well."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "bin").mkdir()
    (folder / "bin" / "oee").write_text(f'#!/bin/sh\nexec {shlex.join(OEE)} "$@"\n')
    (folder / "bin" / "oee").chmod(0o755)
    (folder / "orders.ndjson").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    rows = [",".join(LINES[0]), *(",".join(line.values()) for line in LINES)]
    (folder / "orders.csv").write_text("\n".join(rows) + "\n")
    (folder / ".config" / "fish" / "completions").mkdir(parents=True)
    assert bench[0].run(*BUY).returncode == 0
    (bench[0].home / "logs").mkdir(exist_ok=True)
    (bench[0].home / "logs" / "daemon.log").touch()
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_opens_with_a_sentence_and_two_examples_of_its_own(name: str) -> None:
    sentence, *blocks = COMMANDS[name].help.split("\n\n")
    assert sentence.endswith(".") and not sentence.startswith("\b")
    lines = examples(COMMANDS[name])
    assert len(lines) >= 2
    # An example shows this command, or, of a group, one of its commands.
    assert sum(name in line for line in lines) >= 2
    assert blocks[0].startswith("\b") or len(blocks[0]) < 500


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_does_what_it_says(line: str, desk: Path, cli: Cli) -> None:
    if line in ELSEWHERE:
        words = re.search(r"oee ((?:daemon )?\w+)", line)
        assert words and words[1].split()[-1] in (TESTS / ELSEWHERE[line]).read_text()
        return
    for tool in ("jq", "curl"):
        if tool in line and shutil.which(tool) is None:
            pytest.skip(f"{tool} is not on this machine")
    order = cli.json("show", "last")["orderId"][:8] if "0c2f0b8e" in line else ""
    http = cli.json("daemon", "status")["http"]["url"] if "localhost:3000" in line else ""
    typed = (
        INSTEAD.get(line, line)
        .replace("0c2f0b8e", order)
        .replace("localhost:3000", http.removeprefix("http://"))
    )
    environ = {"HOME": str(desk), "XDG_CONFIG_HOME": str(desk / ".config")}
    parts = shlex.split(typed)
    if parts[0] == "oee" and not set(typed) & set("|&;<>$*?~"):
        # A shell would do no more with it.
        done = cli.run(*parts[1:], folder=str(desk), **environ)
    else:
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", typed],
            cwd=desk,
            env=cli.environ | environ | {"PATH": f"{desk}/bin:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
    trap = line == BY_CHANCE and " is not bought: " in done.stderr
    assert done.returncode == (3 if trap else ENDS.get(line, 0)), done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_is_named_here_that_no_help_shows() -> None:
    assert {*ENDS, *INSTEAD, *ELSEWHERE, BY_CHANCE} <= set(EXAMPLES)


def test_help_is_grouped_and_fits_a_terminal_of_80_columns(cli: Cli) -> None:
    done = cli.run("--help", COLUMNS="80")
    assert cli.run(COLUMNS="80").stdout == done.stdout
    titles = re.findall(r"^(\w[\w ]*):$", done.stdout, re.MULTILINE)
    assert titles == ["Options", "Trade", "Look", "Run", "Set up"]
    assert max(map(len, done.stdout.splitlines())) <= 80
    for name in COMMANDS:
        if name.count(" ") == 1:
            # One line each, none cut.
            assert len(re.findall(rf"^  {name[4:]} +\S.*[^.]$", done.stdout, re.MULTILINE)) == 1


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_is_a_screenful_on_stdout(topic: str, cli: Cli) -> None:
    done = cli.run("help", topic)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert 10 < len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert cli.run("help", *topic.split("-")).stdout == done.stdout


def test_help_lists_the_topics_and_explains_a_command(cli: Cli) -> None:
    listed = cli.run("help").stdout
    for name, topic in TOPICS.items():
        assert re.search(rf"^  oee help {name} +{topic.line}$", listed, re.MULTILINE)
    assert cli.run("help", "daemon", "logs").stdout == cli.run("daemon", "logs", "--help").stdout


def test_what_the_topics_say_of_orders_and_exit_codes_is_so() -> None:
    from oee_cli import exit_codes
    from oee_daemon.contract.status import Status

    orders, scripting = TOPICS["orders"].text(), TOPICS["scripting"].text()
    assert re.findall(r"^  (\w+)  ", orders, re.MULTILINE) == [word for word in Status if word != "waiting"]
    for text in (orders, scripting):
        for name in re.findall(r"oee (\w+)", text):
            assert f"oee {name}" in COMMANDS
        known = {option for command in COMMANDS.values() for p in command.params for option in p.opts}
        assert set(re.findall(r"(?<![\w-])--[a-z-]+", text)) <= known
    for code in map(int, re.findall(r"\b(\d+) (?:confirmed|failed|not)", scripting)):
        assert code in set(exit_codes.ExitCode)


def test_no_line_of_help_is_cut_or_wider_than_a_terminal(cli: Cli) -> None:
    for path in COMMANDS:
        told = cli.inside(*path.split()[1:], "--help", COLUMNS="80").stdout
        assert [line for line in told.splitlines()[1:] if len(line) > 80 or line.endswith("...")] == [], path


@pytest.mark.parametrize(
    ("typed", "guess"),
    [
        ("byu SOL USDC 1", "Did you mean oee buy?"),
        ("status", "Did you mean oee daemon status?"),
        ("orders", "Did you mean oee history?"),
        ("daemon strat", "Did you mean oee daemon start?"),
        ("--json history", "Options stand after the command: oee history --json"),
        ("history --jsn", "Did you mean --json?"),
        ("quote SOL USDC 1 --side sel", "Did you mean sell?"),
        ("completion fsh", "Did you mean fish?"),
        ("history --status confirmd", "Did you mean confirmed?"),
        ("buy SOLL USDC 1", "Did you mean SOL?"),
        ("history --columns prise", "price"),
        ("config get prot", "Did you mean port?"),
        ("help exit-code", "Did you mean oee help exit-codes?"),
        ("paths hom", "home"),
        ("help nothing", "no help on 'nothing'.\n  See: oee help"),
    ],
)
def test_the_nearest_is_suggested(typed: str, guess: str, cli: Cli) -> None:
    done = cli.inside(*typed.split())
    assert (done.returncode, done.stdout if "--json" not in typed else "") == (2, "")
    assert guess in done.stderr


def test_an_error_without_an_advice_of_its_own_gets_one(cli: Cli) -> None:
    done = cli.run("history", "--type", "markt", "--json")
    assert (done.returncode, json.loads(done.stdout)["error"]["hint"]) == (2, "See: oee history --help")
    (cli.home / "logs").mkdir(exist_ok=True)
    assert cli.run("daemon", "token", OEE_HOME="/dev/null/h").stderr.count("\n  ") >= 1


@pytest.mark.parametrize("command", ["history", "history --json", "help orders", "--version"])
def test_a_full_disk_is_told_in_a_sentence_and_not_by_a_trace(command: str, cli: Cli) -> None:
    with open("/dev/full", "w") as full:
        process = cli.start(*command.split(), stdout=full)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert said.startswith("x The output can't be written: No space left on device.\n  Make room")


def test_a_stream_that_was_closed_at_the_start_is_no_fault(cli: Cli) -> None:
    for closed in (">&-", "2>&-", ">&- 2>&-"):
        line = f"{shlex.join([*OEE, 'history', '--json'])} {closed}"
        done = subprocess.run(["sh", "-c", line], env=cli.environ, capture_output=True, timeout=20)
        assert (done.returncode, done.stderr) == (0, b"")

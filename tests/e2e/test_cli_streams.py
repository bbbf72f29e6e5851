"""The `oee` command as a process: what goes to which stream, and its three pipelines in a real shell."""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import re
import select
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

import oee_cli
from tests.e2e.test_cli_help import COMMANDS
from tests.kit.api_daemon import Shared
from tests.kit.commands import BUY, OEE, STEPS, Cli, end, frozen_worker, newest
from tests.kit.daemons import until
from tests.kit.terminal import Terminal


def test_without_a_terminal_one_result_line_on_stdout_and_a_line_a_status_on_stderr(cli: Cli) -> None:
    done = cli.run(*BUY)
    assert done.returncode == 0
    (line,) = done.stdout.splitlines()
    assert line.startswith("✓ bought 1.5 SOL for ") and " USDC at " in line
    key, *steps = done.stderr.splitlines()
    assert key.startswith("idempotency key ")
    assert [step.split()[1] for step in steps] == STEPS
    assert "\x1b" not in done.stdout + done.stderr


def test_quiet_leaves_only_the_result(cli: Cli) -> None:
    done = cli.run(*BUY, "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


def test_json_is_one_object_and_nothing_else(cli: Cli) -> None:
    done = cli.run("sell", "SOL", "USDC", "1.5", "--json")
    order = json.loads(done.stdout)
    assert (done.returncode, order["status"], order["side"]) == (0, "confirmed", "sell")
    assert "events" not in order
    assert "sold 1.5 SOL" in done.stderr


def test_events_come_line_by_line_and_end_with_the_final_one(cli: Cli, api: Shared) -> None:
    with frozen_worker(api):
        buying = cli.start(*BUY, "--events", "--quiet")
        assert buying.stdout is not None
        # Flushed: it is there while the order still waits.
        assert select.select([buying.stdout], [], [], 20)[0]
        first = buying.stdout.readline()
    code, out, err = end(buying)
    events = [json.loads(line) for line in (first + out).splitlines()]
    assert [event["seq"] for event in events] == [1, 2, 3, 4, 5]
    assert [event["status"] for event in events] == STEPS
    assert (code, err) == (0, "")


def test_detach_prints_the_id_and_nothing_else(cli: Cli, api: Shared) -> None:
    done = cli.run(*BUY, "--detach")
    assert done.stdout.strip() == newest(api)["orderId"]
    assert api.end(done.stdout.strip())["status"] == "confirmed"


#: What every command with `--json` is typed as, and which one value it prints.
JSON: dict[str, type] = {
    "sell SOL USDC 1.5 --quiet": dict,
    "buy SOL USDC 1.5 --detach": dict,
    "buy SOL USDC --spend 200 --dry-run": dict,
    "cancel last": dict,
    "limit buy SOL USDC 1.5 --at 100": dict,
    "stop sell SOL USDC 1.5 --at 100": dict,
    "edit last --at 101": dict,
    "snipe SOL USDC --spend 100 --at 2036-01-01T00:00:00Z": dict,
    "waiting": list,
    "quote SOL USDC 1.5": dict,
    "show last": dict,
    "history -n 2": list,
    "fills -n 2": list,
    "top": dict,
    "stats": dict,
    "daemon status": dict,
    "daemon token": dict,
    "doctor": dict,
    "config show": list,
    "config path": dict,
    "config get port": dict,
    "config set port 3001": dict,
    "config unset port": dict,
    "paths": dict,
}
#: Where it is tested what these print: a line an event or an order, or what takes a home of its own.
ELSEWHERE = {
    "add",
    "backup",
    "balance",
    "chart",
    "default",
    "drill",
    "halt",
    "import",
    "limits",
    "list",
    "lock",
    "new",
    "remove",
    "restart",
    "restore",
    "resume",
    "search",
    "shadow",
    "start",
    "submit",
    "test",
    "tokens",
    "unlock",
    "watch",
}


def test_with_json_every_command_prints_one_value_and_nothing_else(cli: Cli, tmp_path: Path) -> None:
    known = {name.split()[-1] for name, c in COMMANDS.items() if any("--json" in p.opts for p in c.params)}
    assert known - {word for line in JSON for word in line.split()} == ELSEWHERE
    cli.placed(detach=False)
    for line, kind in JSON.items():
        done = cli.run(*line.split(), "--json", XDG_CONFIG_HOME=str(tmp_path))
        assert type(json.loads(done.stdout)) is kind, line
        assert done.returncode == (3 if line == "cancel last" else 0), done.stderr + done.stdout


@pytest.mark.parametrize("command", ["history", "fills"])
def test_csv_has_a_header_and_what_json_has(cli: Cli, api: Shared, command: str) -> None:
    api.end(api.place())
    (row,) = cli.json(command, "--limit", "1")
    as_csv = cli.run(command, "--csv", "--limit", "1")
    (told,) = csv.DictReader(io.StringIO(as_csv.stdout))
    assert told["orderId"] == row["orderId"]
    assert told["signature"] == row["signature"]
    assert as_csv.stderr == ""


def test_an_error_is_a_sentence_on_stderr_and_nothing_on_stdout(cli: Cli) -> None:
    done = cli.run("buy", "NOPE", "USDC", "1")
    assert done.stdout == ""
    key, what, *next_ = done.stderr.splitlines()
    assert key.startswith("idempotency key ") and what.startswith("✗ 'NOPE' is ") and next_


def test_watch_gives_every_line_as_it_comes(cli: Cli) -> None:
    process = cli.start("watch", "--json")
    lines = process.stdout
    assert lines is not None
    # What comes before it listens is not told: from the first line on everything is.
    until(lambda: cli.placed() and select.select([lines], [], [], 0)[0], what="the first line")
    order_id = cli.placed()
    seen = []
    for line in lines:
        event = json.loads(line)
        if event["orderId"] == order_id:
            seen.append(event["status"])
        if seen[-1:] == ["confirmed"]:
            break
    process.send_signal(signal.SIGTERM)
    assert end(process)[0] == 143
    assert seen == STEPS


def test_a_command_of_a_shell_gets_its_signals(cli: Cli) -> None:
    """In the kit a program stands for it."""
    watch = "id=$(oee limit buy SOL USDC 1 --at 100 -q); oee watch $id 2> told &"
    told = "until grep -q waiting told; do :; done; kill -TERM $!; wait $!; code=$?; cat told"
    done = cli.sh(f"{watch} {told}; oee cancel $id > cancelled && exit $code")
    assert done.returncode == 143 and "watch again: oee watch" in done.stdout, done


def test_watch_of_an_old_order_tells_it_from_its_first_event(cli: Cli, api: Shared) -> None:
    order_id = api.place()
    api.end(order_id)
    done = cli.run("watch", order_id[:8], "--json")
    assert done.returncode == 0
    assert [json.loads(line)["status"] for line in done.stdout.splitlines()] == STEPS


#: How long something took or lasts differs between two looks, and the columns right of it with it.
TIMES = re.compile(r"[\d.]+ (ms|s|min)\b|\d\d:\d\d:\d\d| +")


# A pair of its own for the quote: one that another test has charted moves from slot to slot.
@pytest.mark.parametrize("command", ["history -n 3", "show last", "quote JUP USDC 1.5", "daemon status"])
def test_the_format_in_a_pipe_is_that_of_a_wide_terminal_without_its_colors(
    cli: Cli, api: Shared, command: str
) -> None:
    api.end(api.place())
    piped = cli.run(*command.split())
    assert piped.stderr == "" and "\x1b" not in piped.stdout
    terminal = Terminal(cli, *command.split(), columns=400)
    assert terminal.end() == 0
    assert terminal.screen.colored
    assert [TIMES.sub(" ", line) for line in terminal.screen.said] == [
        TIMES.sub(" ", line) for line in piped.stdout.splitlines() if line.strip()
    ]


@pytest.mark.parametrize(
    ("typed", "exact", "amount"),
    [
        ("buy SOL USDC 1.5", "filledOut", "1.5"),
        ("buy SOL USDC --spend 200", "filledIn", "200"),
        ("sell SOL USDC 1.5", "filledIn", "1.5"),
        ("sell SOL USDC --receive 200", "filledOut", "200"),
    ],
)
def test_what_is_counted_is_exact(cli: Cli, typed: str, exact: str, amount: str) -> None:
    order = cli.json(*typed.split(), "-q")
    assert (order["status"], order["side"], order["pair"]) == ("confirmed", typed.split()[0], "SOL/USDC")
    assert (order["amount"], order[exact]) == (amount, amount)


def test_a_dry_run_stores_nothing(cli: Cli, api: Shared) -> None:
    before = api.stored()
    answer = cli.json(*BUY, "--dry-run")
    assert {quote["venue"] for quote in answer["quotes"]} == {"raydium", "meteora"}
    assert api.stored() == before


def test_nothing_waits_for_an_answer(cli: Cli, api: Shared) -> None:
    """Standard input is open and silent, and nobody reads it; what has to come from there is asked for by
    its flag (`test_stdin_that_is_a_terminal_is_not_waited_for`)."""
    asking = {"input", "getpass", "confirm", "prompt"}
    for source in Path(oee_cli.__file__).parent.rglob("*.py"):
        if source.name == "wallet_asked_secrets.py":
            continue  # It looks for a terminal first: `test_wallet`.
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                assert name not in asking, (
                    f"{source}:{node.lineno} asks; without a terminal it has to end with 2"
                )
    with frozen_worker(api):
        order = cli.placed()
        for command in (["cancel", order], [*BUY, "--detach"], ["daemon", "status"]):
            silent = subprocess.PIPE
            process = cli.start(*command, stdin=silent)
            assert process.wait(20) == 0
            process.communicate()


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("cancel --all", 2, "Add --yes"),
        ("config set network mainnet", 2, "--yes-real-money"),
        ("top", 2, "oee top --once"),
        ("chart SOL USDC", 2, "oee quote SOL USDC --watch"),
        ("resume", 2, "oee resume --yes"),
        ("wallet import -", 2, "--no-passphrase"),
        ("submit -", 2, "stdin can't be read: Bad file descriptor."),
        ("quote SOL USDC 1", 0, ""),
    ],
)
def test_closed_standard_input_is_one_at_which_nobody_is(
    cli: Cli, command: str, code: int, said: str
) -> None:
    halted = command == "resume" and cli.run("halt").returncode == 0
    done = cli.sh(f"oee {command} <&-", fresh=True)
    assert done.returncode == code and said in done.stderr and "A fault" not in done.stderr, done.stderr
    if halted:
        assert cli.run("resume", "--yes").returncode == 0


def in_shell(cli: Cli, pipeline: str) -> list[str]:
    """What a pipeline prints, as a person types it; its exit code has to be 0."""
    if "jq" in pipeline and shutil.which("jq") is None:
        pytest.skip("jq is not on this machine")
    if not OEE[0].endswith("oee"):
        pytest.skip("the console script is not installed")
    path = f"{Path(OEE[0]).parent}{os.pathsep}{cli.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", pipeline], env=cli.environ | {"PATH": path}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_signature_of_an_order_in_a_pipeline(cli: Cli) -> None:
    told = in_shell(cli, "oee buy SOL USDC 1.5 --json | jq -r .signature")
    assert told == [cli.json("show", "last")["signature"]]


def test_the_head_of_the_history_in_a_pipeline(cli: Cli) -> None:
    (line,) = in_shell(cli, "oee history --csv | head -1")
    assert line.startswith("orderId,createdAt,")


def test_the_statuses_of_the_last_order_in_a_pipeline(cli: Cli) -> None:
    cli.placed()
    told = in_shell(cli, "oee watch last --json | jq -c .status")
    assert told == [json.dumps(status) for status in STEPS]

"""The `oee` command as a process: what goes to which stream, and its three pipelines in a real shell."""

from __future__ import annotations

import csv
import io
import json
import os
import select
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.api_daemon import Shared
from tests.daemons import until
from tests.e2e.bench import BUY, NO_PRICE, OEE, STEPS, Cli, end, faults, frozen_worker, newest


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


def test_events_are_a_line_each_and_end_with_the_final_one(cli: Cli) -> None:
    done = cli.run(*BUY, "--events")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["seq"] for event in events] == [1, 2, 3, 4, 5]
    assert [event["status"] for event in events] == STEPS
    assert done.returncode == 0


def test_detach_prints_the_id_and_nothing_else(cli: Cli, api: Shared) -> None:
    done = cli.run(*BUY, "--detach")
    assert done.stdout.strip() == newest(api)["orderId"]
    assert api.end(done.stdout.strip())["status"] == "confirmed"


@pytest.mark.parametrize("command", ["history", "fills"])
def test_lists_are_one_array_or_csv_with_a_header(cli: Cli, api: Shared, command: str) -> None:
    api.end(api.place())
    rows = cli.json(command, "--limit", "1")
    assert isinstance(rows, list) and len(rows) == 1
    as_csv = cli.run(command, "--csv", "--limit", "1")
    (row,) = csv.DictReader(io.StringIO(as_csv.stdout))
    assert row["orderId"] == rows[0]["orderId"]
    assert row["signature"] == rows[0]["signature"]
    assert as_csv.stderr == ""


def test_an_error_is_a_sentence_on_stderr_and_with_json_an_object_on_stdout(cli: Cli) -> None:
    plain = cli.run("buy", "NOPE", "USDC", "1")
    assert plain.stdout == ""
    assert plain.stderr.splitlines()[-2].startswith("✗ NOPE is not a token") or "NOPE" in plain.stderr
    done = cli.run("buy", "NOPE", "USDC", "1", "--json")
    error = json.loads(done.stdout)["error"]
    assert set(error) == {"code", "message", "retryable", "hint"}
    assert "NOPE" in error["message"] and "NOPE" in done.stderr


def test_with_json_an_order_is_printed_however_it_ended(cli: Cli, api: Shared) -> None:
    with faults(api, *NO_PRICE):
        failed = cli.run(*BUY, "--json")
    order = json.loads(failed.stdout)
    assert (failed.returncode, order["status"], order["error"]["code"]) == (7, "failed", "no_route")
    assert "Nothing left the wallet" in failed.stderr


def test_with_json_an_order_is_printed_however_the_wait_ended(cli: Cli, api: Shared) -> None:
    with frozen_worker(api):
        waited = cli.run(*BUY, "--json", "--timeout", "0.3")
    order = json.loads(waited.stdout)
    assert (waited.returncode, order["status"]) == (124, "pending")
    assert f"oee watch {order['orderId'][:8]}" in waited.stderr
    assert api.end(order["orderId"])["status"] == "confirmed"


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


def test_watch_of_an_old_order_tells_it_from_its_first_event(cli: Cli, api: Shared) -> None:
    order_id = api.place()
    api.end(order_id)
    done = cli.run("watch", order_id[:8], "--json")
    assert done.returncode == 0
    assert [json.loads(line)["status"] for line in done.stdout.splitlines()] == STEPS


def test_the_table_is_the_same_in_a_pipe_however_wide(cli: Cli, api: Shared) -> None:
    api.end(api.place())
    wide = cli.run("history", "--limit", "1", COLUMNS="200").stdout.splitlines()
    piped = cli.run("history", "--limit", "1").stdout.splitlines()
    assert piped[0] == wide[0]
    assert [word in piped[0] for word in ("order", "price", "took")] == [True] * 3


def test_a_dry_run_stores_nothing(cli: Cli, api: Shared) -> None:
    before = api.stored()
    answer = cli.json(*BUY, "--dry-run")
    assert {quote["venue"] for quote in answer["quotes"]} == {"raydium", "meteora"}
    assert api.stored() == before


def test_help_version_and_completion_need_no_daemon(tmp_path: Path) -> None:
    nowhere = Cli(tmp_path / "none")
    for arguments in (["--help"], ["buy", "--help"], ["--version"], ["completion", "bash"], ["help"]):
        done = nowhere.run(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), arguments
        assert done.stdout
    assert not nowhere.home.exists()


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

"""`oee submit` as a process: what it shows, every way to stop it, what it says then, and what it holds."""

from __future__ import annotations

import io
import json
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oee_cli.batch.batch_input_lines import Lines
from oee_cli.batch.batch_reader import read_rows
from oee_cli.batch.batch_row_keys import Keys
from oee_daemon.embedded import Servers
from tests.kit.api_daemon import Shared
from tests.kit.commands import NO_PRICE, Cli, Running, end, faults, frozen_worker, serving
from tests.kit.daemons import until
from tests.kit.terminal import CTRL_C, WIDTHS, Terminal

BAD = '{"inputToken": "SOL"}'


def line(amount: int, **fields: Any) -> str:
    return json.dumps({"inputToken": "SOL", "outputToken": "USDC", "amount": f"{amount}.5"} | fields)


def name() -> str:
    """A batch that no other test on the same daemon has placed."""
    return f"batch-{os.urandom(6).hex()}"


def results(out: str) -> list[dict[str, Any]]:
    return [json.loads(text) for text in out.splitlines()]


def errors(out: str) -> dict[int, str]:
    return {r["line"]: r["error"]["code"] for r in results(out) if "error" in r}


def placed(api: Shared, batch: str, texts: list[str]) -> list[int]:
    """Which of a batch's lines have an order, by the keys that they get."""
    mints = {t["symbol"].lower(): t["mint"] for t in api.http.get("/api/tokens").json()["tokens"]}
    found = read_rows(Lines(io.BytesIO("\n".join(texts).encode())), {}, Keys(batch, batch, lambda: mints))
    keys = {row.key: row.line for row in found if row.fault is None}
    answer = api.http.post("/api/orders/find", json={"idempotencyKeys": [*keys]}).json()
    return sorted(keys[order["idempotencyKey"]] for order in answer["orders"])


@pytest.fixture
def many(tmp_path: Path) -> Path:
    file = tmp_path / f"{name()}.ndjson"
    file.write_text("".join(line(n) + "\n" for n in range(1, 301)))
    return file


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_terminal_shows_how_far_it_is_in_one_line(cli: Cli, api: Shared, many: Path, columns: int) -> None:
    batch = name()
    terminal = Terminal(cli, "submit", str(many), "--batch", batch, "--max-inflight", "5", columns=columns)
    shown = re.compile(r"━+·+ +\d+% +[\d,]+ done +0 failed +\d+ in flight +[\d.,]+/s")
    terminal.until(lambda screen: any(shown.search(text) for text in screen.said))
    terminal.type(CTRL_C)
    assert terminal.end() == 130
    # Its own line only, without what was typed: the results next to it are as long as they are.
    plain = re.sub(r"\x1b\[[?\d;]*[A-Za-z]|\^C", "", terminal.raw)
    assert max(len(text) for text in re.split(r"[\r\n]", plain) if "in flight" in text) < columns
    said = " ".join(" ".join(terminal.screen.said[-3:]).split())
    last = re.search(r"nothing after line (\d+) was sent the same command again goes on there", said)
    assert last, said
    texts = many.read_text().splitlines()
    until(lambda: placed(api, batch, texts) == [*range(1, int(last[1]) + 1)], what="what was sent")
    assert not any("in flight" in text for text in terminal.screen.said)


def test_a_stream_has_no_length_and_so_no_bar(cli: Cli) -> None:
    read, write = os.pipe()
    terminal = Terminal(cli, "submit", "-", "--batch", name(), streams={0: read})
    os.write(write, f"{line(1)}\n".encode())
    terminal.until(lambda screen: any("1 done" in text for text in screen.said))
    os.close(write)
    assert terminal.end() == 0
    assert "%" not in terminal.raw and "━" not in terminal.raw


def test_without_a_terminal_there_is_a_summary_and_nothing_else(cli: Cli) -> None:
    text = f"{line(1)}\n{BAD}\n\n{line(2)}\n"
    done = cli.run("submit", "-", "--batch", name(), stdin=text)
    assert (done.returncode, sorted(r["line"] for r in results(done.stdout))) == (2, [1, 2, 4])
    assert re.fullmatch(r"✗ 3 lines: 2 confirmed, 1 wrong, in [\d.]+ m?s\n", done.stderr)
    quiet = cli.run("submit", "-", "--batch", name(), "--quiet", "--json", stdin=line(1))
    assert (quiet.returncode, quiet.stderr, len(results(quiet.stdout))) == (0, "", 1)


def test_nothing_at_all_is_done_at_once(cli: Cli) -> None:
    done = cli.run("submit", "-", stdin="\n\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "✓ no lines: nothing to place\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_says_what_was_sent_and_goes_on_there(
    cli: Cli, api: Shared, number: signal.Signals
) -> None:
    """From a stream that never ends, of which nobody said a name."""
    before = api.stored()
    process = cli.start("submit", "-", "--max-inflight", "5", stdin=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    text = "".join(line(n) + "\n" for n in range(1, 41))
    process.stdin.write(text)
    process.stdin.flush()
    told = process.stdout.readline()
    process.send_signal(number)
    code = process.wait(5)
    process.stdin.close()
    told += process.stdout.read()
    assert process.stderr is not None
    err = process.stderr.read()
    assert code == 128 + number
    found = re.search(r"stopped: (\d+) lines? sent \((\d+) ended.*; nothing after line (\d+) was sent", err)
    assert found, err
    sent, ended, last = map(int, found.groups())
    assert sent == last < 40 and ended == len(results(told))
    again = re.search(r"the same input with --batch (\S+) goes on there", err)
    assert again
    until(lambda: api.stored() == before + sent, what="what was sent")
    rest = cli.run("submit", "-", "--batch", again[1], stdin=text)
    assert (rest.returncode, len(results(rest.stdout)), api.stored()) == (0, 40, before + 40)
    assert f"{sent} of them had been placed before" in rest.stderr
    ids = {r["line"]: r["order"]["orderId"] for r in results(rest.stdout)}
    assert all(ids[r["line"]] == r["order"]["orderId"] for r in results(told))
    filled = [f["orderId"] for f in cli.json("fills", "--limit", "40")]
    assert sorted(filled) == sorted(ids.values())


def test_interrupted_while_nothing_moves_it_leaves_at_once(cli: Cli, api: Shared, many: Path) -> None:
    with frozen_worker(api):
        before = api.stored()
        process = cli.start("submit", str(many), "--max-inflight", "3")
        until(lambda: api.stored() == before + 3, what="as many as may be in flight")
        process.send_signal(signal.SIGINT)
        code, out, err = end(process, 5)
    assert (code, out) == (130, "")
    assert "stopped: 3 lines sent (0 ended, 3 go on); nothing after line 3 was sent" in err


def test_a_reader_that_leaves_ends_it_and_nothing_more_is_sent(cli: Cli, api: Shared, many: Path) -> None:
    batch = name()
    process = cli.start("submit", str(many), "--batch", batch, "--max-inflight", "2")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(10) == 141
    assert process.stderr.read() == ""
    assert len(placed(api, batch, many.read_text().splitlines())) < 50


@pytest.mark.parametrize("wrong", ["no JSON", BAD], ids=["found here", "found by the daemon"])
def test_stop_on_failure_sends_nothing_after_it(cli: Cli, api: Shared, wrong: str) -> None:
    """The input stays open: it does not wait for what it will not send."""
    batch, texts = name(), [line(1), line(2), wrong, line(3), line(4)]
    options = ("--batch", batch, "--stop-on-failure", "--max-inflight", "1")
    process = cli.start("submit", "-", *options, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write("\n".join([*texts, ""]))
    process.stdin.flush()
    assert process.wait(20) == 2
    process.stdin.close()
    assert process.stdout is not None and process.stderr is not None
    assert list(errors(process.stdout.read())) == [3]
    err = process.stderr.read()
    assert "2 confirmed, 1 wrong" in err and "stopped at line 3, which failed; nothing after line" in err
    assert placed(api, batch, texts) == [1, 2]
    # Mended in its place, the same command goes on.
    texts[2] = line(9)
    mended = cli.run("submit", "-", *options, stdin="\n".join(texts))
    assert (mended.returncode, placed(api, batch, texts)) == (0, [1, 2, 3, 4, 5])


def test_stop_on_failure_waits_for_what_is_in_flight(cli: Cli, api: Shared) -> None:
    with frozen_worker(api):
        batch, texts = name(), [line(1), line(2), "no JSON", line(3)]
        process = cli.start("submit", "-", "--batch", batch, "--stop-on-failure", stdin=subprocess.PIPE)
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("\n".join(texts))
        process.stdin.close()
        first = json.loads(process.stdout.readline())
        until(lambda: placed(api, batch, texts) == [1, 2], what="the two before it")
        assert not select.select([process.stdout], [], [], 0.2)[0]
    assert process.wait(20) == 2
    assert (first["line"], sorted(r["line"] for r in results(process.stdout.read()))) == (3, [1, 2])


def test_a_dry_run_checks_all_that_placing_checks_and_stores_nothing(cli: Cli, api: Shared) -> None:
    key = f"own-key-{os.urandom(6).hex()}"
    assert cli.run("submit", "-", stdin=line(1, idempotencyKey=key)).returncode == 0
    before = api.stored()
    text = "\n".join([line(2), BAD, "no JSON", line(1, idempotencyKey=key), line(3, idempotencyKey=key)])
    done = cli.run("submit", "-", "--dry-run", stdin=text)
    assert done.returncode == 3
    assert errors(done.stdout) == {2: "missing_field", 3: "invalid_line", 5: "idempotency_key_reused"}
    good = [r for r in results(done.stdout) if "error" not in r]
    assert all(r["dryRun"] and r["quotes"] and r["order"]["orderId"] is None for r in good)
    assert "5 lines: 2 checked, 2 wrong, 1 refused" in done.stderr
    with faults(api, *NO_PRICE):
        assert cli.run("submit", "-", "--dry-run", stdin=line(2)).returncode == 7
    assert api.stored() == before


def test_two_lines_with_one_key_are_one_order_told_twice(cli: Cli, api: Shared) -> None:
    own = line(1, idempotencyKey=f"own-key-{os.urandom(6).hex()}")
    before = api.stored()
    with frozen_worker(api):
        process = cli.start("submit", "-", stdin=subprocess.PIPE)
        assert process.stdin is not None
        process.stdin.write(f"{own}\n{own}\n")
        process.stdin.close()
        process.stdin = None
        until(lambda: api.stored() == before + 1, what="the order")
    code, out, _ = end(process)
    assert (code, sorted(r["line"] for r in results(out))) == (0, [1, 2])
    assert len({r["order"]["orderId"] for r in results(out)}) == 1
    assert api.stored() == before + 1


def test_other_options_are_refused_instead_of_placing_it_all_again(
    cli: Cli, api: Shared, tmp_path: Path
) -> None:
    file = tmp_path / f"{name()}.ndjson"
    file.write_text(f"{line(1)}\n{line(2, slippageBps=80)}\n")
    assert cli.run("submit", str(file)).returncode == 0
    before = api.stored()
    done = cli.run("submit", str(file), "--slippage", "1%")
    # The second line says its own.
    assert (done.returncode, errors(done.stdout)) == (3, {1: "idempotency_key_reused"})
    (hint,) = [r["error"]["hint"] for r in results(done.stdout) if "error" in r]
    assert "--batch" in hint and api.stored() == before


def test_a_pipe_that_looks_like_a_file_has_a_name_of_its_own(cli: Cli, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "orders")
    process = cli.start("submit", str(tmp_path / "orders"))
    (tmp_path / "orders").write_text(line(1))
    code, out, err = end(process)
    assert (code, len(results(out))) == (0, 1)
    assert "places nothing twice" in err


def test_a_pipe_that_stays_silent_holds_up_no_end(cli: Cli, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "orders")
    process = cli.start("submit", str(tmp_path / "orders"))
    with (tmp_path / "orders").open("w") as pipe:
        pipe.write(line(1) + "\n")
        pipe.flush()
        assert process.stdout is not None and process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        code, _, err = end(process, 5)
    assert code == 143 and "stopped: 1 line sent (1 ended)" in err


def test_without_permission_it_stops_at_once(cli: Cli, api: Shared, many: Path) -> None:
    before = api.stored()
    url = api.daemon.facts["http"]
    done = cli.run("submit", str(many), "--max-inflight", "4", OEE_URL=url, OEE_TOKEN="wrong")
    assert done.returncode == 4
    assert 1 <= len(results(done.stdout)) <= 4
    assert "OEE_TOKEN" in done.stderr and "nothing after line" in done.stderr
    assert api.stored() == before


@pytest.fixture(scope="module")
def mortal(
    servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Cli, Shared]]:
    """A daemon that may be killed."""
    with serving(servers, template, tmp_path_factory.mktemp("mortal") / "h") as running:
        yield running


def test_a_daemon_that_is_killed_and_started_again_loses_and_doubles_nothing(
    mortal: tuple[Cli, Shared], tmp_path: Path
) -> None:
    cli, api = mortal
    file = tmp_path / name()
    file.write_text("\n".join(line(n) for n in range(1, 61)))
    process = cli.start("submit", str(file), "--max-inflight", "10")
    assert process.stdout is not None
    out = process.stdout.readline()
    api.daemon.kill()
    # Nobody but us brings it back.
    api.daemon.start()
    # Not `communicate`, which would forget what was read ahead of the first line.
    told = results(out + process.stdout.read())
    assert process.wait(20) == 0
    assert sorted(r["line"] for r in told) == list(range(1, 61))
    filled = [row[0] for row in api.sql.execute("SELECT order_id::text FROM sim_ledger").fetchall()]
    assert sorted(filled) == sorted(r["order"]["orderId"] for r in told)


def test_a_daemon_that_stays_away_ends_it_and_says_what_is_not_known(
    mortal: tuple[Cli, Shared], many: Path
) -> None:
    cli, api = mortal
    with frozen_worker(api):
        before = api.stored()
        process = cli.start("submit", str(many), "--max-inflight", "5", "--timeout", "2")
        until(lambda: api.stored() == before + 5, what="as many as may be in flight")
        api.daemon.kill()
    code, out, err = end(process, 60)
    api.daemon.start()
    # What was on its way is not known. Whether one of them says so first, which ends it, or a next one is
    # tried before, which can't be placed, is chance.
    found = list(errors(out).values())
    assert found.count("outcome_unknown") == 5 and {*found} <= {"outcome_unknown", "daemon_unreachable"}
    assert code in (6, 9) if len(found) == 5 else code == 6
    assert "5 not known yet" in err and "goes on there" in err


def resident(process: Running) -> int:
    """KiB of memory that it has now."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0])


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what a process holds")
def test_memory_stays_flat_however_many_lines_there_are(cli: Cli, api: Shared, tmp_path: Path) -> None:
    """Wrong lines, placed ones and ones placed before, by turns."""
    file = tmp_path / f"{name()}.ndjson"
    placed = [line(n) for n in range(1, 151)]
    file.write_text("\n".join(placed + ["{" * 40] * 15_000) + "\n")
    process = cli.start("submit", str(file), "--max-inflight", "50", fresh=True)
    assert process.stdout is not None
    held = []
    for count, _ in enumerate(process.stdout, 1):
        if count in (1_000, 15_000):
            held.append(resident(process))
    assert process.wait(20) == 2 and count == 15_150
    assert held[1] - held[0] < 2_000, held
    again = cli.run("submit", str(file))
    assert "150 of them had been placed before" in again.stderr

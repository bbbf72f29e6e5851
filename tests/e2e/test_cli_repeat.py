"""Once and only once, from the shell: daemons that die under a command, keys repeated, batches run again."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from oee_daemon.embedded import Servers
from tests.kit.api_daemon import Shared, queue_of_its_own
from tests.kit.commands import BUY, NO_PRICE, QUICK, Cli, Running, end, faults
from tests.kit.databases import connect


@contextmanager
def cold(servers: Servers, database_url: str, home: Path, **environ: str) -> Iterator[Cli]:
    """A home in which nothing runs yet; what a command starts there ends with the block."""
    outside = {"OEE_DATABASE_URL": database_url, "OEE_REDIS_URL": queue_of_its_own(servers)}
    cli = Cli(home, **(QUICK | outside | environ))
    try:
        yield cli
    finally:
        assert cli.run("daemon", "stop").returncode == 0


def orders(url: str) -> list[Any]:
    with connect(url) as sql:
        return sql.execute("SELECT status FROM orders").fetchall()


def told(process: Running, word: str) -> None:
    """Waits for a line on stderr with this word."""
    assert process.stderr is not None
    for line in process.stderr:
        if word in line:
            return
    raise AssertionError(f"ended without {word}")


def test_twenty_cold_commands_make_one_daemon_and_twenty_orders(
    servers: Servers, database_url: str, tmp_path: Path
) -> None:
    with cold(servers, database_url, tmp_path / "h") as cli:
        buying = [cli.start(*BUY, "--detach", "--quiet") for _ in range(20)]
        ended = [end(process, 60) for process in buying]
        assert [code for code, *_ in ended] == [0] * 20, ended
        assert len({out for _, out, _ in ended}) == 20
        log = (cli.home / "logs" / "daemon.log").read_text()
        assert log.count("daemon ready") == 1
    assert len(orders(database_url)) == 20


def test_a_daemon_killed_under_an_order_is_started_again_and_the_same_order_confirms(
    servers: Servers, database_url: str, tmp_path: Path
) -> None:
    with cold(servers, database_url, tmp_path / "h", OEE_SIM_CONFIRM_MS="1500") as cli:
        buying = cli.start(*BUY, "--json")
        told(buying, "submitted")
        killed = cli.pid
        os.kill(killed, signal.SIGKILL)
        code, out, _ = end(buying, 40)
        order = json.loads(out)
        assert (code, order["status"]) == (0, "confirmed")
        assert cli.pid != killed
        assert len(cli.json("fills", "--order", order["orderId"])) == 1
    assert orders(database_url) == [("confirmed",)]


def test_an_answer_lost_after_the_commit_is_asked_for_again_with_the_same_key(
    servers: Servers, database_url: str, tmp_path: Path
) -> None:
    with cold(servers, database_url, tmp_path / "h", OEE_FAILPOINTS="accepted=kill*1") as cli:
        done = cli.run(*BUY)
        assert done.returncode == 0, done.stderr
        assert (cli.home / "failpoints" / "accepted.0").exists()
        assert "placed before with this key" in done.stderr
    assert orders(database_url) == [("confirmed",)]


def name() -> str:
    """A batch that no other test on the same daemon has placed."""
    return f"batch-{os.urandom(6).hex()}"


def line(amount: int, **fields: Any) -> str:
    return json.dumps({"inputToken": "SOL", "outputToken": "USDC", "amount": f"{amount}.5"} | fields)


def results(out: str) -> dict[int, dict[str, Any]]:
    found = [json.loads(text) for text in out.splitlines()]
    assert len({r["line"] for r in found}) == len(found)
    return {r["line"]: r for r in found}


def replayed(out: str) -> list[int]:
    return sorted(n for n, r in results(out).items() if r.get("replayed"))


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_the_same_file_again_places_nothing_twice_and_a_longer_one_only_what_is_new(
    cli: Cli, api: Shared, tmp_path: Path, form: str
) -> None:
    file = tmp_path / f"{name()}.{form}"
    rows = [line(n, slippageBps=70) for n in (1, 2, 2, 3)]
    first = 1
    if form == "csv":
        rows = [f"SOL,USDC,{n}.5,70" for n in (1, 2, 2, 3)]
        rows.insert(0, "inputToken,outputToken,amount,slippageBps")
        first = 2
    lines = list(range(first, first + 4))
    before = api.stored()
    file.write_text("\n".join(rows) + "\n")
    once = cli.run("submit", str(file))
    assert (once.returncode, sorted(results(once.stdout)), replayed(once.stdout)) == (0, lines, [])
    assert api.stored() == before + 4
    again = cli.run("submit", str(file))
    assert (again.returncode, replayed(again.stdout)) == (0, lines)
    ids = {n: r["order"]["orderId"] for n, r in results(once.stdout).items()}
    assert {n: r["order"]["orderId"] for n, r in results(again.stdout).items()} == ids
    assert api.stored() == before + 4
    with file.open("a") as more:
        more.write("\n" + (line(9) if form == "ndjson" else "SOL,USDC,9.5,") + "\n")
    longer = cli.run("submit", str(file))
    assert (longer.returncode, replayed(longer.stdout)) == (0, lines)
    assert sorted(results(longer.stdout)) == [*lines, lines[-1] + 2]
    assert api.stored() == before + 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_batch_that_was_interrupted_goes_on_where_it_stopped(
    cli: Cli, api: Shared, tmp_path: Path, number: signal.Signals
) -> None:
    file = tmp_path / f"{name()}.ndjson"
    file.write_text("".join(line(n) + "\n" for n in range(1, 41)))
    before = api.stored()
    process = cli.start("submit", str(file), "--max-inflight", "2")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(number)
    code, _, err = end(process)
    if number is signal.SIGINT:
        assert code == 130
        assert "the same command again goes on there" in err
    else:
        assert code == -number
    placed = api.stored() - before
    assert 0 < placed < 40
    again = cli.run("submit", str(file))
    assert (again.returncode, len(results(again.stdout))) == (0, 40)
    assert api.stored() == before + 40
    # One that was on its way when the count was taken may have arrived since.
    assert placed <= len(replayed(again.stdout)) <= placed + 2


def test_stdin_without_a_batch_gets_a_name_that_places_nothing_twice(cli: Cli, api: Shared) -> None:
    text = line(1) + "\n" + line(2, idempotencyKey=f"own-key-{os.urandom(6).hex()}") + "\n"
    before = api.stored()
    for count, repeats in ((2, []), (3, [2])):
        done = cli.run("submit", "-", stdin=text)
        assert (done.returncode, replayed(done.stdout)) == (0, repeats)
        assert api.stored() == before + count
    found = re.search(r"batch (b-\w+): the same input with --batch \1 places nothing twice", done.stderr)
    assert found
    again = cli.run("submit", "-", "--batch", found[1], stdin=text)
    assert (replayed(again.stdout), api.stored()) == ([1, 2], before + 3)


def test_stdin_with_a_batch_is_as_safe_as_a_file(cli: Cli, api: Shared) -> None:
    batch = name()
    before = api.stored()
    for _ in range(2):
        done = cli.run("submit", "-", "--batch", batch, stdin=line(1) + "\n" + line(2) + "\n")
        # It is told no other name for the same input.
        assert (done.returncode, "places nothing twice" in done.stderr) == (0, False)
    assert "nothing new" in done.stderr
    assert replayed(done.stdout) == [1, 2]
    assert api.stored() == before + 2


def test_a_batch_ends_with_the_code_of_its_worst_line(cli: Cli, api: Shared) -> None:
    key = f"own-key-{os.urandom(6).hex()}"
    good, bad, taken = line(1, idempotencyKey=key), line(-1), line(7, idempotencyKey=key)
    assert cli.run("submit", "-", stdin=good).returncode == 0
    assert cli.run("submit", "-", stdin=f"{good}\n{bad}").returncode == 2
    conflict = cli.run("submit", "-", stdin=f"{good}\n{bad}\n{taken}")
    assert conflict.returncode == 3
    assert results(conflict.stdout)[3]["error"]["code"] == "idempotency_key_reused"
    with faults(api, *NO_PRICE):
        assert cli.run("submit", "-", stdin=f"{bad}\n{taken}\n{line(8)}").returncode == 7
    with faults(api, ("chain", "mute")):
        unknown = cli.run("submit", "-", "--timeout", "0.7", stdin=f"{bad}\n{line(9)}")
    assert unknown.returncode == 9
    assert results(unknown.stdout)[2]["order"]["status"] == "submitted"


def test_a_batch_without_a_daemon_ends_with_6(tmp_path: Path) -> None:
    done = Cli(tmp_path / "h", OEE_NO_AUTOSTART="1").run("submit", "-", stdin=line(1))
    assert done.returncode == 6

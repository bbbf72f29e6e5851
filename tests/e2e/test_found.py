"""What once lost money, as a user's shell meets it: judged by exit codes, sentences and the chain's ledger.

What is bought twice or not at all shows in `oee fills`; what must not take long has a limit.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from oee_daemon.embedded import Servers
from tests.kit.commands import OEE, QUICK, Cli, end, serving, stopping
from tests.kit.daemons import Process, until
from tests.kit.databases import connect

#: Sold in this file, and counted: `USDC,SOL,30` spends exactly so much.
ROWS = "inputToken,outputToken,amount\n"
KEY = ("buy", "SOL", "USDC", "1", "--idempotency-key", "daily-2026-11-23", "-q")


def spent(cli: Cli) -> list[float]:
    """What has left the wallet, by the chain's ledger, smallest first; each order at most once."""
    fills = cli.json("fills", "--limit", "all")
    orders = [fill["orderId"] for fill in fills]
    assert len(set(orders)) == len(orders), "an order was executed twice"
    return sorted(float(fill["amountIn"]) for fill in fills)


def orders(cli: Cli) -> int:
    return len(cli.json("history", "--limit", "all"))


@pytest.fixture(scope="module")
def batches(
    servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Cli, Path]]:
    """One daemon for everything that is read from files."""
    with serving(servers, template, tmp_path_factory.mktemp("found") / "h") as (cli, _):
        yield cli, cli.home.parent


def alive(pid: int) -> bool:
    with suppress(OSError):
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    return False


def gone(pid: int) -> None:
    until(lambda: not alive(pid), within=40, what=f"the end of process {pid}")


def test_a_home_that_goes_under_its_daemon_spoils_no_restore(own: Cli) -> None:
    backup, aside = str(own.home.with_name("b.oee")), Cli(own.home.with_name("aside"), **QUICK)
    for command in (("daemon", "start"), ("buy", "SOL", "USDC", "0.1", "-q"), ("backup", backup)):
        assert own.run(*command).returncode == 0
    for count in (1, 2):
        old = own.pid
        if count == 1:
            shutil.rmtree(own.home)
        else:
            own.home.rename(aside.home)
        done = own.run("restore", backup)
        assert done.returncode == 0 and f"restored {count} order" in done.stdout, done.stderr
        assert own.run("history", "--json").returncode == 0
        gone(old)
        # A restored home starts halted.
        assert own.run("resume", "--yes").returncode == 0
        assert own.run("buy", "SOL", "USDC", "0.2", "-q").returncode == 0
        assert len(spent(own)) == orders(own) == count + 1
        own.run("backup", backup, "--force")
    assert own.run("daemon", "stop").stdout == "✓ stopped\n"
    assert orders(own) == 3, "nor has anybody harmed the files"
    with stopping(aside):
        assert len(spent(aside)) == 2


def test_a_copy_trades_in_its_own_name(own: Cli, homes: Path) -> None:
    assert own.run("buy", "SOL", "USDC", "0.1", "-q").returncode == 0
    subprocess.run(["cp", "-a", str(own.home), str(homes / "copy")], stderr=subprocess.DEVNULL)
    copy = Cli(homes / "copy", **QUICK)
    with stopping(copy):
        assert copy.run("daemon", "status").returncode == 6
        assert copy.run("daemon", "stop").stdout == "the daemon was not running\n"
        assert copy.run("buy", "SOL", "USDC", "0.25", "-q").returncode == 0
        assert (len(spent(own)), len(spent(copy))) == (1, 2)
        assert own.json("daemon", "status")["pid"] != copy.json("daemon", "status")["pid"]
        # The original killed, its facts stay, and go with the next copy, too.
        daemon = own.pid
        os.kill(daemon, signal.SIGKILL)
        gone(daemon)
        shutil.copy(own.home / "run" / "daemon.json", copy.home / "run" / "daemon.json")
        assert len(spent(copy)) == 2
        assert copy.run("daemon", "stop").stdout == "✓ stopped\n"


def test_a_line_taken_out_moved_or_mended_buys_only_what_is_new(batches: tuple[Cli, Path]) -> None:
    cli, folder = batches
    before = spent(cli)

    def new() -> list[float]:
        return sorted(set(spent(cli)) - set(before))

    (folder / "o.csv").write_text(f"{ROWS}USDC,SOL,10.001\nUDSC,SOL,20.001\nUSDC,SOL,30.001\n")
    assert cli.sh("oee submit o.csv").returncode == 2
    done = cli.sh("sed -i 3d o.csv; oee submit o.csv")
    assert done.returncode == 0 and "nothing new, 2 were placed today" in done.stderr
    again = "oee submit done/o.csv -q"
    for change in (
        "mkdir done; mv o.csv done/",
        f"printf '{ROWS}' > done/o.csv; printf 'USDC,SOL,30.001\\nUSDC,SOL,10.001\\n' >> done/o.csv",
        "printf 'amount,outputToken,inputToken\\n30.001,SOL,USDC\\n10.00100,SOL,USDC\\n' > done/o.csv",
        "printf 'amount,outputToken,inputToken,slippageBps\\n30.001,SOL,USDC,\\n' > done/o.csv",
        "sed -i 's/$/\\r/' done/o.csv",
    ):
        done = cli.sh(f"{change}; {again}")
        assert done.returncode == 0 and "nothing new" in done.stderr, (change, done.stderr)
    assert new() == [10.001, 30.001] and len(spent(cli)) == len(before) + 2
    # The wrong line, put right.
    text = f"{ROWS}USDC,SOL,10.001\nUSDC,SOL,20.001\nUSDC,SOL,30.001\n"
    (folder / "done" / "o.csv").write_text(text)
    assert cli.sh(again).returncode == 0
    assert new() == [10.001, 20.001, 30.001] and len(spent(cli)) == len(before) + 3


def test_null_is_nothing_said(batches: tuple[Cli, Path]) -> None:
    cli, folder = batches
    before = len(spent(cli))
    null = {"inputToken": "USDC", "outputToken": "SOL", "amount": 11.003, "slippageBps": None}
    (folder / "n.ndjson").write_text(json.dumps(null))
    typed = ("submit", str(folder / "n.ndjson"), "--slippage", "0.1%")
    done = cli.run(*typed)
    assert json.loads(done.stdout)["order"]["slippageBps"] == 10, done.stderr
    for row in (
        null | {"validForS": None, "minReceive": None, "idempotencyKey": None},
        null | {"side": None},
    ):
        (folder / "n.ndjson").write_text(json.dumps(row))
        done = cli.run(*typed, "--valid-for", "300s")
        found = json.loads(done.stdout)
        assert found["order"]["slippageBps"] == 10 and found.get("replayed") in (True, None), done.stderr
    assert len(spent(cli)) - before == 1
    # What stands for nothing in other programs is no number, and is refused.
    (folder / "n.csv").write_text(f"{ROWS.strip()},slippageBps\nUSDC,SOL,13.003,NaN\nUSDC,SOL,14.003,null\n")
    assert cli.sh("oee submit n.csv --slippage 0.1%").returncode == 2
    assert len(spent(cli)) - before == 1


def test_one_key_buys_once_whatever_database_a_shell_names(outside: Cli, homes: Path) -> None:
    assert outside.run(*KEY).returncode == 0
    assert outside.run("daemon", "stop").returncode == 0
    cron = Cli(outside.home, **QUICK)
    refused = cron.run(*KEY)
    assert refused.returncode == 3 and "oee daemon restart --switch-database" in refused.stderr
    assert "has worked on the database at" in " ".join(refused.stderr.split())
    assert outside.run(*KEY).returncode == 0
    assert len(spent(outside)) == orders(outside) == 1


def test_an_outside_database_made_anew_is_another(outside: Cli) -> None:
    assert outside.run(*KEY).returncode == 0
    url = make_url(outside.environ["OEE_DATABASE_URL"])
    admin = url.set(database="postgres").render_as_string(hide_password=False)
    outside.run("daemon", "stop")
    with connect(admin) as sql:
        # The tests' own one, which is kept: a database that is in use keeps its name.
        sql.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (url.database,)
        )
        sql.execute(f'ALTER DATABASE "{url.database}" RENAME TO "{url.database}_old"')
        sql.execute(f'CREATE DATABASE "{url.database}"')
    refused = outside.run(*KEY)
    assert refused.returncode == 3
    assert "another one in its place" in " ".join(refused.stderr.split())
    with connect(admin) as sql:
        sql.execute(f'DROP DATABASE "{url.database}"')
        sql.execute(f'ALTER DATABASE "{url.database}_old" RENAME TO "{url.database}"')
    assert outside.run(*KEY).returncode == 0
    assert len(spent(outside)) == 1


def test_a_database_put_aside_is_not_replaced_by_an_empty_one(own: Cli) -> None:
    assert own.run(*KEY).returncode == 0
    data, aside = own.home / "postgres", own.home.with_name("aside.pg")
    own.run("daemon", "stop")
    data.rename(aside)
    done = own.run("buy", "SOL", "USDC", "1", "-q")
    assert done.returncode == 3 and not (own.home / "postgres").exists()
    assert "Put back the one that is gone" in " ".join(done.stderr.split())
    aside.rename(data)
    assert own.run("history").returncode == 0
    assert own.run(*KEY).returncode == 0
    assert len(spent(own)) == 1
    # It can be meant.
    own.run("daemon", "stop")
    data.rename(aside)
    assert own.run("daemon", "start", "--switch-database").returncode == 0
    assert orders(own) == 0


def test_another_homes_wallet_trades_on_no_engines_database(outside: Cli, homes: Path) -> None:
    assert outside.run(*KEY).returncode == 0
    database, queue = (outside.environ[name] for name in ("OEE_DATABASE_URL", "OEE_REDIS_URL"))
    other = Cli(homes / "other", OEE_DATABASE_URL=database, OEE_REDIS_URL=queue, **QUICK)
    with stopping(other):
        refused = other.run("buy", "SOL", "USDC", "2", "-q")
        assert refused.returncode == 6 and "Copy wallets/" in refused.stderr, refused.stderr
        worker = other.run("worker")
        assert worker.returncode != 0 and "wallet" in worker.stderr and "Traceback" not in worker.stderr
        assert len(spent(outside)) == 1
        # With the same wallet it is the same engine, and its key the same order.
        shutil.rmtree(other.home / "wallets", ignore_errors=True)
        shutil.copytree(outside.home / "wallets", other.home / "wallets")
        done = other.run(*KEY)
        assert done.returncode == 0, done.stderr
        assert len(spent(other)) == orders(outside) == 1


def test_what_runs_does_not_undo_a_stop(outside: Cli, homes: Path) -> None:
    outside.environ["OEE_SIM_CONFIRM_MS"] = "400"
    rows = [{"inputToken": "USDC", "outputToken": "SOL", "amount": n} for n in range(1, 51)]
    (homes / "many.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert outside.run("daemon", "start").returncode == 0
    with ExitStack() as running:
        batch = outside.start("submit", str(homes / "many.ndjson"), "--max-inflight", "5")
        watch = outside.start("watch", "--json")
        running.callback(batch.kill)
        running.callback(watch.kill)
        assert batch.stdout is not None and batch.stdout.readline()
        began = time.monotonic()
        assert outside.run("daemon", "stop").stdout == "✓ stopped\n"
        code, _, said = end(batch, 30)
        assert code in (6, 9) and "The daemon was stopped" in said and "goes on there" in said
        code, _, said = end(watch, 30)
        assert code == 6 and "The daemon was stopped" in said
        assert time.monotonic() - began < 30
    assert outside.run("daemon", "status").returncode == 6
    assert outside.run("submit", str(homes / "many.ndjson"), "-q").returncode == 0
    assert spent(outside) == [float(n) for n in range(1, 51)] and orders(outside) == 50


def test_an_order_in_flight_outlives_the_stop_and_lands_once(outside: Cli) -> None:
    """Stopped by a signal, while one command waits for its order and another one reads the log."""
    outside.environ["OEE_SIM_CONFIRM_MS"] = "3000"
    assert outside.run("daemon", "start").returncode == 0
    follows = outside.start("daemon", "logs", "--follow")
    buying = outside.start("buy", "SOL", "USDC", "2")
    assert buying.stderr is not None
    until(lambda: "submitted" in str(buying.stderr and buying.stderr.readline()), what="the swap")
    daemon = outside.pid
    os.kill(daemon, signal.SIGTERM)
    code, _, said = end(buying, 40)
    assert code in (0, 6, 9), said
    gone(daemon)
    assert outside.run("daemon", "status").returncode == 6
    follows.terminate()
    end(follows)
    assert outside.run("show", "last").returncode == 0
    until(lambda: outside.json("history")[0]["status"] == "confirmed", what="its end")
    assert len(spent(outside)) == orders(outside) == 1


def namespaced(cli: Cli, script: str, **options: Any) -> Process:
    return Process(
        ["unshare", "-pf", "--kill-child", "--mount-proc", "bash", "-c", script],
        env=cli.environ | {"PATH": f"{Path(OEE[0]).parent}:{os.environ['PATH']}"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def can_unshare() -> bool:
    return (
        shutil.which("unshare") is not None
        and subprocess.run(["unshare", "-pf", "--mount-proc", "true"], capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not can_unshare(), reason="this account may not make process namespaces")
def test_stop_kills_no_stranger_of_the_same_number(outside: Cli) -> None:
    container = namespaced(outside, "oee daemon start; oee history >&2; echo up; cat", stdin=subprocess.PIPE)
    with container:
        assert container.stdout is not None and container.stdin is not None
        until(lambda: "up" in str(container.stdout and container.stdout.readline()), what="the start")
        there = json.loads((outside.home / "run" / "daemon.json").read_text())["pid"]
        crowd = "for i in $(seq 60); do sleep 300 & done; oee daemon stop; echo $? $(jobs -r | wc -l)"
        began = time.monotonic()
        told, said = namespaced(outside, crowd).communicate(timeout=60)
        assert there < 60 and told == "6 60\n", (there, told, said)
        assert "runs in another container" in said and time.monotonic() - began < 20
        # Who sees it stops it.
        assert outside.run("daemon", "stop").stdout == "✓ stopped\n"
        container.stdin.close()

"""`oee halt` and `oee resume` as commands, on engines that work, hang or do not run; judged by the ledger."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from oee_cli.api import client_handshake, client_http, client_response_problems
from oee_cli.halt import halt_hung_engine
from oee_daemon.contract.protocol import PROTOCOL
from oee_daemon.embedded import Servers
from tests.kit.api_daemon import SELL, Shared
from tests.kit.commands import BUY, Cli, refusal, serving
from tests.kit.daemons import until
from tests.kit.homes import furnished
from tests.kit.own_servers import alive
from tests.kit.terminal import Terminal, shows

#: Slow enough that a halt meets orders in every step.
SLOWER = {"OEE_SIM_LATENCY_MS": "50", "OEE_SIM_CONFIRM_MS": "300", "OEE_MAX_ACTIVE": "3"}


@pytest.fixture(scope="module")
def engine(servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with serving(servers, template, tmp_path_factory.mktemp("halt") / "h", **SLOWER) as (cli, api):
        yield Engine(cli, api)


class Engine:
    """On servers outside, which can be asked whatever becomes of the daemon."""

    def __init__(self, cli: Cli, api: Shared) -> None:
        self.cli, self.api = cli, api

    def count(self, query: str) -> int:
        row = self.api.sql.execute(f"SELECT count(*) FROM {query}").fetchone()  # noqa: S608
        assert row is not None
        return int(row[0])

    def signed_and_sent(self) -> tuple[int, int]:
        """What the engine has stored as signed, and what the chain was handed."""
        return self.count("swaps"), self.count("sim_ledger WHERE state <> 'tip'")

    def beats(self) -> None:
        """Until a worker has looked for work some times."""
        for _ in range(3):
            row = self.api.sql.execute("SELECT clock_timestamp()").fetchone()
            until(
                lambda since=row: self.api.sql.execute(  # type: ignore[misc]
                    "SELECT 1 FROM workers WHERE seen_at > %s AND owner <> ''", since
                ).fetchone(),
                what="a beat",
            )

    def place_until_refused(self) -> int:
        """How many orders were accepted."""
        placed = 0
        with self.api.daemon.client() as http, suppress(httpx.HTTPError):
            while (
                placed < ORDERS // CLIENTS and http.post("/api/orders/execute", json=SELL).status_code == 202
            ):
                placed += 1
        return placed

    def pid(self, of: str) -> int:
        status = self.api.http.get("/api/status").json()
        return int(status["pid"] if of == "daemon" else status["worker"]["pid"])


#: Halts in the suite, and orders in each; `OEE_TEST_HALTS=20,200` for the long proof.
HALTS, ORDERS = (int(part) for part in os.environ.get("OEE_TEST_HALTS", "3,60").split(","))
CLIENTS = 4


@pytest.mark.parametrize("trial", range(HALTS))
def test_nothing_is_signed_or_sent_once_halt_has_returned(engine: Engine, trial: int) -> None:
    frozen = ("nobody", "worker", "daemon")[trial % 3]
    moment = engine.count("swaps") + random.Random(trial).randrange(3, max(15, ORDERS * 3 // 4))
    with ThreadPoolExecutor(CLIENTS) as threads:
        placing = [threads.submit(engine.place_until_refused) for _ in range(CLIENTS)]
        until(lambda: engine.count("swaps") >= moment, within=60, what="a random moment")
        if frozen != "nobody":
            os.kill(engine.pid(frozen), signal.SIGSTOP)
        done = engine.cli.run("halt", "--reason", "a test", "--json")
        at_return = engine.signed_and_sent()
        assert all(placed.result(20) for placed in placing)
    # Of a database outside nobody can be told who else works on it, unless a daemon lives to say so.
    assert done.returncode == (6 if frozen == "daemon" else 0), done.stderr
    told = json.loads(done.stdout)
    if frozen == "daemon":
        assert len(told["killed"]) == 2 and told["elsewhereUnknown"]
        assert engine.api.daemon.process is not None and engine.api.daemon.process.wait() != 0
        engine.api.daemon.start()
    else:
        assert told["workerKilled"] is (frozen == "worker") and told["unanswered"] == []
        live = engine.count("orders WHERE status = 'submitted'")
        assert live <= len(told["mayLand"]) <= 10
    engine.beats()
    assert engine.signed_and_sent() == at_return
    assert refusal(engine.cli.run(*BUY, "--json"))["code"] == "halted"
    assert engine.cli.run(*BUY).returncode == 3
    assert engine.count("orders WHERE finished_at IS NULL") > 0
    assert engine.cli.json("resume", "--yes")["ended"]["reason"] == "a test"
    until(lambda: engine.count("orders WHERE finished_at IS NULL") == 0, within=60, what="all orders' end")
    # Each once, by the chain's own word.
    orders = engine.count("orders WHERE status = 'confirmed'")
    assert engine.count("sim_ledger WHERE state = 'landed'") == orders == engine.count("orders")


def test_a_halt_is_seen_everywhere_and_ended_by_a_person(engine: Engine) -> None:
    cli = engine.cli
    assert cli.json("halt", "--reason", "the market is broken")["already"] is False
    assert cli.json("halt")["already"] is True
    for command in (["daemon", "status"], ["top", "--once"], ["doctor"]):
        said = " ".join(cli.run(*command).stdout.split())
        assert "halted since" in said and "the market is broken" in said, command
    assert engine.api.http.get("/readyz").status_code == 200
    assert "\noee_halted 1\n" in engine.api.http.get("/metrics").text
    assert engine.api.http.get("/api/halt").json()["halt"]["reason"] == "the market is broken"
    assert cli.run("resume").returncode == 2
    for answer, code in (("n", 10), ("y", 0)):
        terminal = Terminal(cli, "resume")
        terminal.until(shows("Resume? [y/N]"))
        terminal.type(answer.encode() + b"\n")
        assert terminal.end() == code
    assert cli.json("resume")["ended"] is None
    assert engine.api.http.get("/api/halt").json() == {"halt": None}
    assert "\noee_halted 0\n" in engine.api.http.get("/metrics").text


def test_who_halts_says_who_elsewhere_has_not_answered(engine: Engine) -> None:
    engine.api.sql.execute(
        "INSERT INTO workers (owner, network, seen_at) VALUES ('elsewhere:1', 'simulated', clock_timestamp())"
    )
    done = engine.cli.run("halt")
    assert done.returncode == 6 and "elsewhere:1" in done.stderr
    engine.api.sql.execute("DELETE FROM workers WHERE owner = 'elsewhere:1'")
    assert engine.cli.run("halt").returncode == 0
    assert engine.cli.run("resume", "--yes").returncode == 0


def test_a_daemon_that_does_not_run_starts_halted(homes: Path) -> None:
    cli = Cli(furnished(homes / "h"))
    done = cli.run("halt", "--reason", "before it ran")
    assert (done.returncode, "does not run" in done.stdout) == (0, True)
    assert not (cli.home / "run" / "daemon.json").exists()
    try:
        assert refusal(cli.run(*BUY, "--json"))["code"] == "halted"
        assert cli.json("daemon", "status")["halt"]["reason"] == "before it ran"
        # A frozen one has its database with it, so that nothing is left that could go on.
        os.kill(cli.pid, signal.SIGSTOP)
        assert cli.run("halt").returncode == 0
        assert cli.run("resume", "--yes").returncode == 0
        assert cli.json(*BUY)["status"] == "confirmed"
    finally:
        assert cli.run("daemon", "stop").returncode == 0


def test_where_there_is_no_engine_nothing_is_halted(tmp_path: Path) -> None:
    done = Cli(tmp_path / "none").run("halt", "--json")
    assert (done.returncode, refusal(done)["code"]) == (6, "no_engine")
    assert not (tmp_path / "none").exists()


def test_a_daemon_of_another_release_is_ended_and_called_so(
    homes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = Cli(furnished(homes / "h"))
    assert cli.run("daemon", "start").returncode == 0
    try:
        for room in (halt_hung_engine, client_handshake, client_http, client_response_problems):
            monkeypatch.setattr(room, "PROTOCOL", PROTOCOL + 1)
        pid = cli.pid
        done = cli.inside("halt")
        assert done.returncode == 0, done.stderr
        # It lets go of its home before it is gone.
        until(lambda: not alive(pid), what="its end")
        said = (
            f"the daemon speaks protocol {PROTOCOL} where this command speaks {PROTOCOL + 1} and was killed"
        )
        assert said in " ".join(done.stdout.split())
        monkeypatch.undo()
        assert refusal(cli.run(*BUY, "--json"))["code"] == "halted"
    finally:
        cli.run("daemon", "stop")

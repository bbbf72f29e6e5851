"""What goes silent instead of dying: connections half open, one process of Postgres, a worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import redis
from sqlalchemy import make_url

from oee_daemon.embedded import Servers
from oee_daemon.queue import queue_roster
from tests.kit import forks
from tests.kit.api_daemon import QUICK, queue_of_its_own
from tests.kit.daemons import Daemon, FreshDaemon, until
from tests.kit.databases import connect
from tests.kit.proxy import Proxy

BODY = {"inputToken": "SOL", "outputToken": "USDC", "amount": "1.5"}
#: Seconds until everything has to work again.
AGAIN_S = 15.0


@pytest.fixture
def outside(database_url: str, servers: Servers) -> dict[str, str]:
    return QUICK | {"OEE_DATABASE_URL": database_url, "OEE_REDIS_URL": queue_of_its_own(servers)}


@pytest.fixture
def daemon(homes: Path, outside: dict[str, str]) -> Iterator[Daemon]:
    """A daemon on an outside database, not started yet."""
    made = Daemon(homes / "h", **outside)
    yield made
    if made.process is not None:
        made.stop()


def post(client: httpx.Client, **headers: str) -> httpx.Response:
    return client.post("/api/orders/execute", json=BODY, headers=headers)


def confirmed(client: httpx.Client) -> bool:
    """A new order is accepted and executed. It may fail: simulated venues are as silent as Postgres is."""
    answer = post(client)
    if answer.status_code != 202:
        return False
    path = f"/api/orders/{answer.json()['orderId']}"
    until(lambda: client.get(path).json().get("finishedAt"), within=AGAIN_S, what="its end")
    return bool(client.get(path).json().get("status") == "confirmed")


def test_orders_run_again_soon_after_every_connection_went_half_open(
    daemon: Daemon, database_url: str, homes: Path
) -> None:
    proxy = Proxy(database_url, homes)
    daemon.environ["OEE_DATABASE_URL"] = proxy.url
    daemon.start()
    with daemon.client() as client:
        assert confirmed(client)
        worker = client.get("/api/status").json()["worker"]["pid"]
        began = time.monotonic()
        proxy.hush()
        until(lambda: confirmed(client), within=2 * AGAIN_S, what="a confirmed order")
        assert time.monotonic() - began < AGAIN_S
        assert client.get("/readyz").status_code == 200
        # It got over it by itself.
        assert client.get("/api/status").json()["worker"]["pid"] == worker
    assert daemon.stop() == 0
    proxy.close()


def backends(sql: psycopg.Connection[Any]) -> list[int]:
    rows = sql.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND application_name = 'oee'"
    )
    return [pid for (pid,) in rows]


def test_one_frozen_process_of_postgres_and_any_number_of_probes_leave_the_api_to_others(
    daemon: Daemon, database_url: str
) -> None:
    daemon.start()
    with daemon.client() as client, connect(database_url) as sql:
        assert confirmed(client)
        frozen = backends(sql)
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            probes = [threading.Thread(target=_probe, args=(daemon,)) for _ in range(30)]
            for probe in probes:
                probe.start()
            began = time.monotonic()
            until(lambda: confirmed(client), within=2 * AGAIN_S, what="a confirmed order")
            assert time.monotonic() - began < AGAIN_S
            for probe in probes:
                probe.join()
            # What the probes asked before may be about to end.
            until(lambda: client.get("/readyz").status_code == 200, what="readiness")
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)


def _probe(daemon: Daemon) -> None:
    with daemon.client() as client:
        for path in ("/readyz", "/metrics"):
            client.get(path)


def test_who_repeats_a_key_that_hangs_takes_no_thread_from_others(daemon: Daemon, database_url: str) -> None:
    daemon.start()
    key = "the same key"
    with daemon.client() as client, connect(database_url) as sql, sql.transaction():
        # What a process of Postgres that was frozen in the middle of it holds.
        sql.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (key,))
        answers: list[int] = []

        def repeat() -> None:
            with daemon.client() as other:
                answers.append(post(other, **{"Idempotency-Key": key}).status_code)

        repeats = [threading.Thread(target=repeat) for _ in range(24)]
        for one in repeats:
            one.start()
        # Each waits its turn again and again meanwhile.
        began = time.monotonic()
        while time.monotonic() - began < 3:
            assert post(client).status_code == 202
            assert all(one.is_alive() for one in repeats)
        for one in repeats:
            one.join()
        assert set(answers) == {503}
    with daemon.client() as client:
        assert post(client, **{"Idempotency-Key": key}).status_code == 202


def test_a_worker_that_gives_no_sign_of_life_is_replaced(daemon: Daemon) -> None:
    daemon.environ["OEE_TIMING"] = "silent_s=5"
    daemon.start()
    with daemon.client() as client:
        assert confirmed(client)
        frozen = client.get("/api/status").json()["worker"]["pid"]
        os.kill(frozen, signal.SIGSTOP)

        def replaced() -> bool:
            now = client.get("/api/status").json()["worker"]["pid"]
            return now not in (None, frozen)

        until(replaced, within=60, what="another worker")
        assert confirmed(client)
    assert "gives no sign of life" in daemon.log.read_text()


def test_a_worker_that_hangs_ends_all_the_same_when_it_is_told_to(
    homes: Path, outside: dict[str, str]
) -> None:
    script = (
        "import threading\n"
        "from oee_daemon import settings\n"
        "from oee_daemon.engine import engine_process as process\n"
        "process.END_S = 1.0\n"
        "process.Worker.stop = lambda self: threading.Event().wait()\n"
        "process.run(settings.load(), home_id=None)\n"
    )
    environ = {k: v for k, v in os.environ.items() if not k.startswith("OEE_")} | outside
    log = homes / "w.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", script], env=environ | {"OEE_HOME": str(homes / "w")}, stderr=said
        )
    with redis.Redis.from_url(outside["OEE_REDIS_URL"]) as queue:
        until(lambda: queue_roster.present(queue), what="the worker's start")
    process.terminate()
    assert process.wait(20) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OEE_DATABASE_URL", "postgresql://oee@127.0.0.1:1/oee"),
        ("OEE_DATABASE_URL", "postgresql://oee@no.such.host.invalid/oee"),
        ("OEE_REDIS_URL", "{queue}?db=99"),
    ],
)
@pytest.mark.parametrize("command", ["run", "worker"])
def test_a_server_that_can_t_be_used_is_one_sentence_and_6(
    homes: Path, outside: dict[str, str], servers: Servers, command: str, name: str, value: str
) -> None:
    Daemon(homes / "h", **outside)
    environ = {k: v for k, v in os.environ.items() if not k.startswith("OEE_")} | outside
    environ |= {"OEE_HOME": str(homes / "h"), "OEE_PORT": "0", name: value.format(queue=servers.redis_url)}
    said = homes / "said"
    with said.open("wb") as told, open(os.devnull, "r+b") as nothing:
        process = forks.engine([command], [nothing.fileno(), nothing.fileno(), told.fileno()], environ)
    assert process.wait(60) == 6, said.read_text()
    assert "Traceback" not in said.read_text()
    last = said.read_text().strip().splitlines()[-1]
    assert last.startswith("x  The ") and name in last


def test_variables_of_one_s_own_libpq_reach_no_connection_to_a_server_of_ours(homes: Path) -> None:
    foreign = {
        "PGSERVICE": "prod",
        "PGREQUIREAUTH": "scram-sha-256",
        "PGCLIENTENCODING": "SQL_ASCII",
        "PGDATESTYLE": "German, DMY",
        "PGOPTIONS": "-c synchronous_commit=off",
        "PGHOST": "127.0.0.1",
    }
    daemon = FreshDaemon(homes / "h", **(QUICK | foreign)).start()
    try:
        with daemon.client() as client:
            assert confirmed(client)
            assert client.get("/api/orders").status_code == 200
    finally:
        daemon.stop()


def test_an_own_server_has_a_connection_for_every_thread_that_is_asked_for(homes: Path) -> None:
    daemon = Daemon(homes / "h", OEE_WORKER_THREADS="120", OEE_MAX_ACTIVE="120", **QUICK).start()
    try:
        sockets = make_url(Servers(homes / "h", postgres=True, valkey=True).database_url)
        with connect(sockets.render_as_string(hide_password=False)) as sql:
            row = sql.execute("SHOW max_connections").fetchone()
            assert row is not None and int(row[0]) > 2 * 120 + 20
    finally:
        daemon.stop()

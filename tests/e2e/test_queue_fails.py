"""A queue that is full, read-only, forgetful or silent under a running engine: orders run all the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest
import redis
from websockets.sync.client import unix_connect

from oee_cli.text.time_text import parse_moment
from oee_daemon.embedded import Servers
from tests.kit.api_daemon import QUICK, SELL
from tests.kit.daemons import Daemon, until
from tests.kit.databases import connect
from tests.kit.homes import open_folder


class Engine:
    """A daemon with a Valkey of its own, and Valkey's own client."""

    def __init__(self, daemon: Daemon, http: httpx.Client, queue: redis.Redis, valkey: Servers) -> None:
        self.daemon, self.http, self.queue, self.valkey = daemon, http, queue, valkey

    def place(self) -> str:
        answer = self.http.post("/api/orders/execute", json=SELL)
        assert answer.status_code == 202, answer.text
        found: str = answer.json()["orderId"]
        return found

    def confirmed(self, order_id: str, *, within: float = 15) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            order: dict[str, Any] = self.http.get(f"/api/orders/{order_id}").json()
            return order if order["status"] == "confirmed" else None

        return until(ended, within=within, what="the confirmation")

    def left(self) -> int:
        """Messages that Valkey still holds."""
        return sum(int(self.queue.hlen(f"oee:orders{q}.msgs")) for q in ("", ".DQ"))


@pytest.fixture(scope="module")
def engine(servers: Servers, template: str) -> Iterator[Engine]:
    home = open_folder()
    valkey = Servers(home, postgres=False, valkey=True)
    valkey.start()
    with database(servers, template) as url:
        # A fifth of the attempts is rejected: retries are due in between.
        environ = QUICK | {"OEE_SIM_FAILURE_RATE": "0.2", "OEE_MAX_ATTEMPTS": "40"}
        environ |= {"OEE_DATABASE_URL": url, "OEE_REDIS_URL": valkey.redis_url}
        daemon = Daemon(home / "h", **environ).start()
        try:
            with daemon.client() as http, redis.Redis.from_url(valkey.redis_url) as queue:
                yield Engine(daemon, http, queue, valkey)
        finally:
            daemon.stop()
            valkey.stop()
            shutil.rmtree(home, ignore_errors=True)


@contextmanager
def database(servers: Servers, template: str) -> Iterator[str]:
    name = f"q_{uuid.uuid4().hex[:12]}"
    admin_url = servers.database_url.replace("/oee?", "/postgres?")
    with connect(admin_url) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield servers.database_url.replace("/oee?", f"/{name}?")
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def full(engine: Engine) -> Callable[[], object]:
    engine.queue.config_set("maxmemory-policy", "noeviction")
    engine.queue.config_set("maxmemory", 1)
    return lambda: engine.queue.config_set("maxmemory", 0)


def read_only(engine: Engine) -> Callable[[], object]:
    engine.queue.replicaof("127.0.0.1", "1")
    return lambda: engine.queue.replicaof("NO", "ONE")


def scripts_forgotten(engine: Engine) -> Callable[[], object]:
    engine.queue.script_flush()
    return lambda: None


def locked(engine: Engine) -> Callable[[], object]:
    """Everybody who comes anew is asked for a password, and whoever is there is sent away."""
    engine.queue.config_set("requirepass", "secret")
    with redis.Redis.from_url(engine.valkey.redis_url, password="secret") as other:
        other.client_kill_filter(skipme=True)

    def unlock() -> None:
        with redis.Redis.from_url(engine.valkey.redis_url, password="secret") as other:
            other.config_set("requirepass", "")

    return unlock


def frozen(engine: Engine) -> Callable[[], object]:
    (row,) = engine.valkey.describe()
    pid = int(str(row["pid"]))
    os.kill(pid, signal.SIGSTOP)
    return lambda: os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("fails", [full, read_only, scripts_forgotten, locked, frozen])
def test_orders_run_while_the_queue_fails_and_as_ever_when_it_is_back(
    engine: Engine, fails: Callable[[Engine], Callable[[], object]]
) -> None:
    before = [engine.place() for _ in range(10)]
    path = engine.daemon.facts["socket"]
    with unix_connect(path, "ws://localhost/api/orders/stream", proxy=None) as stream:
        mend = fails(engine)
        try:
            placed = [engine.place() for _ in range(10)]
            for order_id in [*before, *placed]:
                engine.confirmed(order_id)
            assert engine.http.get("/readyz").status_code == 200
        finally:
            mend()
        for order_id in [engine.place() for _ in range(10)]:
            placed.append(order_id)
            events = engine.confirmed(order_id)["events"]
            assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
            for again, begun in pairwise(events):
                if "retryInMs" in again["data"]:
                    # Due when it was said to be, whatever the queue has been through.
                    due = parse_moment(again["at"]) + timedelta(milliseconds=again["data"]["retryInMs"])
                    assert (
                        timedelta(milliseconds=-25) < parse_moment(begun["at"]) - due < timedelta(seconds=0.9)
                    )
        # Who watches has missed nothing of what came after the beginning.
        wanted = {(i, e["seq"]) for i in placed for e in engine.confirmed(i)["events"]}
        while wanted:
            event = json.loads(stream.recv(timeout=20))
            assert "lagged" not in event
            wanted.discard((event["orderId"], event["seq"]))
    until(lambda: engine.left() == 0, within=20, what="an empty queue")

"""A daemon that several tests of one file share, on a database of its own, with what they ask it for."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import redis
from sqlalchemy import Engine, make_url

from oee_daemon.api.api_app import open_state
from oee_daemon.api.api_state import State, Surroundings
from oee_daemon.embedded import Servers
from oee_daemon.networks.network_opening import open_network
from oee_daemon.queue.queue_broker import open_broker
from oee_daemon.queue.queue_hints import Feed
from oee_daemon.settings import Settings
from tests.kit.daemons import Daemon, until
from tests.kit.databases import Connection, connect

SELL = {"inputToken": "SOL", "outputToken": "USDC", "amount": 1.5}
FINAL = {"confirmed", "failed", "cancelled", "expired"}
QUICK = {"OEE_SIM_LATENCY_MS": "0", "OEE_SIM_CONFIRM_MS": "0", "OEE_SIM_FAILURE_RATE": "0"}
#: Valkey's other databases, in turn: one that was left lately may be come back to.
_numbers = itertools.cycle(range(1, 16))


class Shared:
    """A running daemon, a client of its socket and its database. Begins once its worker has said that it is
    there: the daemon answers before."""

    def __init__(self, daemon: Daemon, http: httpx.Client, url: str, sql: Connection) -> None:
        self.daemon, self.http, self.url, self.sql = daemon, http, url, sql
        until(lambda: http.get("/readyz").status_code == 200, within=30, what="a worker")

    def post(self, body: dict[str, Any] = SELL, **headers: str) -> httpx.Response:
        named = {k.replace("_", "-"): v for k, v in headers.items()}
        return self.http.post("/api/orders/execute", json=body, headers=named)

    def place(self, body: dict[str, Any] = SELL) -> str:
        answer = self.post(body)
        assert answer.status_code == 202, answer.text
        found: str = answer.json()["orderId"]
        return found

    def end(self, order_id: str) -> dict[str, Any]:
        """The order with its events, once it has ended."""

        def ended() -> dict[str, Any] | None:
            order: dict[str, Any] = self.http.get(f"/api/orders/{order_id}").json()
            return order if order["status"] in FINAL else None

        return until(ended, what="the order's end")

    def stored(self) -> int:
        row = self.sql.execute("SELECT count(*) FROM orders").fetchone()
        assert row is not None
        return int(row[0])

    def copy(self, order_id: str, **changes: str) -> str:
        """The same order again under another id (`id=`), which chance would hardly give."""
        (new,) = self.copies(order_id, 1, **changes)
        return str(new)

    def copies(self, order_id: str, count: int, **changes: str) -> list[uuid.UUID]:
        """The same order so many times again, each under an id and a number of its own."""
        found = self.sql.execute(
            "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute WHERE attnum > 0 "
            "AND attrelid = 'orders'::regclass AND attgenerated = '' AND NOT attisdropped"
        ).fetchone()
        assert found is not None
        names = found[0]
        rows = self.sql.execute(
            f"INSERT INTO orders ({names}) SELECT {names} FROM ("  # noqa: S608  # the table's own
            "SELECT (jsonb_populate_record(o, jsonb_build_object('id', gen_random_uuid(), "
            "'number', nextval('order_numbers'), 'idempotency_key', null) || %s::jsonb)).* "
            "FROM orders o, generate_series(1, %s) WHERE o.id = %s) AS again RETURNING id",
            (json.dumps(changes), count, order_id),
        )
        return [i for (i,) in rows]


@contextmanager
def shared(servers: Servers, template: str, home: Path, **environ: str) -> Iterator[Shared]:
    """On a database and a queue of its own."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    own = make_url(servers.database_url)
    url = own.set(database=name).render_as_string(hide_password=False)
    with connect(own.set(database="postgres").render_as_string(hide_password=False)) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        outside = {"OEE_DATABASE_URL": url, "OEE_REDIS_URL": queue_of_its_own(servers)}
        daemon = Daemon(home, **(QUICK | outside | environ)).start()
        try:
            with daemon.client() as http, connect(url) as sql:
                yield Shared(daemon, http, url, sql)
        finally:
            daemon.stop()
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def queue_of_its_own(servers: Servers) -> str:
    """An empty database of the session's Valkey that nobody else uses: the worker of another daemon on the
    same one would take its messages."""
    with redis.Redis.from_url(servers.redis_url) as valkey:
        used = {int(client["db"]) for client in valkey.client_list()}
    url = f"{servers.redis_url}?db={next(number for number in _numbers if number not in used)}"
    with redis.Redis.from_url(url) as queue:
        queue.flushdb()
    return url


@contextmanager
def alone(home: Path) -> Iterator[Shared]:
    """With servers of its own in its home."""
    daemon = Daemon(home, **QUICK).start()
    url = Servers(daemon.home, postgres=True, valkey=True).database_url
    try:
        with daemon.client() as http, connect(url) as sql:
            yield Shared(daemon, http, url, sql)
    finally:
        daemon.stop()


def state_alone(db: Engine, settings: Settings, folder: Path) -> State:
    """What an application works with that has no daemon around it."""
    assert settings.redis_url is not None and settings.database_url is not None
    settings.home.mkdir()
    around = Surroundings(started_at="", socket_path=folder, http=dict, servers=list, worker_pid=lambda: None)
    network = open_network(settings, settings.database_url)
    broker, feed = open_broker(settings.redis_url), Feed(settings.redis_url)
    return open_state(settings, db, broker, feed, network, around)

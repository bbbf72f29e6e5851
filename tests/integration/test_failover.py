"""Another server takes the database over, and the one that lost its place goes on answering who is connected:
what is acknowledged is in the one that new connections lead to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest
from sqlalchemy import Engine, make_url, text

from oee_daemon.embedded import Servers, embedded_postgres, embedded_servers
from oee_daemon.store import creating_sql, group_placing_sql, token_rows
from oee_daemon.store.creating_sql import New
from oee_daemon.store.database import look_anew, open_database, transactions
from oee_daemon.store.postgres_line import Line
from tests.integration.test_intake import new
from tests.kit.api_daemon import SELL
from tests.kit.daemons import Daemon, until
from tests.kit.databases import EMPTY, connect
from tests.kit.homes import furnished
from tests.kit.proxy import Proxy


class Pair(NamedTuple):
    """The server that had the database, the one that takes it over, and what stands before both."""

    former: Servers
    next: Servers
    proxy: Proxy

    def rows(self, table: str) -> tuple[int, int]:
        """The rows of a table of either."""
        counts = []
        for servers in (self.former, self.next):
            with connect(servers.database_url) as sql:
                row = sql.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()  # noqa: S608
                assert row is not None
                counts.append(int(row[0]))
        return counts[0], counts[1]


@pytest.fixture(scope="module")
def both(file_homes: Path) -> Iterator[list[Servers]]:
    made = [Servers(furnished(file_homes / name), postgres=True, valkey=False) for name in ("a", "b")]
    try:
        for servers in made:
            servers.start()
        yield made
    finally:
        for servers in made:
            servers.stop()


@pytest.fixture
def pair(both: list[Servers]) -> Iterator[Pair]:
    """With nothing in either."""
    for servers in both:
        with connect(servers.database_url) as sql:
            sql.execute(EMPTY)
    proxy = Proxy(both[0].database_url, None)
    yield Pair(both[0], both[1], proxy)
    proxy.close()


async def order(_db: Engine, line: Line) -> None:
    assert await creating_sql.create(line, uuid4(), "simulated", New(new(), None)) is not None


async def group(db: Engine, _line: Line) -> None:
    with transactions(db).begin() as conn:
        group_placing_sql.make(conn, None, None)


async def token(db: Engine, _line: Line) -> None:
    with db.connect() as conn:
        token_rows.add(conn, str(uuid4()), 9, {}, symbol=None, accepted=[])


@pytest.mark.parametrize(("store", "table"), [(order, "orders"), (group, "order_groups"), (token, "tokens")])
def test_what_is_stored_is_where_new_connections_lead(
    pair: Pair, store: Callable[[Engine, Line], Awaitable[None]], table: str
) -> None:
    db = open_database(pair.proxy.url, pool_size=2)

    async def use() -> None:
        line = Line(pair.proxy.url)
        await store(db, line)
        assert not look_anew(db)
        pair.proxy.lead(pair.next.database_url)
        await store(db, line)
        assert pair.rows(table) == (2, 0), "the former one does not answer any more: nothing is shown"
        assert look_anew(db)
        await store(db, line)
        assert not look_anew(db)
        await line.close()

    asyncio.run(use())
    db.dispose()
    assert pair.rows(table) == (2, 1)


@pytest.fixture
def over_tcp(homes: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server on the network."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    servers = Servers(furnished(homes / "n"), postgres=True, valkey=False)
    try:
        with monkeypatch.context() as patch:
            patch.setitem(embedded_postgres._SETTINGS, "listen_addresses", "127.0.0.1")
            patch.setitem(embedded_postgres._SETTINGS, "port", str(port))
            for module in (embedded_postgres, embedded_servers):
                patch.setattr(module, "PORT", port)
            servers.start()
            address = make_url(servers.database_url)
        with connect(address.render_as_string(hide_password=False)) as sql:
            ((access,),) = sql.execute("SHOW hba_file").fetchall()
            Path(access).write_text("host all all 127.0.0.1/32 trust\n")
            sql.execute("SELECT pg_reload_conf()")
        yield address.set(host="127.0.0.1", port=port, query={}).render_as_string(hide_password=False)
    finally:
        servers.stop()


def test_a_socket_of_this_machine_that_leads_over_a_network_may_lead_elsewhere_next(
    pair: Pair, over_tcp: str, homes: Path
) -> None:
    """As that of a cloud's proxy, which stands in a folder as Postgres's own would."""
    proxy = Proxy(pair.former.database_url, homes)
    proxy.lead(over_tcp)
    db = open_database(proxy.url, pool_size=1)
    db.connect().close()
    proxy.lead(pair.next.database_url)
    assert look_anew(db), "older connections would be used on"
    db.dispose()
    proxy.close()


def test_a_pool_believes_what_another_one_learnt(pair: Pair) -> None:
    pools = [open_database(pair.proxy.url, pool_size=1) for _ in range(2)]
    where = text("SELECT pg_postmaster_start_time()")

    def started(db: Engine) -> object:
        with db.connect() as conn:
            return conn.execute(where).scalar_one()

    before = {started(db) for db in pools}
    pair.proxy.lead(pair.next.database_url)
    pools[0].dispose()
    after = [started(db) for db in pools]
    assert len(before) == 1 and len({*after}) == 1 and after[0] not in before
    for db in pools:
        db.dispose()


def test_a_daemon_and_its_worker_follow(pair: Pair, homes: Path, redis_url: str) -> None:
    daemon = Daemon(homes / "h", OEE_DATABASE_URL=pair.proxy.url, OEE_REDIS_URL=redis_url).start()
    try:
        with daemon.client() as http:

            def place() -> str:
                answer = http.post("/api/orders/execute", json=SELL)
                assert answer.status_code == 202, answer.text
                return str(answer.json()["orderId"])

            place()
            pair.proxy.lead(pair.next.database_url)
            until(lambda: place() and pair.rows("orders")[1], within=20, what="an order where it is read")
            former, _ = pair.rows("orders")
            ids = [place() for _ in range(5)]
            assert pair.rows("orders")[0] == former
            for order_id in ids:
                until(
                    lambda i=order_id: http.get(f"/api/orders/{i}").json()["status"] == "confirmed",  # type: ignore[misc]
                    within=60,
                    what="its end",
                )
    finally:
        daemon.stop()

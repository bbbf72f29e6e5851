"""Events over WebSockets, from the outside: each once and in order, whenever and however one listens."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect, unix_connect
from websockets.typing import Origin

from oee_daemon.api import api_answer_schema
from oee_daemon.api.api_connections import LINGER_S
from oee_daemon.api.stream_routes import SEND_TIMEOUT_S
from oee_daemon.contract.protocol import PROTOCOL
from oee_daemon.embedded import Servers
from tests.kit.api_daemon import QUICK, SELL, Shared, shared
from tests.kit.daemons import Daemon
from tests.kit.homes import open_folder

READY = {"status": "ready", "postgres": True, "worker": True, "accepting": True, "queue": True}
STEPS = ["pending", "routing", "building", "submitted", "confirmed"]


@pytest.fixture(scope="module")
def api(servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with shared(servers, template, tmp_path_factory.mktemp("ws") / "h") as running:
        yield running


@pytest.fixture(scope="module")
def stalled(api: Shared) -> Iterator[socket.socket]:
    """A reader of one order with 40,000 events, who never reads past the handshake."""
    order_id = api.place()
    api.end(order_id)
    long = api.copy(order_id, event_seq="40000")
    api.sql.execute(
        "INSERT INTO order_events (order_id, seq, status, attempt, data) SELECT %s::uuid, n,"
        " CASE WHEN n = 40000 THEN 'confirmed' ELSE 'routing' END, 1, '{}' FROM generate_series(1, 40000) n",
        (long,),
    )
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(api.daemon.facts["socket"])
        raw.sendall(
            f"GET /api/orders/execute?orderId={long} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        assert raw.recv(12) == b"HTTP/1.1 101"
        yield raw


def watch(daemon: Daemon, path: str, **options: Any) -> ClientConnection:
    stream: ClientConnection = unix_connect(
        daemon.facts["socket"], f"ws://localhost/api/orders/{path}", proxy=None, **options
    )
    return stream


def events(stream: ClientConnection) -> list[dict[str, Any]]:
    """All events up to the server's good-bye, which has to be a good one."""
    found = []
    while True:
        try:
            found.append(json.loads(stream.recv(timeout=20)))
        except ConnectionClosed as e:
            assert e.rcvd is not None and e.rcvd.code == 1000
            return found


def refusal(daemon: Daemon, path: str, **headers: str) -> tuple[int, str, str | None]:
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    with pytest.raises(InvalidStatus) as refused, watch(daemon, path, additional_headers=named):
        pass
    answer = refused.value.response
    assert answer.headers["oee-protocol"] == str(PROTOCOL) and answer.body is not None
    problem = json.loads(answer.body)
    assert problem["status"] == answer.status_code
    return answer.status_code, problem["code"], problem.get("field")


def test_a_reader_stalls_while_all_that_follows_goes_on(stalled: socket.socket) -> None:
    """Begins the wait that the last test of this file ends."""
    assert stalled.fileno() > 0


def test_who_joins_at_once_and_who_joins_after_the_end_see_the_same(api: Shared) -> None:
    order_id = api.place()
    with watch(api.daemon, f"execute?orderId={order_id}") as stream:
        live = events(stream)
    with watch(api.daemon, f"execute?orderId={order_id}") as stream:
        late = events(stream)
    assert live == late == api.end(order_id)["events"]
    assert [e["status"] for e in live] == STEPS
    for event in live:
        api_answer_schema.Event.model_validate(event)
    pending, routing, building, submitted, confirmed = [e["data"] for e in live]
    assert pending == routing == {}
    assert building.keys() == {"venue", "quotes"}
    for quote in building["quotes"]:
        api_answer_schema.Quote.model_validate(quote)
    assert {q["venue"] for q in building["quotes"]} == {"raydium", "meteora"}
    assert submitted.keys() == {"signature"}
    assert confirmed.keys() == {"signature", "filledIn", "filledOut", "price", "fee", "slot"}
    assert (confirmed["signature"], confirmed["filledIn"]) == (submitted["signature"], "1.5")


def test_after_seq_and_a_prefix_resume_where_one_was(api: Shared) -> None:
    order_id = api.place()
    api.end(order_id)
    for after in range(5):
        with watch(api.daemon, f"execute?orderId={order_id[:13]}&afterSeq={after}") as stream:
            assert [e["seq"] for e in events(stream)] == list(range(after + 1, 6))
    # Past the final one there is nothing to wait for.
    for after in (5, 6, 999_999_999):
        with watch(api.daemon, f"execute?orderId={order_id}&afterSeq={after}") as stream:
            assert events(stream) == []


def test_an_order_that_is_cancelled_ends_its_stream(api: Shared) -> None:
    pid = api.http.get("/api/status").json()["worker"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        order_id = api.place()
        with watch(api.daemon, f"execute?orderId={order_id}") as stream:
            assert json.loads(stream.recv(timeout=10))["status"] == "pending"
            api.http.post(f"/api/orders/{order_id}/cancel")
            assert [e["status"] for e in events(stream)] == ["cancelled"]
    finally:
        os.kill(pid, signal.SIGCONT)


def test_twenty_readers_of_one_order_see_the_same_five_events(api: Shared) -> None:
    order_id = api.place()

    def reader(_: int) -> list[dict[str, Any]]:
        with watch(api.daemon, f"execute?orderId={order_id}") as stream:
            return events(stream)

    with ThreadPoolExecutor(20) as pool:
        seen = list(pool.map(reader, range(20)))
    assert [e["status"] for e in seen[0]] == STEPS
    assert all(s == seen[0] for s in seen)


def test_the_stream_of_all_has_what_comes_from_now_on(api: Shared) -> None:
    api.end(api.place())
    with watch(api.daemon, "stream") as first, watch(api.daemon, "stream") as second:
        ids = [api.place() for _ in range(10)]
        for stream in (first, second):
            seen: dict[str, list[str]] = {i: [] for i in ids}
            while any(s[-1:] != ["confirmed"] for s in seen.values()):
                event = json.loads(stream.recv(timeout=20))
                seen[event["orderId"]].append(event["status"])
            assert all(s == STEPS for s in seen.values())


def test_noise_on_the_channel_of_hints_is_survived(api: Shared) -> None:
    url = api.daemon.environ["OEE_REDIS_URL"]
    with watch(api.daemon, "stream") as stream, redis.Redis.from_url(url) as queue:
        queue.publish("oee:moved", "no id at all")
        queue.publish("oee:moved", "00000000-0000-4000-8000-000000000000")
        order_id = api.place()
        assert [json.loads(stream.recv(timeout=20))["status"] for _ in STEPS] == STEPS
        with watch(api.daemon, f"execute?orderId={order_id}") as one:
            assert len(events(one)) == 5


def test_a_handshake_is_refused_in_words(api: Shared) -> None:
    order_id = api.place()
    api.end(order_id)
    api.copy(order_id, id=order_id[:9] + ("0000" if order_id[9:13] != "0000" else "1111") + order_id[13:])
    one = f"execute?orderId={order_id}"
    for path, wanted in {
        "execute": (422, "missing_field", "orderId"),
        "execute?orderId=": (404, "not_found", None),
        "execute?orderId=%00": (404, "not_found", None),
        "execute?orderId=00000000-0000-4000-8000-000000000000": (404, "not_found", None),
        f"execute?orderId={order_id[:8]}": (400, "ambiguous_prefix", "orderId"),
        f"{one}&afterSeq=-1": (422, "out_of_range", "afterSeq"),
        f"{one}&afterSeq=": (422, "out_of_range", "afterSeq"),
        f"{one}&afterSeq=1.5": (422, "out_of_range", "afterSeq"),
        f"{one}&afterSeq=%D9%A1": (422, "out_of_range", "afterSeq"),
        f"{one}&afterSeq=9999999999": (422, "out_of_range", "afterSeq"),
        f"{one}&{one.partition('?')[2]}": (422, "invalid_input", "orderId"),
        f"{one}&after=1": (422, "unknown_field", "after"),
        "stream?since=1": (422, "unknown_field", "since"),
    }.items():
        assert refusal(api.daemon, path) == wanted, path
    for path in (one, "stream"):
        assert refusal(api.daemon, path, OEE_Protocol="1") == (426, "protocol_mismatch", None)
    for path in ("nothing", "execute/x"):
        with pytest.raises(InvalidStatus) as refused, watch(api.daemon, path):
            pass
        assert refused.value.response.status_code in (403, 404)


def test_what_a_client_says_is_thrown_away_and_too_much_of_it_ends_it(api: Shared) -> None:
    with watch(api.daemon, "stream") as stream:
        for _ in range(100):
            stream.send("x" * 1000)
        order_id = api.place()
        while (event := json.loads(stream.recv(timeout=20)))["status"] != "confirmed":
            assert event["orderId"] == order_id
        stream.send("x" * 65_537)
        with pytest.raises(ConnectionClosed) as closed:
            stream.recv(timeout=20)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009


def test_over_tcp_the_token_is_asked_for_before_the_handshake(api: Shared) -> None:
    url = api.daemon.facts["http"].replace("http", "ws", 1) + "/api/orders/stream"
    with pytest.raises(InvalidStatus) as refused, connect(url, proxy=None):
        pass
    assert refused.value.response.status_code == 401
    bearer = {"Authorization": f"Bearer {api.daemon.token}"}
    with (
        pytest.raises(InvalidStatus) as refused,
        connect(url, proxy=None, origin=Origin("http://localhost"), additional_headers=bearer),
    ):
        pass
    assert refused.value.response.status_code == 403
    with connect(url, proxy=None, additional_headers=bearer) as stream:
        order_id = api.place()
        assert json.loads(stream.recv(timeout=20))["orderId"] == order_id


@contextmanager
def own_valkey() -> Iterator[tuple[Servers, Path]]:
    home = open_folder()
    valkey = Servers(home, postgres=False, valkey=True)
    valkey.start()
    try:
        yield valkey, home
    finally:
        valkey.stop()
        shutil.rmtree(home, ignore_errors=True)


def test_who_watches_misses_nothing_while_there_are_no_hints(database_url: str) -> None:
    with own_valkey() as (valkey, home):
        environ = QUICK | {"OEE_DATABASE_URL": database_url, "OEE_REDIS_URL": valkey.redis_url}
        daemon = Daemon(home / "h", **environ).start()
        try:
            with daemon.client() as http, watch(daemon, "stream") as stream:
                valkey.stop()
                answer = http.post("/api/orders/execute", json=SELL)
                assert answer.status_code == 202
                with watch(daemon, f"execute?orderId={answer.json()['orderId']}") as one:
                    # Without a bell one looks by oneself.
                    assert json.loads(one.recv(timeout=20))["status"] == "pending"
                    # Nor does the order wait for the queue.
                    assert [json.loads(stream.recv(timeout=20))["status"] for _ in STEPS] == STEPS
                    assert [e["status"] for e in events(one)] == STEPS[1:]
                    assert http.get("/readyz").json() == READY | {"queue": False}
                    valkey.start()
                    order_id = http.post("/api/orders/execute", json=SELL).json()["orderId"]
                    for status in STEPS:
                        event = json.loads(stream.recv(timeout=20))
                        assert (event["orderId"], event["status"]) == (order_id, status)
        finally:
            daemon.stop()


def test_zz_the_reader_that_stopped_is_dropped(api: Shared, stalled: socket.socket) -> None:
    """Last: by now most of its time is over."""
    bell = select.poll()
    bell.register(stalled, select.POLLHUP)
    assert bell.poll((SEND_TIMEOUT_S + LINGER_S + 5) * 1000), "it is still connected"
    got = 0
    stalled.settimeout(5)
    try:
        while piece := stalled.recv(1 << 16):
            got += len(piece)
    except ConnectionResetError:
        pass
    # What the kernel held, of some six million bytes.
    assert 0 < got < 1_000_000

"""Who gets in: every route by token, Host and Origin; requests that are slow, long or no HTTP at all."""

from __future__ import annotations

import contextlib
import select
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from sqlalchemy import Engine
from starlette.routing import WebSocketRoute

from oee_daemon.api import api_app
from oee_daemon.api.api_connections import HEADERS_S
from oee_daemon.api.api_request_limits import BODY_S
from oee_daemon.contract.protocol import PROTOCOL
from oee_daemon.embedded import Servers
from oee_daemon.settings import Settings
from tests.e2e.bare_http import ask, http_port
from tests.kit.api_daemon import Shared, shared, state_alone
from tests.kit.daemons import until

HALVES = 300
#: What a route says to an empty request that passed the gate. A new route fails the test below until
#: somebody has written here what it does.
ROUTES = {
    ("GET", "/healthz"): 200,
    ("GET", "/readyz"): 200,
    ("GET", "/metrics"): 200,
    ("GET", "/openapi.json"): 200,
    ("GET", "/api/status"): 200,
    ("GET", "/api/tokens"): 200,
    ("GET", "/api/tokens/new"): 200,
    ("GET", "/api/tokens/search"): 422,
    ("POST", "/api/tokens"): 422,
    ("DELETE", "/api/tokens/{name}"): 422,
    ("GET", "/api/balances"): 409,
    ("GET", "/api/endpoints"): 200,
    ("POST", "/api/wallet/lock"): 403,
    ("POST", "/api/wallet/unlock"): 403,
    ("GET", "/api/limits"): 200,
    ("GET", "/api/halt"): 200,
    ("POST", "/api/halt"): 422,
    ("POST", "/api/resume"): 200,
    ("POST", "/api/notify/test"): 200,
    ("GET", "/api/venues"): 200,
    ("GET", "/api/orders"): 200,
    ("GET", "/api/fills"): 200,
    ("GET", "/api/stats"): 200,
    ("GET", "/api/engine"): 200,
    ("GET", "/api/feeds"): 200,
    ("GET", "/api/quotes"): 422,
    ("GET", "/api/orders/{order_id}"): 404,
    ("PATCH", "/api/orders/{order_id}"): 422,
    ("POST", "/api/orders/{order_id}/cancel"): 404,
    ("POST", "/api/orders/cancel"): 422,
    ("POST", "/api/orders/execute"): 422,
    ("POST", "/api/orders/find"): 422,
    ("POST", "/api/orders/group"): 422,
    ("GET", "/api/orders/execute"): 426,
    ("GET", "/api/orders/stream"): 426,
    ("GET", "/api/prices"): 426,
    ("WS", "/api/prices"): 422,
    ("WS", "/api/orders/execute"): 422,
    ("WS", "/api/orders/stream"): 101,
}
#: What needs no token, and no Host of ours.
OPEN = {("GET", "/healthz")}


@pytest.fixture(scope="module")
def api(servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with shared(servers, template, tmp_path_factory.mktemp("doors") / "h") as running:
        yield running


@pytest.fixture(scope="module")
def halves(api: Shared) -> Iterator[list[socket.socket]]:
    """Half-sent requests on both doors, opened before everything else in this file and left alone."""
    port = http_port(api.daemon)
    found = []
    for n in range(HALVES):
        if n % 3:
            found.append(socket.create_connection(("127.0.0.1", port)))
        else:
            found.append(socket.socket(socket.AF_UNIX))
            found[-1].connect(api.daemon.facts["socket"])
        parts = [b"", b"GET /heal", b"GET /healthz HTTP/1.1\r\nHost: localh", b"\r\n"]
        found[-1].sendall(parts[n % 4])
    yield found
    for one in found:
        one.close()


@pytest.fixture(scope="module")
def half_body(api: Shared) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(api.daemon.facts["socket"])
        raw.sendall(b"POST /api/orders/execute HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
        yield raw


@pytest.fixture
def built(db: Engine, settings: Settings, tmp_path: Path) -> FastAPI:
    """The application itself, for its routes."""
    return api_app.build(state_alone(db, settings, tmp_path))


def routes_of(built: FastAPI) -> set[tuple[str, str]]:
    found = set()
    for route in iter_route_contexts(built.routes):
        if isinstance(route.original_route, WebSocketRoute):
            found.add(("WS", str(route.path)))
        found |= {(m, str(route.path)) for m in route.methods or () if m != "HEAD"}
    return found


def test_requests_are_left_half_sent_while_all_that_follows_goes_on(
    halves: list[socket.socket], half_body: socket.socket
) -> None:
    """Begins the wait that the last test of this file ends."""
    assert len(halves) == HALVES and half_body.fileno() > 0


def test_every_route_by_token_host_and_origin(built: FastAPI, api: Shared) -> None:
    assert routes_of(built) == ROUTES.keys(), "a route without an entry in ROUTES"
    port = http_port(api.daemon)
    tokens = {"no": None, "wrong": "x" * 43, "right": api.daemon.token}
    hosts = {"own": f"127.0.0.1:{port}", "foreign": "evil.example"}
    origins = {"no": None, "own": f"http://127.0.0.1:{port}", "foreign": "http://evil.example"}
    wrong = []
    for (method, template), passed in ROUTES.items():
        path = template.replace("{order_id}", "00000000-0000-4000-8000-000000000000")
        for token, bearer in tokens.items():
            for host, name in hosts.items():
                for origin, page in origins.items():
                    open_to_all = (method, template) in OPEN
                    if host == "foreign" and not open_to_all:
                        wanted, code = 403, "foreign_host"
                    elif origin != "no":
                        wanted, code = 403, "foreign_origin"
                    elif token != "right" and not open_to_all:
                        wanted, code = 401, "unauthorized"
                    else:
                        wanted, code = passed, None
                    headers = [("Host", name)]
                    headers += [("Authorization", f"Bearer {bearer}")] if bearer else []
                    headers += [("Origin", page)] if page else []
                    status, problem, answer = ask(api.daemon, method, path, headers)
                    fits = status == wanted and (code is None or problem["code"] == code)
                    if not fits or answer.getheader("oee-protocol") != str(PROTOCOL):
                        wrong.append((method, path, token, host, origin, status, wanted))
    assert wrong == []
    assert api.stored() == 0


def test_a_path_that_does_not_exist_is_closed_too(api: Shared) -> None:
    for method, path in (
        ("GET", "/x"),
        ("GET", "/healthz/"),
        ("GET", "/HEALTHZ"),
        ("GET", "//healthz"),
        ("WS", "/x"),
    ):
        assert ask(api.daemon, method, path, [("Host", "localhost")])[0] == 401


@pytest.mark.parametrize(
    "host",
    [
        "", "evil.example", "localhost.", "localhost.evil.example",
        "localhost@evil.example", "evil.example:3000",
        "127.0.0.1.", "127.0.0.2", "127.1", "2130706433",
        "0.0.0" ".0", "0", "[::]", "[::1]evil.example", "[::1", "::1",  # noqa: S104
        "localhost:3000:3000", "localhost:x", "localhost:", "localhost:123456", "localhost/", "local host",
        "localhost, evil.example", "http://localhost",
        "*", "localhost#", "lоcalhost".encode().decode("latin-1"),
    ],
)  # fmt: skip
def test_a_foreign_host_is_refused(api: Shared, host: str) -> None:
    bearer = ("Authorization", f"Bearer {api.daemon.token}")
    status, problem, _ = ask(api.daemon, "GET", "/readyz", [("Host", host), bearer])
    assert (status, problem["code"]) == (403, "foreign_host")
    assert ask(api.daemon, "GET", "/healthz", [("Host", host)])[0] == 200


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "localhost:1", "127.0.0.1", "127.0.0.1:65535", "[::1]", "[::1]:3000"]
)
def test_an_own_host_is_let_in(api: Shared, host: str) -> None:
    bearer = ("Authorization", f"Bearer {api.daemon.token}")
    assert ask(api.daemon, "GET", "/readyz", [("Host", host), bearer])[0] == 200


def test_head_is_get_without_a_body_on_every_route(api: Shared) -> None:
    for method, template in ROUTES:
        if method == "GET":
            path = template.replace("{order_id}", "00000000-0000-4000-8000-000000000000")
            for headers in (
                [("Host", "localhost")],
                [("Host", "localhost"), ("Authorization", f"Bearer {api.daemon.token}")],
            ):
                got, head = (ask(api.daemon, verb, path, headers) for verb in ("GET", "HEAD"))
                assert head[0] == got[0], path
                assert head[2].getheader("content-type") == got[2].getheader("content-type"), path
    with api.daemon.client() as socket_side:
        answer = socket_side.head("/readyz")
        assert (answer.status_code, answer.content) == (200, b"")
        assert int(answer.headers["content-length"]) > 0
        assert socket_side.head("/api/orders/0000/cancel").status_code == 405


def test_headers_that_stand_twice_or_not_at_all_let_nobody_in(api: Shared) -> None:
    own, bearer = ("Host", "localhost"), ("Authorization", f"Bearer {api.daemon.token}")
    for headers, wanted in (
        ([], 403),
        ([own, own], 403),
        ([own, ("Host", "evil.example")], 403),
        ([own, bearer, bearer], 401),
        ([own, bearer, ("Origin", "")], 403),
        ([own, bearer, ("Origin", "null")], 403),
    ):
        assert ask(api.daemon, "GET", "/api/orders", headers)[0] == wanted, headers


def test_only_the_whole_token_as_bearer_is_taken(api: Shared) -> None:
    token = api.daemon.token
    for header in (
        "", "Bearer", "Bearer ", token, f"Basic {token}",
        f"Bearer{token}", f"Bearer {token[:-1]}", f"Bearer {token}x",
        f"Bearer {token} {token}", f"Bearer {token.swapcase()}", f"Bearer {token},", f'Bearer "{token}"',
        "Bearer \xff",
    ):  # fmt: skip
        headers = [("Host", "localhost"), ("Authorization", header)]
        assert ask(api.daemon, "GET", "/api/orders", headers)[0] == 401, header
    for path in (f"/api/orders?token={token}", f"/api/orders?access_token={token}"):
        assert ask(api.daemon, "GET", path, [("Host", "localhost"), ("Cookie", f"token={token}")])[0] == 401
    headers = [("Host", "localhost"), ("Authorization", f"bearer {token}")]
    assert ask(api.daemon, "GET", "/api/orders", headers)[0] == 200


def test_bytes_that_are_no_http_get_an_end_and_never_a_500(api: Shared) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    ws = upgrade + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
    for sent in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /caf\xc3\xa9 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://[::bad HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
        b"0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 30_000,
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n",
        b"GET /api/orders/stream HTTP/1.1\r\nHost: localhost\r\n" + upgrade + b"\r\n",
        b"GET /api/orders/stream HTTP/1.1\r\nHost: localhost\r\n" + ws + b"short\r\n\r\n",
        b"POST /api/orders/stream HTTP/1.1\r\nHost: localhost\r\n" + ws + b"dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        b"GET /caf\xc3\xa9 HTTP/1.1\r\nHost: localhost\r\n" + ws + b"dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
    ):  # fmt: skip
        with socket.create_connection(("127.0.0.1", http_port(api.daemon)), timeout=20) as raw:
            # One that has refused it already has closed it: "not connected" is no ConnectionError.
            with contextlib.suppress(OSError):
                raw.sendall(sent)
                raw.shutdown(socket.SHUT_WR)
            answer = b""
            with contextlib.suppress(ConnectionError):
                while piece := raw.recv(65536):
                    answer += piece
        assert answer[:9] in (b"", b"HTTP/1.1 ") and answer[9:12] < b"500", (sent[:80], answer[:200])
    assert ask(api.daemon, "GET", "/healthz", [("Host", "localhost")])[0] == 200


def test_only_its_owner_can_open_what_the_daemon_keeps(api: Shared) -> None:
    home = api.daemon.home
    run = home / "run"
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    assert stat.S_IMODE(Path(api.daemon.facts["socket"]).stat().st_mode) == 0o600
    assert stat.S_IMODE((home / "token").stat().st_mode) == 0o600
    assert len(api.daemon.token) >= 43


def test_zz_half_sent_requests_are_closed(
    api: Shared, halves: list[socket.socket], half_body: socket.socket
) -> None:
    """Last: by now most of their time is over. A trickle of bytes wins none."""
    trickle = [h for n, h in enumerate(halves) if n % 4 == 2]
    over = threading.Event()

    def drip() -> None:
        while not over.wait(0.2):
            for one in trickle:
                with contextlib.suppress(OSError):
                    one.send(b"a")

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        left = {h.fileno() for h in halves}
        bell = select.poll()
        for number in left:
            bell.register(number, select.POLLRDHUP)

        def closed() -> bool:
            for number, _ in bell.poll(100):
                left.discard(number)
                bell.unregister(number)
            return not left

        until(closed, within=HEADERS_S + 3, what="the end of every half-sent request")
    finally:
        over.set()
        dripping.join()
    half_body.settimeout(BODY_S + 3)
    assert half_body.recv(4096).startswith(b"HTTP/1.1 408")
    assert api.http.get("/healthz").status_code == 200

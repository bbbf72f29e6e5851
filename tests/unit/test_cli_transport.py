"""Requests over a Unix socket: connections used again, and an honest error for every way they can break."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oee_cli.api.client_transport import UnixTransport, httpx

Serve = Callable[[socket.socket], None]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Takes connections one after the other, each in a thread, and says how many there were."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connections = 0
        self.serve: Serve = lambda connection: None
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(str(path))
        self.socket.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            self.serve(connection)

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    one = Server(tmp_path / "s")
    yield one
    one.close()


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(transport=UnixTransport(str(server.path)), base_url="http://localhost") as one:
        yield one


def request_of(connection: socket.socket) -> bytes:
    """One request without a body; empty where the other end hung up."""
    seen = b""
    while not seen.endswith(b"\r\n\r\n"):
        part = connection.recv(65536)
        if not part:
            return b""
        seen += part
    return seen


def answering(answer: bytes, *, times: int = 1_000_000) -> Serve:
    def serve(connection: socket.socket) -> None:
        for _ in range(times):
            if not request_of(connection):
                return
            connection.sendall(answer)

    return serve


def test_one_connection_serves_many_requests(server: Server, client: httpx.Client) -> None:
    server.serve = answering(OK)
    assert [client.get("/x").text for _ in range(3)] == ["ok"] * 3
    assert server.connections == 1


def test_what_is_sent_is_what_httpx_made(server: Server, client: httpx.Client) -> None:
    seen = []

    def serve(connection: socket.socket) -> None:
        request = connection.recv(65536)
        while not request.endswith(b"}"):
            request += connection.recv(65536)
        seen.append(request)
        connection.sendall(OK)

    server.serve = serve
    client.post("/a b?c=ü", json={"a": 1}, headers={"Idempotency-Key": "12345678"})
    head, _, body = seen[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /a%20b?c=%C3%BC HTTP/1.1"
    assert "Idempotency-Key: 12345678" in lines
    assert [line for line in lines if line.lower().startswith(("host", "content-length"))] == [
        "Host: localhost",
        "Content-Length: 7",
    ]
    assert body == b'{"a":1}'


def test_a_connection_that_the_other_end_closed_is_not_used_again(
    server: Server, client: httpx.Client
) -> None:
    closed = threading.Event()

    def once(connection: socket.socket) -> None:
        answering(OK, times=1)(connection)
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    server.serve = once
    assert client.get("/").text == "ok"
    assert closed.wait(10)
    assert client.get("/").text == "ok"
    assert server.connections == 2


def test_an_answer_may_come_in_pieces_and_need_not_be_read_to_its_end(
    server: Server, client: httpx.Client
) -> None:
    server.serve = answering(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"
    )
    assert client.get("/").text == "abcde"
    with client.stream("GET", "/") as answer:
        assert next(answer.iter_raw()).startswith(b"ab")
    # The rest of that one is nobody's answer.
    assert client.get("/").text == "abcde"
    assert server.connections == 2


@pytest.mark.parametrize(
    ("serve", "error"),
    [
        (answering(b"", times=1), httpx.RemoteProtocolError),
        (answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", times=1), httpx.RemoteProtocolError),
        (answering(b"nonsense\r\n\r\n", times=1), httpx.ReadError),
        (answering(b""), httpx.ReadTimeout),
        (answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nslow"), httpx.ReadTimeout),
    ],
)
def test_a_broken_answer_is_an_error_of_httpx_and_ends_the_connection(
    serve: Serve, error: type[Exception], server: Server, client: httpx.Client
) -> None:
    server.serve = serve
    with pytest.raises(error) as e:
        client.get("/", timeout=0.2)
    assert str(e.value)
    server.serve = answering(OK)
    assert client.get("/").text == "ok"
    assert server.connections == 2


def test_who_refuses_a_long_request_early_is_heard(server: Server, client: httpx.Client) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(1024)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        connection.shutdown(socket.SHUT_RDWR)

    server.serve = serve
    answer = client.post("/", content=b"x" * 5_000_000)
    assert (answer.status_code, answer.text) == (413, "no")


def test_nobody_there_is_a_connect_error(tmp_path: Path) -> None:
    with (
        httpx.Client(transport=UnixTransport(str(tmp_path / "s")), base_url="http://x") as client,
        pytest.raises(httpx.ConnectError, match="No such file"),
    ):
        client.get("/")


def test_threads_share_it(server: Server, client: httpx.Client) -> None:
    server.serve = answering(OK)
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda: answers.extend(client.get("/").text for _ in range(50)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert answers == ["ok"] * 400
    assert server.connections <= 8

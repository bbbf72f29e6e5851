"""HTTP to strangers, by the bytes: what a whole answer is, and when a connection serves again."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from oee_daemon import event_loop
from oee_daemon.networks.solana.rpc import rpc_outside_http
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_answers import NoAnswer
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.rpc.rpc_outside_http import MOST_BYTES, Site

OK = b"HTTP/1.1 200 OK\r\n"
SIZED = OK + b"Content-Length: 2\r\n\r\n{}"
UNTRUSTED = "its certificate is not trusted, or it speaks no TLS"


class Raw:
    """A server that answers each request, a head without a body, with the next of `answers`; none closes."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.heads: list[str] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self.answers:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
                length = [line for line in head.split("\r\n") if line.lower().startswith("content-length")]
                if length:
                    await reader.readexactly(int(length[0].split(":")[1]))
                answer = self.answers.pop(0)
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
                if b"\r\nContent-Length" not in answer and b"chunked" not in answer:
                    return
            await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


def asked(raw: Raw, times: int = 1, path: str = "", unix: Path | None = None) -> list[bytes | str]:
    """The bodies, or the reasons for none, of as many requests one after another."""

    async def run() -> list[bytes | str]:
        if unix is None:
            server = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
            site = Site(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{path}")
        else:
            server = await asyncio.start_unix_server(raw.serve, str(unix))
            site = Site(f"http+unix://{str(unix).replace('/', '%2F')}{path}")
        found: list[bytes | str] = []
        for _ in range(times):
            try:
                found.append((await asyncio.wait_for(site.post("", b"{}"), 5.0)).body)
            except NoAnswer as e:
                found.append(e.reason)
        await site.close()
        server.close()
        return found

    return asyncio.run(run())


@pytest.mark.parametrize(
    "answer",
    [
        SIZED,
        OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        OK + b"\r\n{}",
        b"HTTP/1.0 200 OK\r\n\r\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\n" + SIZED,
        OK + b"content-length:   2\r\nX: \xff\r\n\r\n{}",
    ],
)
def test_an_answer_is_whole(answer: bytes, tmp_path: Path) -> None:
    assert asked(Raw(answer)) == asked(Raw(answer), unix=tmp_path / "s") == [b"{}"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, "the connection was cut"),
        (b"HTTP/1.1 200", "the connection was cut"),
        (b"nonsense\r\n\r\n", "HttpParser"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "HttpParserUpgrade"),
        (OK + b"Content-Length: 2, 3\r\n\r\n{}", "HttpParser"),
        (OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "HttpParser"),
        (OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", "HttpParser"),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", "an answer in an encoding"),
        (OK + b"X: " + b"x" * 70_000 + b"\r\n\r\n", "HttpParser"),
        (OK + b"\r\n" + b"x" * (MOST_BYTES + 1), f"more than {MOST_BYTES} bytes"),
        (OK + b"X: " + b"x" * (MOST_BYTES + 70_000), f"more than {MOST_BYTES} bytes"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * (MOST_BYTES + 70_000), "more than"),
    ],
)
def test_what_is_no_answer(answer: bytes | None, reason: str) -> None:
    (said,) = asked(Raw(answer))
    assert isinstance(said, str) and said.startswith(reason)


@pytest.mark.parametrize(
    ("answers", "connections"),
    [
        ([SIZED] * 4, 1),
        ([OK + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}"] * 2, 2),
        # Bytes that nobody asked for would be taken for the next answer.
        ([SIZED + SIZED, SIZED], 2),
        ([OK + b"\r\n{}", SIZED], 2),
    ],
)
def test_a_connection_serves_again_where_its_last_answer_was_whole(
    answers: Sequence[bytes], connections: int
) -> None:
    raw = Raw(*answers)
    said = asked(raw, times=len(answers))
    assert said == [b"{}"] * len(answers) and raw.connections == connections


def test_an_address_that_swallows_everything_costs_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> bytes:
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(Raw(SIZED).serve, "127.0.0.1", 0)
        port, connect = server.sockets[0].getsockname()[1], loop.sock_connect

        def two(*_: Any, **__: Any) -> list[Any]:
            kind = socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, ""
            return [(*kind, (host, port)) for host in ("192.0.2.1", "127.0.0.1")]

        async def swallowed(sock: socket.socket, address: Any) -> None:
            if address[0] == "192.0.2.1":
                await asyncio.Event().wait()
            await connect(sock, address)

        monkeypatch.setattr(socket, "getaddrinfo", two)
        monkeypatch.setattr(loop, "sock_connect", swallowed)
        site = Site(f"http://rpc.example:{port}")
        try:
            return (await asyncio.wait_for(site.post("", b"{}"), 5.0)).body
        finally:
            await site.close()
            server.close()

    assert asyncio.run(run()) == b"{}"


def resolving(monkeypatch: pytest.MonkeyPatch, look: Callable[[str], None]) -> None:
    """Each name is this machine's, once `look` has returned for it."""
    resolve = socket.getaddrinfo

    def resolved(host: str, *how: Any, **more: Any) -> Any:
        look(host)
        return resolve("127.0.0.1", *how, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)


def test_a_name_server_that_hangs_holds_up_its_own_host_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The few threads in which the loop looks names up all waited for it, and no other endpoint was
    reached."""
    over = threading.Event()
    looked: list[str] = []

    def look(host: str) -> None:
        looked.append(host)
        if host == "hangs.example":
            over.wait(30)

    async def run() -> bytes:
        resolving(monkeypatch, look)
        server = await asyncio.start_server(Raw(SIZED).serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        hanging, site = Site(f"http://hangs.example:{port}"), Site(f"http://rpc.example:{port}")
        waiting = [asyncio.ensure_future(hanging.post("", b"{}")) for _ in range(100)]
        try:
            return (await asyncio.wait_for(site.post("", b"{}"), 5.0)).body
        finally:
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            over.set()
            await site.close()
            server.close()

    assert asyncio.run(run()) == b"{}"
    assert looked.count("hangs.example") == 1


@pytest.mark.parametrize("hangs", [True, False], ids=["hangs", "fails"])
def test_a_host_is_reached_where_it_was_while_dns_is_away(
    monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    over, looked = threading.Event(), 0

    def look(_: str) -> None:
        nonlocal looked
        looked += 1
        if looked > 1:
            if hangs:
                over.wait(30)
            raise socket.gaierror("away")

    async def run() -> list[bytes]:
        resolving(monkeypatch, look)
        raw = Raw(*[OK + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}"] * 3)
        server = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
        site = Site(f"http://rpc.example:{server.sockets[0].getsockname()[1]}")
        try:
            return [(await asyncio.wait_for(site.post("", b"{}"), 5.0)).body for _ in range(3)]
        finally:
            over.set()
            await site.close()
            server.close()

    assert asyncio.run(run()) == [b"{}"] * 3


@pytest.mark.parametrize("loop", [event_loop.new_loop, asyncio.new_event_loop], ids=["ours", "Python's"])
def test_a_handshake_that_hangs_ends_with_its_deadline(loop: Callable[[], Any]) -> None:
    """And leaves no connection behind."""

    async def run() -> None:
        gone = asyncio.Event()

        async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            gone.set()
            writer.close()

        server = await asyncio.start_server(mute, "127.0.0.1", 0)
        one = Endpoint(Site(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"), Bucket(1e3, 100))
        with pytest.raises(NoAnswer, match="nothing within"):
            await one.ask([("getSlot", [])], 0.2)
        await asyncio.wait_for(gone.wait(), 5.0)
        await one.close()
        server.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())


def test_a_line_that_the_other_side_closed_is_not_used_again() -> None:
    async def run() -> int:
        raw = Raw(*[SIZED] * 2)
        closed = asyncio.Event()

        async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            raw.connections += 1
            await reader.readuntil(b"}")
            writer.write(SIZED)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            closed.set()

        server = await asyncio.start_server(one, "127.0.0.1", 0)
        site = Site(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        for _ in range(2):
            closed.clear()
            assert (await asyncio.wait_for(site.post("", b"{}"), 5.0)).body == b"{}"
            await closed.wait()
            await asyncio.sleep(0)
        await site.close()
        server.close()
        return raw.connections

    assert asyncio.run(run()) == 2


def test_what_is_sent() -> None:
    raw = Raw(SIZED)
    asked(raw, path="/a b/v1?key=s%C3%A9")
    assert raw.heads[0].startswith("POST /a%20b/v1?key=s%C3%A9 HTTP/1.1\r\nhost: 127.0.0.1:")
    assert "accept-encoding: identity\r\n" in raw.heads[0] and "content-length: 2\r\n" in raw.heads[0]
    site = Site("https://user:p%40ss@rpc.example:8443/x", {"x-api-key": "K"})
    sent = site._request("GET", "/swap", {"dexes": "Meteora DLMM,Whirlpool", "a": "1\r\nb: 2"}, None).decode()
    assert sent.split("\r\n")[0] == "GET /x/swap?dexes=Meteora%20DLMM%2CWhirlpool&a=1%0D%0Ab%3A%202 HTTP/1.1"
    assert "\r\nhost: rpc.example:8443\r\n" in sent and "\r\nx-api-key: K\r\n" in sent
    assert "\r\nauthorization: Basic dXNlcjpwQHNz\r\n" in sent
    with pytest.raises(ValueError, match="plain characters"):
        Site("https://rpc.example", {"x-api-key": "K\r\nx: y"})


def own_certificate(folder: Path) -> Path:
    """Of `localhost`, signed by itself, with its key in the same file."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string("CN=localhost")
    begun = datetime.now(UTC) - timedelta(days=1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, begun, begun + timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    told = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    file = folder / "both.pem"
    file.write_bytes(told + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.mark.parametrize(
    ("host", "trusted", "said"),
    [
        ("localhost", True, b"{}"),
        ("127.0.0.1", True, UNTRUSTED),
        ("localhost", False, UNTRUSTED),
    ],
)
def test_who_answers_over_tls_is_verified(
    host: str, trusted: bool, said: bytes | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = own_certificate(tmp_path)
    mine = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    mine.load_cert_chain(file)
    if trusted:
        monkeypatch.setattr(rpc_outside_http, "_tls", lambda: ssl.create_default_context(cafile=file))

    async def run() -> bytes | str:
        server = await asyncio.start_server(Raw(SIZED).serve, "127.0.0.1", 0, ssl=mine)
        site = Site(f"https://{host}:{server.sockets[0].getsockname()[1]}")
        try:
            return (await asyncio.wait_for(site.post("", b"{}"), 5.0)).body
        except NoAnswer as e:
            return e.reason
        finally:
            await site.close()
            server.close()

    assert asyncio.run(run()) == said

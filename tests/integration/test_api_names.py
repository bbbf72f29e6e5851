"""The TCP side under names and addresses: who is let in by which Host, and a resolver that never answers."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from oee_cli.api import client_processes
from oee_daemon.api.api_listeners import Listeners
from tests.kit.daemons import NO_TLS

TOKEN = "t" * 43


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def listeners(folder: Path, host: str, names: str | None = None) -> Listeners:
    return Listeners(
        hello,
        path=lambda: folder / "s",
        host=host,
        port=0,
        names=names,
        token=TOKEN,
        home=folder,
        tag="1:2",
        network="simulated",
    )


async def over_socket(folder: Path) -> int:
    transport = httpx.AsyncHTTPTransport(uds=str(folder / "s"), verify=NO_TLS)
    async with httpx.AsyncClient(transport=transport, timeout=5, verify=NO_TLS) as client:
        return (await client.get("http://localhost/api/orders")).status_code


async def asked(opened: Listeners, address: str, host: str, path: str = "/api/orders") -> int:
    port = opened.http()["url"].rpartition(":")[2]
    async with httpx.AsyncClient(trust_env=False, timeout=5, verify=NO_TLS) as client:
        headers = {"Host": host.replace("PORT", port), "Authorization": f"Bearer {TOKEN}"}
        return (await client.get(f"http://{address}:{port}{path}", headers=headers)).status_code


async def turned(true: Any, what: str) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110  # a test looks from outside
            await asyncio.sleep(0.01)
    assert true(), what


@pytest.fixture
def folder(homes: Path) -> Path:
    return homes


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A resolver that answers for `desk.corp.example` only once it is told to."""
    answer = threading.Event()
    real = socket.getaddrinfo

    def slow(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host == "desk.corp.example":
            answer.wait()
            host = "127.0.0.1"
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    yield answer
    answer.set()


def test_a_name_that_is_not_answered_for_keeps_nobody_waiting(folder: Path, silent: threading.Event) -> None:
    async def run() -> None:
        opened = listeners(folder, "desk.corp.example")
        await opened.open()
        for _ in range(5):
            assert await over_socket(folder) == 200
        assert opened.http()["listening"] is False
        assert "still being looked up" in opened.http()["problem"]
        silent.set()
        await turned(lambda: opened.http()["listening"], "the port")
        assert opened.http()["url"].startswith("http://desk.corp.example:")
        assert await asked(opened, "127.0.0.1", "desk.corp.example:PORT") == 200
        await opened.close()

    asyncio.run(run())


def test_a_name_that_is_never_answered_for_does_not_hold_up_the_end(
    folder: Path, silent: threading.Event
) -> None:
    async def run() -> None:
        opened = listeners(folder, "desk.corp.example")
        await opened.open()
        await opened.close()

    async def limited() -> None:
        async with asyncio.timeout(15):
            await run()

    asyncio.run(limited())
    assert not silent.is_set() and not (folder / "s").exists()


@pytest.mark.parametrize("host", ["no-such-name.invalid", ".", "a" * 64 + ".example"])
def test_a_name_without_an_address_is_a_problem_in_words(folder: Path, host: str) -> None:
    async def run() -> None:
        opened = listeners(folder, host)
        await opened.open()
        await turned(lambda: "looked up" not in (opened.http()["problem"] or "looked up"), "the problem")
        assert opened.http()["problem"].startswith(f"{host}:0: ")
        assert await over_socket(folder) == 200
        await opened.close()

    asyncio.run(run())


def test_doctor_asks_for_a_name_only_so_long(
    silent: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_processes, "_NAME_S", 0.05)
    assert isinstance(client_processes.can_bind("desk.corp.example", 0), TimeoutError)
    assert client_processes.can_bind("127.0.0.1", 0) is None
    assert isinstance(client_processes.can_bind("a" * 64 + ".example", 0), OSError)
    assert isinstance(client_processes.can_bind("192.0.2.1", 0), OSError)


def test_on_every_address_each_own_one_is_let_in_and_names_that_are_set(folder: Path) -> None:
    async def run() -> None:
        opened = listeners(folder, "0.0.0.0", "desk.example,fd00::7")  # noqa: S104
        await opened.open()
        assert opened.http()["url"].startswith("http://desk.example:")
        for address, host, wanted in (
            ("127.0.0.1", "localhost:PORT", 200),
            ("127.0.0.2", "127.0.0.2:PORT", 200),
            ("127.0.0.1", "127.0.0.2:PORT", 403),
            ("127.0.0.2", "127.0.0.3", 403),
            ("127.0.0.2", "desk.example", 200),
            ("127.0.0.2", "DESK.example:PORT", 200),
            ("127.0.0.2", "[fd00::7]:PORT", 200),
            ("127.0.0.2", "evil.desk.example", 403),
            ("127.0.0.2", "desk.example.evil", 403),
        ):
            assert await asked(opened, address, host) == wanted, (address, host)
        assert await asked(opened, "127.0.0.2", "10.0.0.7", "/healthz") == 200
        assert await asked(opened, "127.0.0.2", "10.0.0.7", "/readyz") == 403
        await opened.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:"),  # noqa: S104
        ("::", "http://[::1]:"),
        ("::1", "http://[::1]:"),
    ],
)
def test_the_address_that_is_told_can_be_dialled(folder: Path, host: str, url: str) -> None:
    async def run() -> None:
        opened = listeners(folder, host)
        await opened.open()
        if ":" in host and not opened.http()["listening"]:
            pytest.skip("no IPv6 here")
        assert opened.http()["url"].startswith(url)
        assert await asked(opened, url[7:-1], url[7:] + "PORT") == 200
        await opened.close()

    asyncio.run(run())


def test_a_socket_that_was_removed_is_made_anew_and_who_is_connected_stays(folder: Path) -> None:
    async def run() -> None:
        opened = listeners(folder, "127.0.0.1")
        await opened.open()
        transport = httpx.AsyncHTTPTransport(uds=str(folder / "s"), verify=NO_TLS)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", verify=NO_TLS
        ) as connected:
            assert (await connected.get("/x")).status_code == 200
            for _ in range(2):
                (folder / "s").unlink()
                await opened.mend()
                assert await over_socket(folder) == 200
            (folder / "s").unlink()
            (folder / "s").mkdir()
            await opened.mend()  # can't be made: tried again the next time
            (folder / "s").rmdir()
            await opened.mend()
            assert await over_socket(folder) == 200
            assert (await connected.get("/x")).status_code == 200
        (folder / "s").unlink()
        (folder / "s").write_text("somebody else's")
        await opened.close()
        assert (folder / "s").read_text() == "somebody else's"

    asyncio.run(run())

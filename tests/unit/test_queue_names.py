"""A queue's server by its name where the resolver says nothing: it is waited for as the server itself is."""

from __future__ import annotations

import socket
from concurrent.futures import Future
from typing import Any

import pytest
import redis

from oee_daemon.queue import queue_connection
from oee_daemon.queue.queue_connection import FireAndForget, asked_once, dialer


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_a_silent_resolver_is_waited_for_as_a_silent_server_is(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def silent(host: str, port: int) -> Future[Any]:
        asked.append(host)
        return Future()

    monkeypatch.setattr(queue_connection, "begin_look_up", silent)
    monkeypatch.setattr(queue_connection, "_look_ups", {})
    # Or the test would wait for it.
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("it was asked again"))
    url = f"{scheme}://queue.example/0"
    with (
        asked_once(url, wait_s=0.01) as client,
        pytest.raises(redis.TimeoutError, match=r"queue\.example: no"),
    ):
        client.ping()
    with pytest.raises(redis.TimeoutError):
        dialer(url, connect_s=0.01, answer_s=0.01)().connect()
    monkeypatch.setattr(queue_connection, "TIMEOUT_S", 0.01)
    with pytest.raises(redis.TimeoutError):
        FireAndForget(url).send("PING")
    assert asked == ["queue.example"], "one look-up of a name at a time"


def test_a_name_without_an_address_is_a_server_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_host: str, _port: int) -> Future[Any]:
        found: Future[Any] = Future()
        found.set_exception(socket.gaierror(-2, "Name or service not known"))
        return found

    monkeypatch.setattr(queue_connection, "begin_look_up", unknown)
    monkeypatch.setattr(queue_connection, "_look_ups", {})
    away = pytest.raises(redis.ConnectionError, match="Name or service not known")
    with asked_once("redis://queue.example", wait_s=1) as client, away:
        client.ping()


def test_a_server_is_reached_by_its_name(redis_url: str) -> None:
    """And as before where it has no name."""
    with asked_once(redis_url, wait_s=5) as client:
        assert client.ping()
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = dialer(f"redis://localhost:{server.getsockname()[1]}", connect_s=5, answer_s=0.01)()
        with pytest.raises(redis.TimeoutError):
            connection.connect()
        server.accept()[0].close()

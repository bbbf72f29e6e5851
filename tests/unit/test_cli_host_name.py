"""The name in `OEE_URL`: a resolver that says nothing is waited for no longer than an answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from oee_cli.api.client_event_stream import all_events
from oee_cli.api.client_host_name import HostName
from oee_cli.api.client_http import Client
from oee_cli.cli_errors import ConnectionLost
from oee_cli.output import Output
from oee_cli.settings.settings_load import Settings

FAR = "http://desk.example:3000"


class Resolver:
    """What stands in for the system's; says nothing until told to."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.speaks = threading.Event()

    def answer(self, host: str, port: int | None, **_: object) -> list[object]:
        self.asked.append(host)
        assert self.speaks.wait(60)
        raise socket.gaierror(-2, "Name or service not known")


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    made = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", made.answer)
    yield made
    made.speaks.set()


def test_it_is_asked_once_at_a_time_and_left_alone_once_there_is_a_connection(resolver: Resolver) -> None:
    name = HostName(FAR)
    for _ in range(3):
        with pytest.raises(TimeoutError, match=r"asked for the address of desk\.example"):
            name.require(0.01)
    assert resolver.asked == ["desk.example"]
    resolver.speaks.set()
    # Whether there is an address is for who connects to find out.
    with name.connecting(60):
        pass
    before = len(resolver.asked)
    with name.connecting(60):
        pass
    assert len(resolver.asked) == before
    with pytest.raises(OSError, match="lost"), name.connecting(60):
        raise OSError("lost")
    with name.connecting(60):
        assert len(resolver.asked) == before + 1


def test_a_request_ends_when_the_wait_does(resolver: Resolver) -> None:
    client = Client(Settings(home=Path("/nonexistent"), url=FAR), Output())
    with pytest.raises(ConnectionLost, match=r"the address of desk\.example") as lost:
        client.exchange("GET", "/x", timeout=0.01)
    assert not lost.value.sent


def test_a_stream_goes_on_being_opened(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oee_cli.api.client_event_stream._OPEN_S", 0.01)
    monkeypatch.setattr("oee_cli.api.client_patience.LEAST", 0.01)
    stream = all_events(Client(Settings(home=Path("/nonexistent"), url=FAR), Output()))
    assert [next(stream), next(stream)] == [None, None]
    assert resolver.asked == ["desk.example"]


def test_without_a_name_nobody_is_asked(resolver: Resolver) -> None:
    HostName(None).require(0.01)
    assert resolver.asked == []

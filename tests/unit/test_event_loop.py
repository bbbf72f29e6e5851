"""The loop of daemon and worker: how it finds the hosts that it connects to."""

import asyncio
import contextlib
import socket
import threading
from typing import Any

import pytest

from oee_daemon import event_loop


def test_a_name_is_looked_up_and_its_addresses_are_tried_in_turn() -> None:
    async def talk() -> bytes:
        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"here")
            writer.close()

        # Where localhost is ::1 first, nobody listens there.
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection("localhost", server.sockets[0].getsockname()[1])
            said = await reader.read()
            writer.close()
            return said

    with asyncio.Runner(loop_factory=event_loop.new_loop) as runner:
        assert runner.run(talk()) == b"here"
        with pytest.raises(OSError):
            runner.run(asyncio.open_connection("no host at all", 1))


def test_a_look_up_without_an_answer_is_asked_once_and_holds_up_no_other_and_no_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers, asked, real = threading.Event(), list[str](), socket.getaddrinfo

    def hang(host: str, *rest: Any, **options: Any) -> Any:
        asked.append(host)
        if host == "deaf":
            answers.wait()
        return real(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hang)

    async def give_up() -> None:
        for _ in range(9):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0):
                    await asyncio.open_connection("deaf", 1)
        with pytest.raises(OSError):
            await asyncio.open_connection("localhost", _free_port())

    try:
        with asyncio.Runner(loop_factory=event_loop.new_loop) as runner:
            runner.run(give_up())
        assert asked == ["deaf", "localhost"] and not answers.is_set()
    finally:
        answers.set()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port

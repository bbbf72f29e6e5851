"""A small real HTTP server that answers as a test says, and misbehaves in each way that providers do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Asked:
    """One request. `query` is that of the address; `json` the body's."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    json: Any


@dataclass
class Said:
    """`cut`: the line is cut after the body, whatever its length was said to be. `slow_s`: pauses before
    each of the body's bytes."""

    body: bytes | Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    hang: bool = False
    slow_s: float = 0.0


Handler: TypeAlias = Callable[[Asked], Said | Awaitable[Said]]


def rpc(
    methods: Mapping[str, Callable[[list[Any]], Any]], *, batches: bool = True, keeps: bool = True
) -> Callable[[Asked], Said]:
    """A node that answers by JSON-RPC; a method may return `{"error": …}` in the form of an error. `keeps`:
    whether it refuses what is asked as of a slot that it has not reached."""

    def _is_beyond(params: Sequence[Any]) -> bool:
        where = methods["getEpochInfo"]([]) if keeps and "getEpochInfo" in methods else {}
        least = params[-1].get("minContextSlot", 0) if params and isinstance(params[-1], dict) else 0
        return "absoluteSlot" in where and least > where["absoluteSlot"]

    def one(call: dict[str, Any]) -> dict[str, Any]:
        method = methods.get(call["method"])
        if _is_beyond(call["params"]):
            said: Any = {"error": {"code": -32016, "message": "Minimum context slot has not been reached"}}
        elif method is None:
            said = {"error": {"code": -32601, "message": "Method not found"}}
        else:
            said = method(call["params"])
        failed = isinstance(said, dict) and set(said) == {"error"}
        return {"jsonrpc": "2.0", "id": call["id"], **(said if failed else {"result": said})}

    def answer(asked: Asked) -> Said:
        if not isinstance(asked.json, list):
            return Said(one(asked.json))
        if not batches:
            return Said({"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "no batches"}})
        return Said([one(call) for call in reversed(asked.json)])

    return answer


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[tuple[str, list[Asked]]]:
    """The address of a server that answers by `handler`, and what it was asked."""
    heard: list[Asked] = []
    open_lines: set[asyncio.Task[Any]] = set()

    async def line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_lines.add(task)
        try:
            while await _one(reader, writer, handler, heard):
                pass
        except (
            ConnectionError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
            asyncio.CancelledError,
        ):
            pass
        finally:
            open_lines.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(line, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}", heard
    finally:
        server.close()
        # A line that was just taken has begun by then, and in the end each transport is closed.
        await _a_few_rounds()
        for task in list(open_lines):
            task.cancel()
        await asyncio.gather(*open_lines, return_exceptions=True)
        await _a_few_rounds()


async def _a_few_rounds() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def _one(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler, heard: list[Asked]
) -> bool:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {k.lower(): v for k, v in (row.split(": ", 1) for row in head[1:] if row)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    parts = urlsplit(target)
    asked = Asked(
        method, parts.path, dict(parse_qsl(parts.query)), headers, json.loads(body) if body else None
    )
    heard.append(asked)
    said = handler(asked)
    if not isinstance(said, Said):
        said = await said
    if said.hang:
        await asyncio.Event().wait()
    content = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
    length = len(content) + (1000 if said.cut else 0)
    lines = [
        f"HTTP/1.1 {said.status} X",
        *(f"{k}: {v}" for k, v in said.headers.items()),
        f"content-length: {length}",
    ]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    if said.slow_s:
        for byte in content:
            await asyncio.sleep(said.slow_s)
            writer.write(bytes([byte]))
            await writer.drain()
    writer.write(b"" if said.slow_s else content)
    await writer.drain()
    return not said.cut

"""HTTP, on a Unix socket or a loopback port: what is asked goes to the RPC or to a venue, and meets its
faults.

`/` and `/node/NAME` are nodes, `/raydium/…` and `/jupiter/…` the venues' APIs. One request after another on
each connection, all of them on one thread: nothing here happens at the same time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import httptools

from oee_daemon.networks.localnet import (
    localnet_jupiter,
    localnet_landed_methods,
    localnet_methods,
    localnet_raydium,
    localnet_send_methods,
)
from oee_daemon.networks.localnet.litesvm_chain import Chain
from oee_daemon.networks.localnet.localnet_launches import Launches
from oee_daemon.networks.localnet.localnet_node_faults import ANSWERS, Fault, Faults, twisted
from oee_daemon.networks.localnet.localnet_nodes import Node, Nodes, RpcError
from oee_daemon.networks.localnet.localnet_venues import Offers, Refused

METHODS = {**localnet_methods.METHODS, **localnet_landed_methods.METHODS, **localnet_send_methods.METHODS}
_VENUES = {
    "raydium": (localnet_raydium.GET, localnet_raydium.POST),
    "jupiter": (localnet_jupiter.GET, localnet_jupiter.POST),
}
#: Bytes of a request that are read (`MAX_REQUEST_BODY_SIZE` of agave), and calls in one batch.
_MOST_BYTES, _MOST_CALLS = 50 * 1024, 100
_HUGE = 16 * 1024 * 1024
#: Seconds that a client is asked to stay away for, and after which one that hangs is let go.
_RETRY_AFTER, _HANG_S = 1, 600
_REASONS = {
    200: "OK", 400: "Bad Request", 404: "Not Found", 413: "Payload Too Large",
    429: "Too Many Requests", 503: "Service Unavailable",
}  # fmt: skip
_HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


class Answer(NamedTuple):
    """`after_s`: how long the client waits for it. A body of None: the line is cut instead."""

    body: bytes | None
    status: int = 200
    kind: str = "application/json"
    after_s: float = 0.0


def _json(value: Any, status: int = 200, after_s: float = 0.0) -> Answer:
    return Answer(json.dumps(value, separators=(",", ":")).encode(), status, after_s=after_s)


class _Spoiled(Exception):
    """The whole HTTP answer is another one."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer


def _spoil(fault: Fault | None) -> None:
    """Raises what stands for the answer where a fault takes its place."""
    if fault is None or fault.kind not in ANSWERS:
        return
    if fault.kind == "unhealthy":
        raise localnet_methods.unhealthy(fault.blocks)
    if fault.kind == "unsold":
        raise RpcError(-32601, "Method not found")
    if fault.kind == "refused":
        raise RpcError(-32010, "excluded from account secondary indexes; this RPC method unavailable for key")
    if fault.kind in ("cut", "hang"):
        raise _Spoiled(Answer(None, after_s=0 if fault.kind == "cut" else _HANG_S))
    if fault.kind == "html":
        raise _Spoiled(Answer(_HTML, 200, "text/html"))
    said = "Too many requests for a specific RPC call" if fault.kind == "429" else "Service unavailable"
    told = {"jsonrpc": "2.0", "error": {"code": int(fault.kind), "message": said}, "id": None}
    raise _Spoiled(_json(told, int(fault.kind)))


class House:
    """All that answers behind the door. `venue_ms`: how long a venue takes."""

    def __init__(self, chain: Chain, venue_ms: int) -> None:
        self._faults = Faults(chain.ledger, chain.origin.seed)
        self._nodes = Nodes(chain, self._faults)
        self._offers = Offers(chain)
        self._chain = chain
        self._launches = Launches(chain)
        self._methods = {**METHODS, "localnetListings": self._listings}
        self._venue_s = venue_ms / 1000

    def tick(self) -> int | None:
        """Time goes on by itself; in how many milliseconds again, None for not before a request comes."""
        self._chain.advance()
        return self._chain.next_block_ms()

    def answer(self, verb: str, target: str, body: bytes) -> Answer:
        self._nodes.refresh()
        self._launches.refresh()
        parts = urlsplit(target)
        first, _, rest = parts.path.lstrip("/").partition("/")
        try:
            if first in _VENUES:
                return self._venue(first, verb, "/" + rest, dict(parse_qsl(parts.query)), body)
            node = self._nodes.find(rest if first == "node" else "main") if first in ("", "node") else None
            if node is None:
                return _json({"error": "not found"}, 404)
            if verb == "GET" and not body:
                return Answer(b"ok", 200, "text/plain")
            return self._rpc(node, body)
        except _Spoiled as e:
            return e.answer

    # JSON-RPC.

    def _rpc(self, node: Node, body: bytes) -> Answer:
        try:
            asked = json.loads(body)
        except ValueError:
            return _json(_error_json(None, RpcError(-32700, "Parse error")))
        if not isinstance(asked, list):
            return _json(self._call(node, asked))
        if not node.row.batches or not 0 < len(asked) <= _MOST_CALLS:
            return _json(_error_json(None, RpcError(-32600, "Invalid request")))
        return _json([self._call(node, one) for one in asked])

    def _call(self, node: Node, asked: Any) -> Any:
        if not isinstance(asked, dict) or asked.get("jsonrpc") != "2.0":
            return _error_json(None, RpcError(-32600, "Invalid request"))
        name, number, params = asked.get("method"), asked.get("id"), asked.get("params") or []
        method = self._methods.get(str(name))
        try:
            if method is None:
                raise RpcError(-32601, "Method not found")
            if not isinstance(params, list):
                raise RpcError(-32602, "Invalid params: expected an array")
            if name == "sendTransaction":
                result = self._send(node, method, params)
            else:
                fault = self._faults.draw("read", node.row.name, str(name))
                _spoil(fault)
                result = method(node, params)
                if fault is not None and fault.kind == "null":
                    result = _empty_result(result)
        except RpcError as e:
            return _error_json(number, e)
        return {"jsonrpc": "2.0", "result": result, "id": number}

    def _listings(self, _node: Node, _params: localnet_methods.Params) -> list[dict[str, Any]]:
        """Not Solana's: the tokens that come next, and in how many milliseconds."""
        slot_ms = self._chain.origin.slot_ms
        return [
            {
                "mint": str(launch.token.mint),
                "symbol": launch.token.symbol,
                "inMs": (launch.listed_at - self._chain.tip) * slot_ms,
            }
            for launch in self._launches.upcoming()
        ]

    def _send(self, node: Node, method: localnet_methods.Method, params: list[Any]) -> Any:
        """A fault comes instead of passing on, or after it, when only the answer is lost."""
        fault = self._faults.draw("send", node.row.name)
        if fault is not None and not fault.landed:
            _spoil(fault)
            return localnet_send_methods.signature_of(node, params)
        result = method(node, params)
        _spoil(fault)
        return result

    # Venues.

    def _venue(self, name: str, verb: str, path: str, query: dict[str, str], body: bytes) -> Answer:
        fault = self._faults.draw(name)
        _spoil(fault)
        kind = "" if fault is None else fault.kind
        get, post = _VENUES[name]
        after = self._venue_s + (fault.ms / 1000 if fault is not None and kind == "slow" else 0)
        try:
            if verb == "GET" and path in get:
                found = get[path](self._offers, query)
            elif verb == "POST" and path in post:
                sent = _object(body)
                if sent is None:
                    return _json({"error": "the body has to be a JSON object"}, 400, after)
                found = post[path](self._offers, sent)
            else:
                return _json({"error": "not found"}, 404, after)
        except Refused as e:
            return _json(e.body, e.status, after)
        if kind == "empty":
            found = {}
        elif kind == "routed":
            found = localnet_raydium.routed(found)
        elif kind == "huge":
            return Answer(b'{"data":"' + b"0" * _HUGE + b'"}', after_s=after)
        return _json(twisted(kind, found), 200, after)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _error_json(number: Any, e: RpcError) -> dict[str, Any]:
    error: dict[str, Any] = {"code": e.code, "message": e.message}
    if e.data is not None:
        error["data"] = e.data
    return {"jsonrpc": "2.0", "error": error, "id": number}


def _empty_result(result: Any) -> Any:
    """As of a node that knows nothing of it."""
    if isinstance(result, dict) and "context" in result:
        value = result["value"]
        return result | {"value": [None] * len(value) if isinstance(value, list) else None}
    return None


class Connection(asyncio.Protocol):
    """One client. A request that comes while an earlier one is still to be answered waits for it."""

    def __init__(self, house: House, answered: Callable[[], None]) -> None:
        self._house = house
        self._answered = answered
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._target = b""
        self._body = bytearray()
        self._waiting: list[tuple[str, str, bytes, bool]] = []
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if self._transport is not None:
                self._transport.close()

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._target, self._body = b"", bytearray()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_body(self, body: bytes) -> None:
        if len(self._body) <= _MOST_BYTES:
            self._body += body

    def on_message_complete(self) -> None:
        keep = self._parser.should_keep_alive()
        verb = self._parser.get_method().decode()
        self._waiting.append((verb, self._target.decode("latin-1"), bytes(self._body), keep))
        if not self._busy:
            self._next()

    def _next(self) -> None:
        self._busy = bool(self._waiting)
        if not self._waiting or self._transport is None:
            return
        verb, target, body, keep = self._waiting.pop(0)
        answer = Answer(b"{}", 413) if len(body) > _MOST_BYTES else self._house.answer(verb, target, body)
        self._answered()
        if answer.after_s:
            asyncio.get_running_loop().call_later(answer.after_s, self._write, answer, keep)
        else:
            self._write(answer, keep)

    def _write(self, answer: Answer, keep: bool) -> None:
        if self._transport is None:
            return
        if answer.body is None:
            self._transport.abort()
            return
        head = f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}\r\nContent-Type: {answer.kind}\r\n"
        if answer.status == 429:
            head += f"Retry-After: {_RETRY_AFTER}\r\n"
        if not keep:
            head += "Connection: close\r\n"
        self._transport.write(f"{head}Content-Length: {len(answer.body)}\r\n\r\n".encode() + answer.body)
        if keep:
            self._next()
        else:
            self._transport.close()


class Door:
    """Answers whoever comes, and wakes the chain when something is going to land by itself."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._timer: asyncio.TimerHandle | None = None

    def connection(self) -> Connection:
        return Connection(self._house, self.wake)

    def wake(self) -> None:
        """Looks when the next landing is due."""
        if self._timer is None:
            self._tick()

    def _tick(self) -> None:
        self._timer = None
        wait = self._house.tick()
        if wait is not None:
            self._timer = asyncio.get_running_loop().call_later(max(wait, 1) / 1000, self._tick)

"""A localnet in this process, on a clock that is held, behind the client that the engine asks chains by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from oee_daemon.networks.localnet.litesvm_chain import Rules
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_answers import NoAnswer
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.rpc.rpc_http_line import Reply
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from tests.networks.localnet.conftest import Localnet


class HeldSite(Site):
    """Answers at once, by the localnet itself, with the headers of a proxy that real sites have."""

    def __init__(self, net: Localnet, path: str, name: str, transport: str = "https") -> None:
        self.name, self.transport = name, transport
        self._net, self._path = net, path
        self.headers: Mapping[str, str] = {}

    async def post(self, path: str, body: bytes) -> Reply:
        answer = self._net.answer("POST", f"/{self._path}{path}", body)
        if answer.body is None:
            raise NoAnswer("cut")
        return Reply(answer.status, self.headers, answer.body)

    async def close(self) -> None:
        pass


def endpoint(net: Localnet, node: str, name: str | None = None, transport: str = "https") -> Endpoint:
    """The endpoint of that node; "" is the one that is right about everything."""
    site = HeldSite(net, f"node/{node}" if node else "", name or f"{node or 'main'}.example", transport)
    return Endpoint(site, Bucket(1000.0, 1000))


def pool(net: Localnet, *nodes: str) -> Pool:
    return Pool([endpoint(net, node) for node in nodes])


@contextmanager
def held(folder: Path, **rules: Any) -> Iterator[Localnet]:
    """A localnet of those rules, and of no slippage."""
    net = Localnet(folder / "held.db", Rules(**{"slippage": 0, **rules}))
    try:
        yield net
    finally:
        net.ledger.close()

"""Nodes that simulate what the guard is about to judge, and the guard's word on it."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

from solders.pubkey import Pubkey

from oee_daemon.networks.solana.guard.guard_message import read
from oee_daemon.networks.solana.guard.guard_solana import SolanaGuard
from oee_daemon.networks.solana.rpc.endpoint_pool import open_pool
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.swap import UnsignedSwap
from tests.networks.solana.crafted import Purse, Shape, honest
from tests.networks.solana.server import Handler, rpc, serving

FEE_CAP = 100_000


def account_of(entries: list[str]) -> dict[str, Any]:
    """A lookup table as the chain stores it."""
    head = struct.pack("<IQQBB32xH", 1, 2**64 - 1, 5, 0, 1, 0)
    data = head + b"".join(bytes(Pubkey.from_string(e)) for e in entries)
    owner = "AddressLookupTab1e1111111111111111111111111"
    return {"lamports": 1, "owner": owner, "data": [base64.b64encode(data).decode(), "base64"]}


def simulating(
    shape: Shape,
    purse: Purse | None = None,
    *,
    accounts: Callable[[str], Any] | None = None,
    change: Callable[[dict[str, Any]], Any] = lambda value: value,
    simulated: list[dict[str, Any]] | None = None,
) -> Handler:
    """A node on which that swap does that. `accounts`: what the node has under an address; `simulated`: where
    it notes what it was asked for."""
    known = shape.known()
    look_up = accounts or (lambda address: account_of(known[address]) if address in known else None)
    noted = simulated if simulated is not None else []

    def simulate(params: list[Any]) -> Any:
        noted.append({"wire": params[0], **params[1]})
        message = read(base64.b64decode(params[0])[65:], str(shape.payer))
        loaded: list[list[str]] = [[], []]
        for table, places in message.tables.items():
            for side, indexes in enumerate(places):
                loaded[side] += [known[table][i] for i in indexes]
        keys = [*message.keys, *loaded[0], *loaded[1]]
        found = (purse or honest()).told(keys, params[1]["accounts"]["addresses"])
        return {"context": {"slot": 1}, "value": change(found)}

    def read_accounts(params: list[Any]) -> Any:
        return {"context": {"slot": 1}, "value": [look_up(address) for address in params[0]]}

    return rpc({"simulateTransaction": simulate, "getMultipleAccounts": read_accounts})


def guard(shape: Shape, nodes: Sequence[Handler], plan: Plan | None = None) -> None:
    """Raises what the guard raises, where those are the endpoints."""

    async def run() -> None:
        async with AsyncExitStack() as stack:
            addresses = [(await stack.enter_async_context(serving(one)))[0] for one in nodes]
            pool = open_pool(addresses, 1000.0, 1000)
            stack.push_async_callback(pool.close)
            unsigned = UnsignedSwap(message=shape.message(), last_valid_height=1)
            await SolanaGuard(pool, fee_cap=FEE_CAP).check(unsigned, plan or shape.plan)

    asyncio.run(run())


def judged(
    shape: Shape,
    purse: Purse | None = None,
    *,
    accounts: Callable[[str], Any] | None = None,
    change: Callable[[dict[str, Any]], Any] = lambda value: value,
    plan: Plan | None = None,
) -> list[dict[str, Any]]:
    """The simulations that were asked for, of one node; as `simulating`."""
    simulated: list[dict[str, Any]] = []
    node = simulating(shape, purse, accounts=accounts, change=change, simulated=simulated)
    guard(shape, [node], plan)
    return simulated

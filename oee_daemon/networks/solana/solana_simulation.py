"""The simulation by which a swap is judged before it is signed: how it is asked for, and what an answer is.

Pure. What the guard depends on is asked here once, so that whoever asks an endpoint if it does that, asks the
same.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result, RpcError

#: What a node has to tell of a simulation: Agave does from 3.0 on.
FIELDS = ("err", "accounts", "fee", "preBalances", "postBalances", "preTokenBalances", "postTokenBalances")


def simulation_of(message: bytes, accounts: Sequence[str]) -> Call:
    """Of a message as it will be sent, but for the signature, which is not there yet; with the state of those
    accounts after it."""
    wire = base64.b64encode(b"\x01" + bytes(64) + message).decode()
    options = {
        "encoding": "base64",
        "commitment": "confirmed",
        "sigVerify": False,
        "replaceRecentBlockhash": False,
        "accounts": {"encoding": "base64", "addresses": list(accounts)},
    }
    return "simulateTransaction", [wire, options]


def simulation_end(said: Result) -> dict[str, Any]:
    """How it ended. Raises `NoAnswer`, where it is no simulation."""
    if isinstance(said, RpcError):
        raise NoAnswer(f"error {said.code}")
    value = said.get("value") if isinstance(said, dict) else None
    if not isinstance(value, dict) or "err" not in value:
        raise NoAnswer("no simulation")
    return value


def simulated(said: Result) -> dict[str, Any]:
    """What it did. Raises `NoAnswer`, where it is no simulation, or one that tells no balances."""
    value = simulation_end(said)
    if value["err"] is None and any(value.get(name) is None for name in FIELDS if name != "err"):
        raise NoAnswer("a simulation without balances")
    return value

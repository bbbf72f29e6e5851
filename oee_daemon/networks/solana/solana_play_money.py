"""What a new wallet is given on a chain whose money is nobody's: SOL, and some of each listed token.

`requestAirdrop` is Solana's own; `localnetMint` is localnet's. A chain that knows neither leaves the wallet
empty, and says so in the log.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result, RpcError
from oee_daemon.networks.solana.solana_fill import WSOL
from oee_daemon.orders.tokens import Token

log = logging.getLogger(__name__)

#: Whole tokens: of SOL, of what is worth one US dollar, and of any other.
SOL, DOLLARS, OTHERS = 1_000, 100_000, 100_000
#: Seconds for each request.
REQUEST_S = 2.0
#: Calls in one request.
_BATCH = 5


async def give(pool: Pool, wallet: str, tokens: Sequence[Token]) -> None:
    """Gives a wallet that holds no SOL its play money; one that holds some has been given it before."""
    try:
        if await pool.any([("getBalance", [wallet])], _read_balance, REQUEST_S):
            return
        wanted: list[Call] = [
            ("localnetMint", [wallet, token.mint, (DOLLARS if token.stable else OTHERS) * 10**token.decimals])
            for token in tokens
            if token.mint != WSOL
        ]
        # SOL comes last: whoever holds it holds the others too.
        wanted.append(("requestAirdrop", [wallet, SOL * 10**9]))
        for begin in range(0, len(wanted), _BATCH):
            await pool.any(wanted[begin : begin + _BATCH], _check_given, REQUEST_S)
    except ChainUnavailable as e:
        log.warning("the wallet was given no play money", extra={"reason": e.message})


def _read_balance(results: list[Result]) -> int:
    value = results[0].get("value") if isinstance(results[0], dict) else None
    if type(value) is not int:
        raise NoAnswer("no balance")
    return value


def _check_given(results: list[Result]) -> None:
    refused = [result for result in results if isinstance(result, RpcError)]
    if refused:
        raise NoAnswer(f"error {refused[0].code}, {refused[0].message[:60]}")

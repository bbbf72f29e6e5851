"""Landings of a wallet by their memo, and a chain that tells them."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.transaction import VersionedTransaction

from oee_daemon.engine.engine_wallet_walk import WalletWalk
from oee_daemon.networks.chain import FillPage
from oee_daemon.networks.solana.solana_fill import WSOL
from oee_daemon.orders.swap import Fill
from oee_daemon.orders.tokens import TOKENS
from tests.networks.solana import crafted

OURS, THIEF = Keypair.from_seed(bytes(32)), Keypair.from_seed(bytes([1]) * 32)


WALLET, USDC, BONK = str(OURS.pubkey()), TOKENS["USDC"].mint, TOKENS["BONK"].mint


ORDER: Any = SimpleNamespace(
    id=crafted.ORDER, created_at=datetime(2026, 11, 1, tzinfo=UTC), input_mint=WSOL, output_mint=USDC
)


def landing(payer: Keypair, *memos: bytes, **tokens: int) -> tuple[str, dict[str, Any]]:
    """Of the wallet's purse: SOL spent by the wallet where it pays, and so many units of each mint in.
    Without a memo of its own it has the order's."""
    notes = [crafted.memo(one) for one in memos or [crafted.MEMO_TEXT]]
    message = MessageV0.try_compile(payer.pubkey(), notes, [], Hash.default())
    transaction = VersionedTransaction(message, [payer])
    loaded = [] if payer is OURS else [WALLET]
    keys = [*map(str, message.account_keys), *loaded]
    own = keys.index(WALLET)
    changes = [
        {"accountIndex": own, "mint": mint, "owner": WALLET, "uiTokenAmount": {"amount": str(abs(units))}}
        for mint, units in tokens.items()
    ]
    spent = 1_000 if payer is OURS else 0
    before, after = [10_000] * len(keys), [10_000] * len(keys)
    after[0] -= 5_000 + spent
    meta = {
        "err": None, "fee": 5000, "logMessages": [],
        "loadedAddresses": {"writable": loaded, "readonly": []},
        "preBalances": before, "postBalances": after,
        "preTokenBalances": [c for c, u in zip(changes, tokens.values(), strict=True) if u < 0],
        "postTokenBalances": [c for c, u in zip(changes, tokens.values(), strict=True) if u > 0],
    }  # fmt: skip
    wire = base64.b64encode(bytes(transaction)).decode()
    told = {"slot": 400, "blockTime": 1_793_000_000, "transaction": [wire, "base64"], "meta": meta}
    return str(transaction.signatures[0]), told


class Pages:
    """A chain that tells these pages."""

    def __init__(self, *pages: FillPage) -> None:
        self._pages = dict(zip([None, *(page.before for page in pages)], pages, strict=False))

    async def fills(self, *, before: str | None, **_what: Any) -> FillPage:
        return self._pages[before]


def searched(*pages: FillPage) -> Fill | None:
    chain: Any = Pages(*pages)
    return asyncio.run(WalletWalk(chain).search(ORDER, {}, None))[0]


def fill(signature: str, at: int, **how: Any) -> Fill:
    return Fill(
        signature=signature, input_mint=USDC, output_mint=BONK, amount_in=1, amount_out=1, fee=None, slot=1,
        at=datetime.fromtimestamp(at, UTC), **how,
    )  # fmt: skip

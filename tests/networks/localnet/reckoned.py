"""What a pool has to give, reckoned again from the bytes of its accounts by Raydium's published rules.

Sources: `curve/constant_product.rs`, `curve/fees.rs` and `states/pool.rs` of raydium-cp-swap, and
Token-2022's `transfer_fee/mod.rs`.
"""

from __future__ import annotations

import base64
from fractions import Fraction
from math import ceil, floor
from typing import Any

from solders.pubkey import Pubkey

from tests.networks.localnet.conftest import Localnet


def data(net: Localnet, *addresses: Pubkey | str) -> list[bytes]:
    found = net.rpc("getMultipleAccounts", [str(a) for a in addresses], {"encoding": "base64"})["value"]
    return [base64.b64decode(account["data"][0]) for account in found]


def number(raw: bytes, at: int, size: int = 8) -> int:
    return int.from_bytes(raw[at : at + size], "little")


def kept_of(mint: bytes, amount: int) -> int:
    """What a transfer of `amount` costs: the newer fee of the mint's extension 1."""
    if len(mint) <= 165 or number(mint, 166, 2) != 1:
        return 0
    return min(number(mint, 268), ceil(Fraction(amount * number(mint, 276, 2), 10_000)))


def sent_for(mint: bytes, arrives: int) -> int:
    """The least amount of which `arrives` is left."""
    sent = arrives
    while sent - kept_of(mint, sent) < arrives:
        sent += arrives - (sent - kept_of(mint, sent))
    return sent


class Pool:
    """As it is at this moment, seen from the token that goes in."""

    def __init__(self, net: Localnet, address: str, mint_in: str) -> None:
        (state,) = data(net, address)
        keys = [Pubkey(state[at : at + 32]) for at in range(8, 328, 32)]
        (config,) = data(net, keys[0])
        vaults, mints = keys[2:4], keys[5:7]
        side = [str(mint) for mint in mints].index(mint_in)
        amounts = [number(raw, 64) for raw in data(net, *vaults)]
        owed = [sum(number(state, at + 8 * n) for at in (341, 357, 397)) for n in (0, 1)]
        self.x, self.y = amounts[side] - owed[side], amounts[1 - side] - owed[1 - side]
        self.mint_in, self.mint_out = data(net, mints[side], mints[1 - side])
        of_maker = Fraction(number(config, 108), 1_000_000) if state[390] else Fraction(0)
        self.of_input = state[389] == 0 or state[389] - 1 == side
        self.trade = Fraction(number(config, 12), 1_000_000)
        self.rate = self.trade + (of_maker if self.of_input else 0)
        self.of_out = Fraction(0) if self.of_input else of_maker
        self.vaults = vaults[side], vaults[1 - side]
        self.owed, self.owed_out = owed[side], owed[1 - side]
        self.config = config

    def out(self, amount: int) -> int:
        arrived = amount - kept_of(self.mint_in, amount)
        net = arrived - ceil(arrived * self.rate)
        given = self._given(net) - ceil(self._given(net) * self.of_out)
        return given - kept_of(self.mint_out, given)

    def _given(self, net: int) -> int:
        return floor(Fraction(self.y * net, self.x + net))

    def cost(self, amount: int) -> int:
        given = ceil(sent_for(self.mint_out, amount) / (1 - self.of_out))
        net = ceil(Fraction(self.x * given, self.y - given))
        return sent_for(self.mint_in, ceil(net / (1 - self.rate)))

    def fee(self, arrived: int) -> int:
        """What the protocol, the fund and the pool's maker get of it."""
        both = ceil(arrived * self.rate)
        makers = floor(both * (self.rate - self.trade) / self.rate)
        fee = both - makers
        return makers + sum(floor(Fraction(fee * number(self.config, at), 1_000_000)) for at in (20, 28))

    def fee_in(self, arrived: int) -> int:
        """What is taken of the input, by all together."""
        return ceil(arrived * self.rate)

    def fee_out(self, arrived: int, amount_out: int | None) -> int:
        """What the pool's maker gets of what leaves the reserve, for an exact amount out or what has
        arrived."""
        if amount_out is None:
            return ceil(self._given(arrived - ceil(arrived * self.rate)) * self.of_out)
        sent = sent_for(self.mint_out, amount_out)
        return ceil(sent / (1 - self.of_out)) - sent


def moved(meta: Any, keys: list[str], wallet: str) -> dict[str, int]:
    """Base units by mint, and `lamports`, of everything that the wallet has: after less before."""
    found: dict[str, int] = {}
    for sign, name in ((-1, "pre"), (1, "post")):
        for row in meta[f"{name}TokenBalances"]:
            if row["owner"] == wallet:
                found[row["mint"]] = found.get(row["mint"], 0) + sign * int(row["uiTokenAmount"]["amount"])
        found["lamports"] = found.get("lamports", 0) + sign * meta[f"{name}Balances"][keys.index(wallet)]
    return found

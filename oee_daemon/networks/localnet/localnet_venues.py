"""What both venues' APIs need: requests, refusals, the pools of a pair, and a transaction of instructions."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.hash import Hash
from solders.instruction import Instruction
from solders.message import Message, MessageV0
from solders.null_signer import NullSigner
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from oee_daemon.networks.localnet import localnet_genesis, localnet_pools
from oee_daemon.networks.localnet.litesvm_chain import Chain
from oee_daemon.networks.localnet.localnet_json import Json
from oee_daemon.networks.localnet.localnet_pools import Market, Pool, Prices, Quote
from oee_daemon.networks.localnet.sbpf_subroutines import BPS

#: Units of computation that a swap asks for before anybody has simulated it; four times what it needs.
UNIT_LIMIT = 200_000
#: The most that an amount can be.
U64 = 2**64 - 1


class Refused(Exception):
    """The venue answers with that status and body."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(str(body))
        self.status, self.body = status, body


class Ask(NamedTuple):
    """A quote that is wanted. `amount`: of the input, or of the output where `exact_out`."""

    mint_in: Pubkey
    mint_out: Pubkey
    amount: int
    slippage_bps: int
    exact_out: bool

    def bound(self, quote: Quote) -> int:
        """The least out, or the most in."""
        if self.exact_out:
            return quote.amount_in * (BPS + self.slippage_bps) // BPS
        return quote.amount_out * (BPS - self.slippage_bps) // BPS


class Offers:
    """The best that pools of some markets give for an ask."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self._prices = Prices(chain.account)
        self._seeds = itertools.count()
        self._pools: dict[tuple[frozenset[Pubkey], str], Pool] = {
            (frozenset(side.mint for side in pool.sides), pool.market.label): pool for pool in chain.pools
        }

    def find(self, markets: Iterable[Market], ask: Ask) -> tuple[Pool, Quote] | None:
        pair, found = frozenset((ask.mint_in, ask.mint_out)), []
        for market in markets:
            pool = self._pools.get((pair, market.label))
            if pool is None:
                continue
            price = self._prices.exact_out if ask.exact_out else self._prices.exact_in
            quote = price(pool, ask.mint_in, ask.amount)
            if quote is not None:
                found.append((pool, quote))
        if not found:
            return None
        return min(found, key=lambda offer: (offer[1].amount_in, -offer[1].amount_out))

    def usd(self, mint: Pubkey) -> float | None:
        """By Raydium's pool with USDC; None where there is none."""
        if mint == _USDC:
            return 1.0
        pool = self._pools.get((frozenset((mint, _USDC)), localnet_pools.RAYDIUM.label))
        return None if pool is None else self._prices.spot(pool, mint)

    def seed(self) -> str:
        """The name of an account that is made for one swap; always another one."""
        return hashlib.sha256(self.chain.origin.genesis_hash + b"%d" % next(self._seeds)).hexdigest()[:32]

    def blockhash(self) -> Hash:
        return self.chain.hashes.of(self.chain.height)


_USDC = next(token.mint for token in localnet_genesis.TOKENS if token.symbol == "USDC")
TOKENS: Mapping[Pubkey, localnet_genesis.Token] = {token.mint: token for token in localnet_genesis.TOKENS}


def tables(program: Pubkey) -> list[AddressLookupTableAccount]:
    return [
        AddressLookupTableAccount(localnet_genesis.TABLES[program], localnet_genesis.table_addresses(program))
    ]


def unsigned(
    payer: Pubkey,
    instructions: Sequence[Instruction],
    blockhash: Hash,
    *,
    legacy: bool,
    lookups: Sequence[AddressLookupTableAccount] = (),
) -> bytes:
    """The transaction, with zeros where its signature belongs."""
    message: Message | MessageV0
    if legacy:
        message = Message.new_with_blockhash(list(instructions), payer, blockhash)
    else:
        message = MessageV0.try_compile(payer, list(instructions), list(lookups), blockhash)
    return bytes(VersionedTransaction(message, [NullSigner(payer)]))


def mint(value: object) -> Pubkey | None:
    """The token of that mint, if localnet has it."""
    try:
        found = Pubkey.from_string(str(value))
    except ValueError:
        return None
    return found if found in TOKENS else None


def mints(told: Mapping[str, Any]) -> tuple[Pubkey | None, Pubkey | None]:
    """Those that a request names as `inputMint` and `outputMint`."""
    return mint(told.get("inputMint")), mint(told.get("outputMint"))


def whole(value: object, most: int) -> int | None:
    """A number without a sign, written as digits alone."""
    text = str(value)
    if not text.isascii() or not text.isdigit() or len(text) > 20:
        return None
    return number if (number := int(text)) <= most else None

"""What is there at the beginning: the listed tokens and two of Token-2022, a pool for every pair and market.

A function of the seed alone. Prices are made up around a reference, the markets 2 to 5 % apart.
"""

from __future__ import annotations

import hashlib
import itertools
import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from solders.account import Account
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from oee_daemon.contract.listed_tokens import LISTED, ON_DEVNET
from oee_daemon.networks.localnet import localnet_pools
from oee_daemon.networks.localnet.localnet_pools import Market
from oee_daemon.networks.localnet.sbpf_subroutines import BPS

SYSTEM_ID = Pubkey.default()
LOOKUP_ID = Pubkey.from_string("AddressLookupTab1e1111111111111111111111111")
#: Pays for what is given away; mints every token. Everybody may know it: this chain's money is nobody's.
FAUCET = Keypair.from_seed(hashlib.sha256(b"oee localnet faucet").digest())
FAUCET_LAMPORTS = 500_000_000 * 10**9
#: Whole tokens that a mint says there are; the pools hold part of them.
_SUPPLY = 10**18
#: Lamports that keep an account of any size here; more than the rent of the largest.
RENT = 10_000_000
#: Lamports of a token account, beside what it holds.
TOKEN_RENT = 2_039_280

#: US dollars for one whole token: about what they cost late in 2025; nothing depends on it.
USD = {
    "SOL": Fraction("141.8"), "USDC": Fraction(1), "USDT": Fraction("0.9998"), "JUP": Fraction("0.8812"),
    "BONK": Fraction("0.00002361"), "RAY": Fraction("2.307"), "WIF": Fraction("0.9201"),
    "PYTH": Fraction("0.3341"), "JTO": Fraction("2.118"), "mSOL": Fraction("180.4"),
    "JitoSOL": Fraction("171.9"), "ORCA": Fraction("2.031"), "MET": Fraction("0.5244"),
    "FEE": Fraction("1.25"), "PULL": Fraction("3.5"),
}  # fmt: skip
OBSERVATION = hashlib.sha256(b"account:ObservationState").digest()[:8]
#: How far apart Raydium's and Meteora's mid prices are, bps; and where Orca's lies between, percent.
_APART, _BETWEEN = (240, 470), (30, 70)


class Token(NamedTuple):
    """`extension`: what a Token-2022 mint carries, as the mint's account has it."""

    symbol: str
    mint: Pubkey
    decimals: int
    program: Pubkey = localnet_pools.TOKEN_ID
    extension: bytes = b""


def _own(name: str) -> Pubkey:
    return Keypair.from_seed(hashlib.sha256(f"oee localnet mint {name}".encode()).digest()).pubkey()


def _extensions() -> tuple[bytes, bytes]:
    """1 % of every transfer, up to 5,000 tokens (`TransferFeeConfig`, 1); a `PermanentDelegate` (12)."""
    faucet = bytes(FAUCET.pubkey())
    fee = struct.pack("<QQH", 0, 5_000 * 10**6, 100)
    return (
        struct.pack("<HH", 1, 108) + faucet + faucet + bytes(8) + fee + fee,
        struct.pack("<HH", 12, 32) + faucet,
    )


_WITH_FEE, _TAKES_BACK = _extensions()
TOKENS = (
    *(Token(row.symbol, Pubkey.from_string(row.mint), row.decimals) for row in LISTED),
    Token("FEE", _own("FEE"), 6, localnet_pools.TOKEN_2022_ID, _WITH_FEE),
    Token("PULL", _own("PULL"), 6, localnet_pools.TOKEN_2022_ID, _TAKES_BACK),
)
#: On a chain that passes for devnet.
DEVNET_USDC = Token("USDC", Pubkey.from_string(ON_DEVNET[1].mint), ON_DEVNET[1].decimals)
#: The tables by which a swap's message gets shorter, one a program.
TABLES = {
    program: Keypair.from_seed(hashlib.sha256(f"oee localnet table {program}".encode()).digest()).pubkey()
    for program in (localnet_pools.CPMM_ID, localnet_pools.JUPITER_ID)
}


def table_addresses(program: Pubkey) -> list[Pubkey]:
    """What the table of `program` holds: what every swap names that is no program itself."""
    markets = [market for market in localnet_pools.MARKETS if market.program == program]
    return [
        markets[0].authority,
        *(market.config for market in markets),
        *(token.mint for token in TOKENS),
    ]


def accounts(seed: int, *, devnet: bool = False) -> Iterator[tuple[Pubkey, Account]]:
    """All of them but the programs. `devnet`: with its USDC, and a pool of that for SOL, as well."""
    yield FAUCET.pubkey(), Account(FAUCET_LAMPORTS, b"", SYSTEM_ID, False, 0)
    for token in TOKENS:
        yield token.mint, _mint(token)
    for market in localnet_pools.MARKETS:
        yield market.config, Account(RENT, localnet_pools.config_data(market), market.program, False, 0)
    for program, address in TABLES.items():
        keys = b"".join(map(bytes, table_addresses(program)))
        # A lookup table (1) that nobody closes, extended in slot 0, without an authority.
        head = struct.pack("<IQQB", 1, 2**64 - 1, 0, 0).ljust(56, b"\0")
        yield address, Account(RENT, head + keys, LOOKUP_ID, False, 0)
    for one, two in itertools.combinations(TOKENS, 2):
        if not two.extension or one.symbol in ("SOL", "USDC"):
            yield from _pools(seed, one, two)
    if devnet:
        market = localnet_pools.DEVNET
        yield DEVNET_USDC.mint, _mint(DEVNET_USDC)
        yield market.config, Account(RENT, localnet_pools.config_data(market), market.program, False, 0)
        yield from _pool(market, TOKENS[0], DEVNET_USDC, Fraction(0))


def _draw(low: int, high: int, *parts: object) -> int:
    text = "\x1f".join(map(str, parts))
    number = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
    return low + number % (high - low + 1)


def _pools(seed: int, one: Token, two: Token) -> Iterator[tuple[Pubkey, Account]]:
    """The pair's pool on every market, each around its own price."""
    apart = _draw(*_APART, seed, "apart", one.symbol, two.symbol)
    if _draw(0, 1, seed, "upper", one.symbol, two.symbol):
        apart = -apart
    between = _draw(*_BETWEEN, seed, "between", one.symbol, two.symbol)
    leans = {localnet_pools.RAYDIUM: 50, localnet_pools.METEORA: -50, localnet_pools.ORCA: between - 50}
    for market in localnet_pools.MARKETS:
        lean = Fraction(apart * leans[market], 100 * BPS)
        yield from _pool(market, one, two, lean)


def _pool(market: Market, one: Token, two: Token, lean: Fraction) -> Iterator[tuple[Pubkey, Account]]:
    """`lean`: by how much the first costs more there than its reference."""
    pair = tuple((token.mint, token.program, token.decimals) for token in (one, two))
    pool = localnet_pools.place_pool(market, pair)
    state = localnet_pools.pool_data(pool, FAUCET.pubkey())
    yield pool.address, Account(RENT, state, market.program, False, 0)
    yield pool.observation, Account(RENT, OBSERVATION, market.program, False, 0)
    for token, dearer in ((one, lean), (two, Fraction(0))):
        side = next(side for side in pool.sides if side.mint == token.mint)
        held = int(market.depth / (USD[token.symbol] * (1 + dearer)) * 10**token.decimals)
        keeps_fees = token.extension == _WITH_FEE
        yield side.vault, token_account(token.mint, pool.authority, held, token.program, keeps_fees)


def _mint(token: Token) -> Account:
    faucet, extension = FAUCET.pubkey(), token.extension
    return mint_account(token.program, _SUPPLY, token.decimals, mints=faucet, extension=extension)


def mint_account(
    program: Pubkey,
    supply: int,
    decimals: int,
    *,
    mints: Pubkey | None = None,
    freezes: Pubkey | None = None,
    extension: bytes = b"",
) -> Account:
    """Who `mints` and who `freezes` it as options of 36 bytes; from byte 165 what kind of account it is (1:
    mint)."""
    authorities = [
        bytes(36) if who is None else struct.pack("<I", 1) + bytes(who) for who in (mints, freezes)
    ]
    data = struct.pack("<QBB", supply, decimals, 1).join(authorities)
    if extension:
        data = data.ljust(165, b"\0") + b"\1" + extension
    return Account(RENT, data, program, False, 0)


def token_account(
    mint: Pubkey,
    owner: Pubkey,
    held: int,
    program: Pubkey = localnet_pools.TOKEN_ID,
    keeps_fees: bool = False,
) -> Account:
    """One of wrapped SOL holds the lamports too. `keeps_fees`: it counts what was kept of transfers (2)."""
    native = mint == localnet_pools.WRAPPED_SOL
    rent = struct.pack("<IQ", 1, TOKEN_RENT) if native else bytes(12)
    data = bytes(mint) + bytes(owner) + struct.pack("<Q", held) + bytes(36) + b"\1" + rent
    data = data.ljust(165, b"\0") + (b"\2" + struct.pack("<HHQ", 2, 8, 0) if keeps_fees else b"")
    return Account(TOKEN_RENT + held if native else RENT, data, program, False, 0)

"""Swaps crafted by hand, good ones and thefts, and what a node would say of simulating them."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.message import Message, MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.system_program import (
    CreateAccountWithSeedParams,
    TransferParams,
    create_account_with_seed,
    transfer,
)
from solders.token.associated import get_associated_token_address

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.networks.solana.solana_look_evidence import Anchored
from oee_daemon.networks.solana.solana_swap_memo import Memo
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.swap import Quote, QuoteRequest
from oee_daemon.orders.tokens import TOKENS, Token

WALLET, THIEF, VENUE_POOL = (Pubkey.from_bytes(bytes([n]) * 32) for n in (7, 13, 17))
SYSTEM = Pubkey.default()
SOL = Pubkey.from_string("So11111111111111111111111111111111111111112")
TOKEN = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022 = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
ASSOCIATED = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
MEMO = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
CPMM = Pubkey.from_string("CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C")
CLMM = Pubkey.from_string("CAMMCzo5YL8w4VFF8KVHrK22GGUsp5VTaW7grrKgrWqK")
AMM_V4 = Pubkey.from_string("675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8")
ROUTER = Pubkey.from_string("routeUGWgWzqBWFcrCfv8tritsqukccJPu3q5GPP3xS")
JUPITER = Pubkey.from_string("JUP6LkbZbjS1jKKwapdHNy74zcZ3tLUZoi5QNyVTaV4")
RENT = Pubkey.from_string("SysvarRent111111111111111111111111111111111")
ORDER = UUID(int=0x1234567890)
MEMO_TEXT = Memo(ORDER, 1, Anchored(slot=460_000_000, height=438_000_000)).text()


def order(
    given: str = "SOL", taken: str = "USDC", *, exact_out: bool = False, venue: str = "raydium"
) -> Plan:
    """Spends 1,000,000 for at least 900,000; exact out: receives 1,000,000 for at most 1,100,000."""
    mode = SwapMode.EXACT_OUT if exact_out else SwapMode.EXACT_IN
    request = QuoteRequest(
        input_token=_token(given), output_token=_token(taken), amount=1_000_000, mode=mode, number=1
    )
    quote = Quote(venue=venue, amount_in=1_000_000, amount_out=1_000_000)
    bound = 1_100_000 if exact_out else 900_000
    return Plan(order_id=ORDER, request=request, quote=quote, bound=bound, payer=str(WALLET))


def _token(symbol: str) -> Token:
    return TOKENS[symbol]


def mint(plan: Plan, side: str) -> Pubkey:
    token = plan.request.input_token if side == "in" else plan.request.output_token
    return Pubkey.from_string(token.mint)


def ata(mint: Pubkey, owner: Pubkey = WALLET, program: Pubkey = TOKEN) -> Pubkey:
    return get_associated_token_address(owner, mint, program)


def meta(key: Pubkey, mode: str = "r") -> AccountMeta:
    return AccountMeta(key, is_signer="s" in mode, is_writable="w" in mode)


def memo(text: bytes = MEMO_TEXT) -> Instruction:
    return Instruction(MEMO, text, [])


def make_ata(
    mint: Pubkey, owner: Pubkey = WALLET, program: Pubkey = TOKEN, payer: Pubkey = WALLET
) -> Instruction:
    keys = [meta(payer, "ws"), meta(ata(mint, owner, program), "w"), meta(owner), meta(mint)]
    return Instruction(ASSOCIATED, b"\1", [*keys, meta(Pubkey.default()), meta(program)])


def wrap(lamports: int) -> list[Instruction]:
    moved = transfer(TransferParams(from_pubkey=WALLET, to_pubkey=ata(SOL), lamports=lamports))
    return [make_ata(SOL), moved, Instruction(TOKEN, b"\x11", [meta(ata(SOL), "w")])]


def close(account: Pubkey, to: Pubkey = WALLET) -> Instruction:
    return Instruction(TOKEN, b"\x09", [meta(account, "w"), meta(to, "w"), meta(WALLET, "s")])


def seeded(lamports: int, *, owner: Pubkey = WALLET, mint: Pubkey = SOL) -> tuple[Pubkey, list[Instruction]]:
    """An account of wrapped SOL made for the swap, as Raydium makes one."""
    address = Pubkey.create_with_seed(WALLET, "seed", TOKEN)
    made = create_account_with_seed(
        CreateAccountWithSeedParams(
            from_pubkey=WALLET, to_pubkey=address, base=WALLET, seed="seed", lamports=lamports, space=165,
            owner=TOKEN,
        )
    )  # fmt: skip
    begun = Instruction(TOKEN, b"\1", [meta(address, "w"), meta(mint), meta(owner), meta(RENT)])
    return address, [made, begun]


def tag(name: str) -> bytes:
    """How Anchor names an instruction."""
    return hashlib.sha256(f"global:{name}".encode()).digest()[:8]


def _places(program: Pubkey, data: bytes) -> tuple[int, tuple[int, int, int]]:
    """How many accounts its interface has, and at which place the wallet, what it spends from, and where it
    receives."""
    names = {tag(name): places for name, places in _OF_JUPITER.items()}
    if program == JUPITER:
        return names.get(data[:8], (13, (1, 2, 3)))
    if program == AMM_V4:
        return (8, (7, 5, 6)) if data[:1] in (b"\x10", b"\x11") else (17, (16, 14, 15))
    return {CLMM: (13, (0, 3, 4)), ROUTER: (13, (4, 6, 7))}.get(program, (13, (0, 4, 5)))


_OF_JUPITER = {
    "route": (9, (1, 2, 3)), "exact_out_route": (11, (1, 2, 3)), "shared_accounts_route": (13, (2, 3, 6)),
    "shared_accounts_exact_out_route": (13, (2, 3, 6)), "route_v2": (10, (0, 1, 2)),
    "exact_out_route_v2": (10, (0, 1, 2)), "shared_accounts_route_v2": (12, (1, 2, 5)),
    "shared_accounts_exact_out_route_v2": (12, (1, 2, 5)),
}  # fmt: skip


def call(program: Pubkey, data: bytes, *accounts: Pubkey) -> Instruction:
    """`accounts`: what it spends from, and where it receives. What is not wanted is the program itself."""
    size, places = _places(program, data)
    keys = [meta(program)] * size
    for place, key, mode in zip(places, (WALLET, *accounts), ("ws", "w", "w"), strict=False):
        keys[place] = meta(key, mode)
    # Of Raydium's first instructions the trader's accounts are the last ones.
    return Instruction(program, data, keys if program == AMM_V4 else [*keys, meta(VENUE_POOL, "w")])


def cpmm(first: int, second: int, source: Pubkey, target: Pubkey, *, out: bool = False) -> Instruction:
    name = "swap_base_output" if out else "swap_base_input"
    return call(CPMM, tag(name) + struct.pack("<QQ", first, second), source, target)


def route(
    amount: int,
    quoted: int,
    bps: int,
    source: Pubkey,
    target: Pubkey,
    *,
    name: str = "route",
    fee: int = 0,
    better: int = 0,
    hops: Sequence[bytes] = (bytes([38, 100, 0, 1]),),
) -> Instruction:
    plan = struct.pack("<I", len(hops)) + b"".join(hops)
    shared = b"\x05" if name.startswith("shared") else b""
    if name.endswith("v2"):
        data = tag(name) + shared + struct.pack("<QQHHH", amount, quoted, bps, fee, better) + plan
    else:
        data = tag(name) + shared + plan + struct.pack("<QQHB", amount, quoted, bps, fee)
    return call(JUPITER, data, source, target)


def on_the_way(swap: Instruction, *mints: Pubkey) -> Instruction:
    """The same swap, by the wallet's own accounts of these."""
    more = [meta(ata(one), "w") for one in mints]
    return Instruction(swap.program_id, swap.data, [*swap.accounts, *more])


EXACT_IN_ROUTES = "route", "shared_accounts_route", "route_v2", "shared_accounts_route_v2"
EXACT_OUT_ROUTES = (
    "exact_out_route", "shared_accounts_exact_out_route", "exact_out_route_v2",
    "shared_accounts_exact_out_route_v2",
)  # fmt: skip
#: As `RoutePlanStep` has them: a concentrated pool of Raydium's; two of Orca's, and a constant-product pool
#: of Raydium's; Orca's second market without a list and with one.
EXACT_OUT_HOPS = (
    (bytes([26, 100, 0, 1]),),
    (bytes([17, 1, 100, 0, 1]), bytes([17, 0, 100, 1, 2]), bytes([46, 100, 2, 3])),
    (bytes([47, 1, 0, 100, 0, 1]), bytes([47, 0, 1, 2, 0, 0, 0, 6, 2, 0, 1, 100, 1, 2])),
)


def budget(units: int = 200_000, price: int = 100_000) -> list[Instruction]:
    return [set_compute_unit_limit(units), set_compute_unit_price(price)]


@dataclass(frozen=True)
class Shape:
    """A swap as it came from a venue: its plan, what it asks for, and the tables it uses."""

    plan: Plan
    steps: Sequence[Instruction]
    tables: Sequence[AddressLookupTableAccount] = ()
    payer: Pubkey = WALLET
    legacy: bool = False

    def message(self) -> bytes:
        blockhash = Hash.from_bytes(bytes([9]) * 32)
        if self.legacy:
            return bytes(Message.new_with_blockhash(list(self.steps), self.payer, blockhash))
        made = MessageV0.try_compile(self.payer, list(self.steps), list(self.tables), blockhash)
        return to_bytes_versioned(made)

    def known(self) -> dict[str, list[str]]:
        return {str(t.key): [str(a) for a in t.addresses] for t in self.tables}

    def plus(self, *more: Instruction) -> Shape:
        return replace(self, steps=[*self.steps, *more])


def swap_of_sol(amount: int = 1_000_000, least: int = 900_000, target: Pubkey | None = None) -> Shape:
    """SOL for USDC in a constant-product pool."""
    plan = order()
    usdc = mint(plan, "out")
    swap = cpmm(amount, least, ata(SOL), target or ata(usdc))
    return Shape(plan, [*budget(), *wrap(1_000_000), make_ata(usdc), swap, close(ata(SOL)), memo()])


# What a node says of simulating one.


@dataclass
class Purse:
    """Accounts before and after: lamports, and for token accounts mint, owner and units."""

    lamports: dict[str, list[int]] = field(default_factory=dict)
    tokens: dict[str, list[tuple[str, str, int] | None]] = field(default_factory=dict)
    #: account -> what it is afterwards, where that is not what follows from the above.
    states: dict[str, Mapping[str, Any] | None] = field(default_factory=dict)
    fee: int = 25_000
    err: Any = None
    logs: Sequence[str] = ()

    def told(self, keys: Sequence[str], asked: Sequence[str]) -> dict[str, Any]:
        for key in keys:
            self.lamports.setdefault(key, [0, 0])
        value: dict[str, Any] = {"err": self.err, "fee": self.fee, "logs": list(self.logs)}
        for n, side in enumerate(("pre", "post")):
            value[f"{side}Balances"] = [self.lamports[key][n] for key in keys]
            value[f"{side}TokenBalances"] = [
                {"accountIndex": keys.index(key), "mint": held[0], "owner": held[1],
                 "uiTokenAmount": {"amount": str(held[2])}}
                for key, sides in self.tokens.items() if (held := sides[n]) is not None
            ]  # fmt: skip
        value["accounts"] = [self._state(key) for key in asked]
        return value

    def _state(self, key: str) -> Mapping[str, Any] | None:
        if key in self.states:
            return self.states[key]
        held = self.tokens.get(key, [None, None])[1]
        if held is not None:
            return token_state(held[0], held[1], held[2])
        if self.lamports[key][1] == 0:
            return None
        return {"lamports": self.lamports[key][1], "owner": str(Pubkey.default()), "data": ["", "base64"]}


def token_state(
    mint: str,
    owner: str,
    units: int,
    *,
    delegate: bool = False,
    closer: bool = False,
    program: Pubkey = TOKEN,
) -> dict[str, Any]:
    data = bytearray(165)
    data[0:32], data[32:64] = bytes(Pubkey.from_string(mint)), bytes(Pubkey.from_string(owner))
    data[64:72] = units.to_bytes(8, "little")
    data[72], data[108], data[129] = delegate, 1, closer
    encoded = base64.b64encode(bytes(data)).decode()
    return {"lamports": 2_039_280, "owner": str(program), "data": [encoded, "base64"]}


def honest(spent: int = 1_000_000, got: int = 950_000) -> Purse:
    """SOL spent and USDC received, into an account made for it; the wrapped SOL's is gone again."""
    usdc, rent = TOKENS["USDC"].mint, 2_039_280
    purse = Purse()
    purse.lamports[str(WALLET)] = [10**9, 10**9 - 25_000 - spent - rent]
    purse.lamports[str(ata(Pubkey.from_string(usdc)))] = [0, rent]
    purse.tokens[str(ata(Pubkey.from_string(usdc)))] = [None, (usdc, str(WALLET), got)]
    return purse

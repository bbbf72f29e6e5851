"""Jupiter's API: build and labels of Swap V2; of V1 quote, swap and its instructions; prices and tokens:
shapes, errors, wrapping.

https://dev.jup.ag, read as of August 2026. Its pools are Meteora's and Orca's; a route has one hop.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.instruction import Instruction
from solders.pubkey import Pubkey

from oee_daemon.networks.localnet import (
    localnet_genesis,
    localnet_pools,
    localnet_slots,
    localnet_swaps,
    localnet_venues,
)
from oee_daemon.networks.localnet.localnet_json import Json
from oee_daemon.networks.localnet.localnet_pools import Market, Pool, Quote
from oee_daemon.networks.localnet.localnet_raydium import Query
from oee_daemon.networks.localnet.localnet_swaps import Side
from oee_daemon.networks.localnet.localnet_venues import U64, Ask, Offers, Refused
from oee_daemon.networks.localnet.sbpf_subroutines import BPS

_MARKETS = (localnet_pools.METEORA, localnet_pools.ORCA)
#: Who Jupiter's labels are of, on mainnet.
LABELS = {
    "LBUZKhRxPF3XUpBCjp4YzTKgLccjZhTSDM9YuVaPwxo": "Meteora DLMM",
    "cpamdpZCGKUy5JxQXB4dcpGPiikHawvSWAd6mEn1sGG": "Meteora DAMM v2",
    "Eo7WjKq67rjJQSZxS6z3YkapzY3eMj6Xy8X5EQVn5UaB": "Meteora",
    "whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc": "Whirlpool",
    "CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C": "Raydium CP",
    "CAMMCzo5YL8w4VFF8KVHrK22GGUsp5VTaW7grrKgrWqK": "Raydium CLMM",
    "675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8": "Raydium",
}
#: Micro-lamports a unit of what it proposes.
_UNIT_PRICE = 10_000
#: Lamports that this comes to.
_PRIORITY = -(-localnet_venues.UNIT_LIMIT * _UNIT_PRICE // 1_000_000)


def _refuse(message: str, code: str | None = None) -> Refused:
    return Refused(400, {"error": message} | ({} if code is None else {"errorCode": code}))


def _ask(query: Query) -> Ask:
    mint_in, mint_out = localnet_venues.mints(query)
    amount = localnet_venues.whole(query.get("amount"), U64)
    slippage = localnet_venues.whole(query.get("slippageBps", "50"), BPS)
    mode = query.get("swapMode", "ExactIn")
    if amount is None or slippage is None or mode not in ("ExactIn", "ExactOut"):
        raise _refuse("Query parameter is invalid: amount, slippageBps or swapMode")
    if mint_in is None or mint_out is None:
        raise _refuse("The token is not tradable", "TOKEN_NOT_TRADABLE")
    if mint_in == mint_out:
        raise _refuse("Input and output mints are not allowed to be equal", "CIRCULAR_ARBITRAGE_IS_DISABLED")
    return Ask(mint_in, mint_out, amount, slippage, mode == "ExactOut")


def _markets(query: Query, *, exact_out: bool) -> list[Market]:
    """Exact output is Whirlpool's alone, of these."""
    if "dexes" in query and "excludeDexes" in query:
        raise _refuse("dexes and excludeDexes cannot be used together")
    only, without = query.get("dexes"), query.get("excludeDexes", "").split(",")
    found = [market for market in _MARKETS if only is None or market.label in only.split(",")]
    return [
        market
        for market in found
        if market.label not in without and (not exact_out or market is localnet_pools.ORCA)
    ]


def _find_pool(offers: Offers, query: Query, ask: Ask) -> tuple[Pool, Quote]:
    found = offers.find(_markets(query, exact_out=ask.exact_out), ask) if ask.amount else None
    if found is None:
        raise _refuse("Could not find any route", "COULD_NOT_FIND_ANY_ROUTE")
    return found


def _quote_json(ask: Ask, pool: Pool, quote: Quote) -> Json:
    """What V1 and V2 have in common."""
    hop = {
        "ammKey": str(pool.address),
        "label": pool.market.label,
        "inputMint": str(ask.mint_in),
        "outputMint": str(ask.mint_out),
        "inAmount": str(quote.amount_in),
        "outAmount": str(quote.amount_out),
    }
    return {
        "inputMint": str(ask.mint_in),
        "inAmount": str(quote.amount_in),
        "outputMint": str(ask.mint_out),
        "outAmount": str(quote.amount_out),
        "otherAmountThreshold": str(ask.bound(quote)),
        "swapMode": "ExactOut" if ask.exact_out else "ExactIn",
        "slippageBps": ask.slippage_bps,
        "priceImpactPct": f"{quote.impact:.10f}".rstrip("0").rstrip("."),
        "routePlan": [{"swapInfo": hop, "percent": 100, "bps": BPS}],
    }


def quote(offers: Offers, query: Query) -> Json:
    """V1. Raises `Refused`."""
    ask, version = _ask(query), query.get("instructionVersion", "V1")
    if version not in ("V1", "V2"):
        raise _refuse("Query parameter is invalid: instructionVersion")
    pool, found = _find_pool(offers, query, ask)
    told = _quote_json(ask, pool, found)
    hop = told["routePlan"][0]["swapInfo"]
    hop |= {"feeAmount": str(found.fee), "feeMint": str(ask.mint_in)}
    told |= {"platformFee": None, "contextSlot": offers.chain.tip, "timeTaken": 0.001}
    return told | {"instructionVersion": version}


def _wallet(value: object) -> Pubkey:
    try:
        return Pubkey.from_string(str(value))
    except ValueError:
        raise _refuse("Query parameter is invalid: taker") from None


def _sides(wallet: Pubkey, ask: Ask, most: int, *, wrap: bool) -> tuple[Side, Side]:
    def side(mint: Pubkey, lamports: int) -> Side:
        if wrap and mint == localnet_pools.WRAPPED_SOL:
            return localnet_swaps.wrapped_own(wallet, lamports)
        token_program = localnet_venues.TOKENS[mint].program
        return Side(localnet_swaps.own_account(wallet, mint, token_program))

    paid, got = side(ask.mint_in, most), side(ask.mint_out, 0)
    if not got.before:
        made = localnet_swaps.create_account(
            wallet, wallet, ask.mint_out, localnet_venues.TOKENS[ask.mint_out].program
        )
        got = Side(made[0], (made[1],))
    return paid, got


def _swap(
    ask: Ask, pool: Pool, found: Quote, wallet: Pubkey, *, wrap: bool, v2: bool = False
) -> tuple[Side, Instruction, Side]:
    most = ask.bound(found) if ask.exact_out else ask.amount
    paid, got = _sides(wallet, ask, most, wrap=wrap)
    quoted = found.amount_in if ask.exact_out else found.amount_out
    swap = localnet_swaps.jupiter_swap(
        pool, wallet, ask.mint_in, (paid.account, got.account), ask.amount, quoted, ask.slippage_bps,
        exact_out=ask.exact_out, v2=v2,
    )  # fmt: skip
    return paid, swap, got


def _instruction_json(instruction: Instruction) -> Json:
    return {
        "programId": str(instruction.program_id),
        "accounts": [
            {"pubkey": str(meta.pubkey), "isSigner": meta.is_signer, "isWritable": meta.is_writable}
            for meta in instruction.accounts
        ],
        "data": base64.b64encode(instruction.data).decode(),
    }


def build(offers: Offers, query: Query) -> Json:
    """V2: a quote of exact input, and the instructions of it, the swap of the second version too. No limit of
    units: who sends has to simulate."""
    ask, wallet = _ask(query), _wallet(query.get("taker"))
    if ask.exact_out:
        raise _refuse("swapMode is not supported")
    pool, found = _find_pool(offers, query, ask)
    wrap = query.get("wrapAndUnwrapSol", "true") != "false"
    paid, swap, got = _swap(ask, pool, found, wallet, wrap=wrap, v2=True)
    cleanup = [*paid.after, *got.after]
    now = time.time_ns()
    last = offers.chain.height + min(
        localnet_venues.whole(query.get("blockhashSlotsToExpiry", "150"), 300) or 150, 150
    )
    return _quote_json(ask, pool, found) | {
        "computeBudgetInstructions": [_instruction_json(set_compute_unit_price(_UNIT_PRICE))],
        "setupInstructions": [_instruction_json(instruction) for instruction in (*paid.before, *got.before)],
        "swapInstruction": _instruction_json(swap),
        "cleanupInstruction": _instruction_json(cleanup[0]) if cleanup else None,
        "otherInstructions": [],
        "tipInstruction": None,
        "addressesByLookupTableAddress": {
            str(localnet_genesis.TABLES[localnet_pools.JUPITER_ID]): [
                str(key) for key in localnet_genesis.table_addresses(localnet_pools.JUPITER_ID)
            ]
        },
        "blockhashWithMetadata": {
            "blockhash": list(bytes(offers.blockhash())),
            "lastValidBlockHeight": last,
            "fetchedAt": {"secs_since_epoch": now // 10**9, "nanos_since_epoch": now % 10**9},
        },
    }


def _read_chosen(offers: Offers, body: Json) -> tuple[Ask, Pool, Quote]:
    """The quote that is handed back. Raises `Refused` where it is not as it was given."""
    changed = _refuse("quoteResponse is missing or was changed", "FAILED_TO_GET_SWAP_AND_ACCOUNT_METAS")
    told = body.get("quoteResponse")
    if not isinstance(told, dict) or not told.get("routePlan"):
        raise changed
    exact_out = told.get("swapMode") == "ExactOut"
    query = {name: str(told.get(name)) for name in ("inputMint", "outputMint", "slippageBps", "swapMode")}
    query["amount"] = str(told.get("outAmount" if exact_out else "inAmount"))
    ask = _ask(query)
    try:
        label = told["routePlan"][0]["swapInfo"]["label"]
        amounts = int(told["inAmount"]), int(told["outAmount"])
    except (KeyError, TypeError, ValueError):
        raise changed from None
    pool, _now = _find_pool(offers, {"dexes": str(label)}, ask)
    found = Quote(*amounts, 0, 0.0)
    given = _quote_json(ask, pool, found)
    hop = told["routePlan"][0]["swapInfo"]
    given["routePlan"][0]["swapInfo"] |= {name: hop.get(name) for name in ("feeAmount", "feeMint")}
    # What follows from the time of the quote.
    free = ("priceImpactPct", "platformFee", "contextSlot", "timeTaken", "instructionVersion")
    if not set(free) <= set(told) or told != given | {name: told[name] for name in free}:
        raise changed
    return ask, pool, found


def _v1(offers: Offers, body: Json) -> tuple[Pubkey, Side, Instruction, Side]:
    """Who swaps, and what is done for it. Raises `Refused`."""
    ask, pool, found = _read_chosen(offers, body)
    wallet = _wallet(body.get("userPublicKey"))
    wrap = body.get("wrapAndUnwrapSol", True) is not False
    v2 = ask.exact_out and body["quoteResponse"]["instructionVersion"] == "V2"
    return wallet, *_swap(ask, pool, found, wallet, wrap=wrap, v2=v2)


def swap_instructions(offers: Offers, body: Json) -> Json:
    """V1: what a transaction of a quote does, for whoever makes one. Raises `Refused`."""
    _, paid, swapped, got = _v1(offers, body)
    cleanup = [*paid.after, *got.after]
    budget = set_compute_unit_limit(localnet_venues.UNIT_LIMIT), set_compute_unit_price(_UNIT_PRICE)
    return {
        "tokenLedgerInstruction": None,
        "computeBudgetInstructions": [_instruction_json(instruction) for instruction in budget],
        "setupInstructions": [_instruction_json(instruction) for instruction in (*paid.before, *got.before)],
        "swapInstruction": _instruction_json(swapped),
        "cleanupInstruction": _instruction_json(cleanup[0]) if cleanup else None,
        "otherInstructions": [],
        "addressLookupTableAddresses": [str(localnet_genesis.TABLES[localnet_pools.JUPITER_ID])],
        "prioritizationFeeLamports": _PRIORITY,
        "computeUnitLimit": localnet_venues.UNIT_LIMIT,
        "simulationError": None,
    }


def swap(offers: Offers, body: Json) -> Json:
    """V1: a transaction of a quote, to be signed. Raises `Refused`."""
    wallet, paid, swapped, got = _v1(offers, body)
    made = [
        set_compute_unit_limit(localnet_venues.UNIT_LIMIT),
        set_compute_unit_price(_UNIT_PRICE),
        *paid.before, *got.before, swapped, *paid.after, *got.after,
    ]  # fmt: skip
    legacy = bool(body.get("asLegacyTransaction"))
    lookups = () if legacy else localnet_venues.tables(localnet_pools.JUPITER_ID)
    wire = localnet_venues.unsigned(wallet, made, offers.blockhash(), legacy=legacy, lookups=lookups)
    return {
        "swapTransaction": base64.b64encode(wire).decode(),
        "lastValidBlockHeight": offers.chain.height + localnet_slots.HASH_BLOCKS,
        "prioritizationFeeLamports": _PRIORITY,
        "computeUnitLimit": localnet_venues.UNIT_LIMIT,
    }


def _prices(offers: Offers, query: Query) -> Json:
    """Tokens without a price are left out."""
    told: Json = {}
    for name in query.get("ids", "").split(",")[:50]:
        found = localnet_venues.mint(name)
        usd = None if found is None else offers.usd(found)
        if found is not None and usd is not None:
            told[name] = {
                "createdAt": datetime.fromtimestamp(offers.chain.origin.genesis_ms / 1000, UTC).isoformat(),
                "liquidity": float(2 * localnet_pools.RAYDIUM.depth),
                "usdPrice": usd,
                "blockId": offers.chain.tip,
                "decimals": localnet_venues.TOKENS[found].decimals,
                "priceChange24h": 0.0,
            }
    return told


def _tokens(offers: Offers, query: Query) -> list[Json]:
    wanted = {name.strip().lower() for name in query.get("query", "").split(",")}
    return [
        {
            "id": str(token.mint),
            "name": token.symbol,
            "symbol": token.symbol,
            "icon": None,
            "decimals": token.decimals,
            "tokenProgram": str(token.program),
            "isVerified": not token.extension,
            "tags": [] if token.extension else ["verified"],
            "usdPrice": offers.usd(token.mint),
        }
        for token in localnet_genesis.TOKENS
        if {token.symbol.lower(), str(token.mint).lower()} & wanted
    ]


GET: Mapping[str, Callable[[Offers, Query], Any]] = MappingProxyType(
    {
        "/swap/v2/build": build,
        "/swap/v1/quote": quote,
        "/swap/v1/program-id-to-label": lambda _offers, _query: LABELS,
        "/price/v3": _prices,
        "/tokens/v2/search": _tokens,
    }
)
POST: Mapping[str, Callable[[Offers, Json], Any]] = MappingProxyType(
    {"/swap/v1/swap": swap, "/swap/v1/swap-instructions": swap_instructions}
)

"""Raydium's trade API, and the parts of its data API that a trader asks: shapes, errors and how it wraps SOL.

https://docs.raydium.io/sdk-api/trade-api and the types of `@raydium-io/raydium-sdk-v2`. Refusals come with
the status 200 and `success: false`. It gives no last valid height.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.instruction import CompiledInstruction
from solders.message import MessageV0
from solders.null_signer import NullSigner
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from oee_daemon.networks.localnet import localnet_genesis, localnet_pools, localnet_swaps, localnet_venues
from oee_daemon.networks.localnet.localnet_json import Json
from oee_daemon.networks.localnet.localnet_swaps import Side
from oee_daemon.networks.localnet.localnet_venues import U64, Ask, Offers, Refused
from oee_daemon.networks.localnet.sbpf_subroutines import BPS

Query: TypeAlias = Mapping[str, str]
#: Micro-lamports a unit: very high, high, medium.
_AUTO_FEE = {"vh": 25_216, "h": 10_000, "m": 5_000}
_LEAST = 10
#: Raydium's program for swaps over several pools.
_ROUTER_ID = Pubkey.from_string("routeUGWgWzqBWFcrCfv8tritsqukccJPu3q5GPP3xS")


def _refuse(reason: str) -> Refused:
    return Refused(200, {"id": str(uuid.uuid4()), "success": False, "version": "V1", "msg": reason})


def _answer(data: Any) -> Json:
    return {"id": str(uuid.uuid4()), "success": True, "version": "V1", "data": data}


def _ask(query: Query, *, exact_out: bool) -> Ask:
    mint_in, mint_out = localnet_venues.mints(query)
    if mint_in is None:
        raise _refuse("REQ_INPUT_MINT_ERROR")
    if mint_out is None:
        raise _refuse("REQ_OUTPUT_MINT_ERROR")
    amount = localnet_venues.whole(query.get("amount"), U64)
    if amount is None:
        raise _refuse("REQ_AMOUNT_ERROR")
    slippage = localnet_venues.whole(query.get("slippageBps"), BPS)
    if slippage is None:
        raise _refuse("REQ_SLIPPAGE_BPS_ERROR")
    if query.get("txVersion") not in ("V0", "LEGACY"):
        raise _refuse("REQ_TX_VERSION_ERROR")
    if amount < _LEAST:
        raise _refuse("AMOUNT_TOO_SMALL")
    return Ask(mint_in, mint_out, amount, slippage, exact_out)


def compute(offers: Offers, query: Query, *, exact_out: bool) -> Json:
    """A quote. Raises `Refused`."""
    ask = _ask(query, exact_out=exact_out)
    found = offers.find([localnet_pools.RAYDIUM], ask)
    if found is None:
        raise _refuse("ROUTE_NOT_FOUND")
    pool, quote = found
    hop = {
        "poolId": str(pool.address),
        "inputMint": str(ask.mint_in),
        "outputMint": str(ask.mint_out),
        "feeMint": str(ask.mint_in),
        "feeRate": pool.market.fee // 100,
        "feeAmount": str(quote.fee),
    }
    return _answer(
        {
            "swapType": "BaseOut" if exact_out else "BaseIn",
            "inputMint": str(ask.mint_in),
            "inputAmount": str(quote.amount_in),
            "outputMint": str(ask.mint_out),
            "outputAmount": str(quote.amount_out),
            "otherAmountThreshold": str(ask.bound(quote)),
            "slippageBps": ask.slippage_bps,
            "priceImpactPct": round(100 * quote.impact, 2),
            "referrerAmount": "0",
            "routePlan": [hop],
        }
    )


def _read_chosen(body: Json, *, exact_out: bool) -> Json:
    """The quote's `data`, if the whole quote is handed back."""
    quote = body.get("swapResponse")
    if (
        not isinstance(quote, dict)
        or not quote.get("success")
        or not quote.get("id")
        or not quote.get("version")
    ):
        raise _refuse("REQ_SWAP_RESPONSE_ERROR")
    data = quote.get("data")
    kind = "BaseOut" if exact_out else "BaseIn"
    if not isinstance(data, dict) or data.get("swapType") != kind:
        raise _refuse("REQ_SWAP_RESPONSE_ERROR")
    return data


def _account(body: Json, name: str) -> Pubkey | None:
    try:
        return Pubkey.from_string(str(body[name])) if body.get(name) else None
    except ValueError:
        raise _refuse(f"REQ_{'INPUT' if name == 'inputAccount' else 'OUTPUT'}_ACCOUNT_ERROR") from None


def _sides(
    offers: Offers, body: Json, wallet: Pubkey, mints: tuple[Pubkey, Pubkey], most: int
) -> tuple[Side, Side]:
    mint_in, mint_out = mints
    if body.get("wrapSol") and mint_in == localnet_pools.WRAPPED_SOL:
        paid = localnet_swaps.wrapped_beside(wallet, offers.seed(), localnet_genesis.TOKEN_RENT + most)
    else:
        given = _account(body, "inputAccount")
        if given is None:
            raise _refuse("REQ_INPUT_ACCOUNT_ERROR")
        paid = Side(given)
    if body.get("unwrapSol") and mint_out == localnet_pools.WRAPPED_SOL:
        return paid, localnet_swaps.wrapped_beside(wallet, offers.seed(), localnet_genesis.TOKEN_RENT)
    given = _account(body, "outputAccount")
    if given is not None:
        return paid, Side(given)
    made, creation = localnet_swaps.create_account(
        wallet, wallet, mint_out, localnet_venues.TOKENS[mint_out].program
    )
    return paid, Side(made, (creation,))


def transaction(offers: Offers, body: Json, *, exact_out: bool) -> Json:
    """A transaction of a quote, to be signed by its wallet. Raises `Refused`."""
    data = _read_chosen(body, exact_out=exact_out)
    try:
        wallet = Pubkey.from_string(str(body.get("wallet")))
    except ValueError:
        raise _refuse("REQ_WALLET_ERROR") from None
    price = body.get("computeUnitPriceMicroLamports")
    number = localnet_venues.whole(price, U64) if isinstance(price, str) else None
    if number is None:
        raise _refuse("REQ_COMPUTE_UNIT_PRICE_MICRO_LAMPORTS_ERROR")
    if body.get("txVersion") not in ("V0", "LEGACY"):
        raise _refuse("REQ_TX_VERSION_ERROR")
    mint_in, mint_out = localnet_venues.mints(data)
    bound = localnet_venues.whole(data.get("otherAmountThreshold"), U64)
    amount = localnet_venues.whole(data.get("outputAmount" if exact_out else "inputAmount"), U64)
    if mint_in is None or mint_out is None or bound is None or not amount:
        raise _refuse("REQ_SWAP_RESPONSE_ERROR")
    found = offers.find([localnet_pools.RAYDIUM], Ask(mint_in, mint_out, amount, 0, exact_out))
    if found is None:
        raise _refuse("ROUTE_NOT_FOUND")
    paid, got = _sides(offers, body, wallet, (mint_in, mint_out), bound if exact_out else amount)
    numbers = (bound, amount) if exact_out else (amount, bound)
    swap = localnet_swaps.raydium_swap(
        found[0], wallet, mint_in, (paid.account, got.account), *numbers, exact_out=exact_out
    )
    made = [
        set_compute_unit_limit(localnet_venues.UNIT_LIMIT),
        set_compute_unit_price(number),
        *paid.before, *got.before, swap, *paid.after, *got.after,
    ]  # fmt: skip
    legacy = body["txVersion"] == "LEGACY"
    lookups = () if legacy else localnet_venues.tables(localnet_pools.CPMM_ID)
    wire = localnet_venues.unsigned(wallet, made, offers.blockhash(), legacy=legacy, lookups=lookups)
    return _answer([{"transaction": base64.b64encode(wire).decode()}])


def routed(told: Any) -> Any:
    """What `transaction` told, as Raydium makes an exact output over concentrated pools: by its router, which
    nobody has published, with a price limit behind the amounts."""
    if not isinstance(told, dict) or not isinstance(told.get("data"), list):
        return told
    message = VersionedTransaction.from_bytes(base64.b64decode(told["data"][0]["transaction"])).message
    assert isinstance(message, MessageV0)
    keys = [_ROUTER_ID if key == localnet_pools.CPMM_ID else key for key in message.account_keys]
    steps = []
    for step in message.instructions:
        data = bytes(step.data)
        if keys[step.program_id_index] == _ROUTER_ID:
            data = b"\1" + data[8:24] + bytes([1]) * 16
        steps.append(CompiledInstruction(step.program_id_index, data, bytes(step.accounts)))
    lookups = message.address_table_lookups
    made = MessageV0(message.header, keys, message.recent_blockhash, steps, lookups)
    wire = bytes(VersionedTransaction(made, [NullSigner(keys[0])]))
    return _answer([{"transaction": base64.b64encode(wire).decode()}])


def _auto_fee(_offers: Offers, _query: Query) -> Json:
    return {"id": str(uuid.uuid4()), "success": True, "data": {"default": _AUTO_FEE}}


def _price(offers: Offers, query: Query) -> Json:
    told: Json = {}
    for name in query.get("mints", "").split(","):
        found = localnet_venues.mint(name)
        usd = None if found is None else offers.usd(found)
        told[name] = None if usd is None else f"{usd:.12g}"
    return {"id": str(uuid.uuid4()), "success": True, "data": told}


def _mints(_offers: Offers, query: Query) -> Json:
    told: list[Json | None] = []
    for name in query.get("mints", "").split(","):
        found = localnet_venues.mint(name)
        token = None if found is None else localnet_venues.TOKENS[found]
        told.append(
            token
            and {
                "chainId": 101,
                "address": name,
                "programId": str(token.program),
                "logoURI": "",
                "symbol": token.symbol,
                "name": token.symbol,
                "decimals": token.decimals,
                "tags": [],
                "extensions": {},
            }
        )
    return {"id": str(uuid.uuid4()), "success": True, "data": told}


GET: Mapping[str, Callable[[Offers, Query], Any]] = MappingProxyType(
    {
        "/compute/swap-base-in": lambda offers, query: compute(offers, query, exact_out=False),
        "/compute/swap-base-out": lambda offers, query: compute(offers, query, exact_out=True),
        "/main/auto-fee": _auto_fee,
        "/mint/price": _price,
        "/mint/ids": _mints,
    }
)
POST: Mapping[str, Callable[[Offers, Json], Any]] = MappingProxyType(
    {
        "/transaction/swap-base-in": lambda offers, body: transaction(offers, body, exact_out=False),
        "/transaction/swap-base-out": lambda offers, body: transaction(offers, body, exact_out=True),
    }
)

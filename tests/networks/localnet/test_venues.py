"""Raydium's and Jupiter's APIs: their shapes, what they refuse and how, and that what they give can be signed
and lands."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.compute_budget import set_compute_unit_limit
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.message import Message, MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from oee_daemon.networks.localnet import localnet_genesis
from tests.networks.localnet import reckoned
from tests.networks.localnet.conftest import BONK, SOL, USDC, Localnet

FEE = next(str(token.mint) for token in localnet_genesis.TOKENS if token.symbol == "FEE")
GOOD = {"inputMint": SOL, "outputMint": USDC, "amount": 10**9, "slippageBps": 50, "txVersion": "V0"}


def compute(net: Localnet, **changed: Any) -> Any:
    query = {name: value for name, value in {**GOOD, **changed}.items() if value is not None}
    return net.get("/raydium/compute/swap-base-in", **query)


def test_raydiums_quote_has_its_captured_shape(net: Localnet) -> None:
    """Amounts are text, rates are numbers; the least out is rounded down; the fee is in the input and in
    bps."""
    told = compute(net)
    assert (
        set(told) == {"id", "success", "version", "data"}
        and told["success"] is True
        and told["version"] == "V1"
    )
    data = told["data"]
    assert {name: type(value).__name__ for name, value in data.items()} == {
        "swapType": "str", "inputMint": "str", "inputAmount": "str", "outputMint": "str",
        "outputAmount": "str", "otherAmountThreshold": "str", "slippageBps": "int",
        "priceImpactPct": "float", "referrerAmount": "str", "routePlan": "list",
    }  # fmt: skip
    assert (data["swapType"], data["inputAmount"], data["slippageBps"]) == ("BaseIn", str(10**9), 50)
    assert int(data["otherAmountThreshold"]) == int(data["outputAmount"]) * 9_950 // 10_000
    (hop,) = data["routePlan"]
    assert (hop["feeMint"], hop["feeRate"], hop["feeAmount"]) == (SOL, 25, str(10**9 * 25 // 10_000))
    out = net.raydium(SOL, USDC, 10**8, 100, exact_out=True)["data"]
    assert (out["swapType"], out["outputAmount"]) == ("BaseOut", str(10**8))
    assert int(out["otherAmountThreshold"]) == int(out["inputAmount"]) * 10_100 // 10_000


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"inputMint": "nothing"}, "REQ_INPUT_MINT_ERROR"),
        ({"inputMint": str(Pubkey.new_unique())}, "REQ_INPUT_MINT_ERROR"),
        ({"outputMint": None}, "REQ_OUTPUT_MINT_ERROR"),
        ({"amount": "1.5"}, "REQ_AMOUNT_ERROR"),
        ({"amount": "-5"}, "REQ_AMOUNT_ERROR"),
        ({"amount": 2**64}, "REQ_AMOUNT_ERROR"),
        ({"amount": 1}, "AMOUNT_TOO_SMALL"),
        ({"slippageBps": "0.5"}, "REQ_SLIPPAGE_BPS_ERROR"),
        ({"slippageBps": 10_001}, "REQ_SLIPPAGE_BPS_ERROR"),
        ({"txVersion": "v0"}, "REQ_TX_VERSION_ERROR"),
        ({"outputMint": SOL}, "ROUTE_NOT_FOUND"),
        ({"inputMint": BONK, "outputMint": FEE}, "ROUTE_NOT_FOUND"),
    ],
)
def test_raydium_refuses_with_status_200_and_its_word(net: Localnet, changed: Any, message: str) -> None:
    told = compute(net, **changed)
    assert (told["success"], told["msg"]) == (False, message) and "data" not in told
    assert compute(net)["success"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda body: body.update(swapResponse=body["swapResponse"]["data"]), "REQ_SWAP_RESPONSE_ERROR"),
        (lambda body: body.pop("swapResponse"), "REQ_SWAP_RESPONSE_ERROR"),
        (lambda body: body.update(computeUnitPriceMicroLamports=5),
         "REQ_COMPUTE_UNIT_PRICE_MICRO_LAMPORTS_ERROR"),
        (lambda body: body.update(wallet="me"), "REQ_WALLET_ERROR"),
        (lambda body: body.update(txVersion="V1"), "REQ_TX_VERSION_ERROR"),
        (lambda body: body.update(wrapSol=False), "REQ_INPUT_ACCOUNT_ERROR"),
    ],
)  # fmt: skip
def test_raydium_makes_no_transaction_of_that(net: Localnet, spoil: Any, message: str) -> None:
    body = {
        "computeUnitPriceMicroLamports": "1", "swapResponse": compute(net), "txVersion": "V0",
        "wallet": str(net.wallet.pubkey()), "wrapSol": True, "unwrapSol": False,
    }  # fmt: skip
    assert net.post("/raydium/transaction/swap-base-in", body)["success"]
    spoil(body)
    told = net.post("/raydium/transaction/swap-base-in", body)
    assert (told["success"], told["msg"]) == (False, message)


@pytest.mark.parametrize("version", ["V0", "LEGACY"])
def test_raydiums_transaction_is_unsigned_and_of_the_version_asked_for(net: Localnet, version: str) -> None:
    net.fund(usdc=0)
    wire = net.raydium_tx(net.raydium(SOL, USDC, 10**9), txVersion=version)
    tx = VersionedTransaction.from_bytes(base64.b64decode(wire))
    assert isinstance(tx.message, MessageV0 if version == "V0" else Message)
    assert [bytes(signature) for signature in tx.signatures] == [bytes(64)]
    assert tx.message.account_keys[0] == net.wallet.pubkey()
    assert net.rpc("isBlockhashValid", str(tx.message.recent_blockhash), {"commitment": "processed"})["value"]
    landed = net.send(VersionedTransaction(tx.message, [net.wallet]))
    assert net.status(landed)["err"] is None and net.held(USDC) > 0


def test_raydium_wraps_and_unwraps_sol_as_it_is_told(net: Localnet) -> None:
    net.fund(lamports=10**11)
    me = str(net.wallet.pubkey())
    (account,) = net.rpc("getTokenAccountsByOwner", me, {"mint": USDC}, {"encoding": "jsonParsed"})["value"]
    quote = net.raydium(USDC, SOL, 100 * 10**6)
    before = net.rpc("getBalance", me)["value"]
    net.send(net.signed(net.raydium_tx(quote, inputAccount=account["pubkey"])))
    assert net.rpc("getBalance", me)["value"] - before == int(quote["data"]["outputAmount"]) - 5_200
    assert net.held(SOL) == 0
    quote = net.raydium(USDC, SOL, 100 * 10**6)
    net.send(net.signed(net.raydium_tx(quote, inputAccount=account["pubkey"], unwrapSol=False)))
    assert net.held(SOL) == int(quote["data"]["outputAmount"])


def test_raydium_tells_fees_prices_and_tokens(net: Localnet) -> None:
    assert set(net.get("/raydium/main/auto-fee")["data"]["default"]) == {"vh", "h", "m"}
    nobody = str(Pubkey.new_unique())
    prices = net.get("/raydium/mint/price", mints=f"{SOL},{USDC},{nobody}")["data"]
    assert prices[USDC] == "1" and 100 < float(prices[SOL]) < 200 and prices[nobody] is None
    tokens = net.get("/raydium/mint/ids", mints=f"{BONK},{nobody}")["data"]
    assert (tokens[0]["symbol"], tokens[0]["decimals"], tokens[1]) == ("BONK", 5, None)


def build(net: Localnet, **changed: Any) -> Any:
    query = {
        "inputMint": SOL,
        "outputMint": USDC,
        "amount": 10**9,
        "taker": str(net.wallet.pubkey()),
        **changed,
    }
    return net.get(
        "/jupiter/swap/v2/build", **{name: value for name, value in query.items() if value is not None}
    )


def instruction(told: Any) -> Instruction:
    accounts = [
        AccountMeta(Pubkey.from_string(a["pubkey"]), a["isSigner"], a["isWritable"]) for a in told["accounts"]
    ]
    return Instruction(Pubkey.from_string(told["programId"]), base64.b64decode(told["data"]), accounts)


def compiled(net: Localnet, told: Any) -> VersionedTransaction:
    """As a client makes it: limit, price, setup, swap, cleanup, others, with the tables that came along."""
    cleanup = told["cleanupInstruction"]
    parts = [
        *told["computeBudgetInstructions"], *told["setupInstructions"], told["swapInstruction"],
        *([cleanup] if cleanup else []), *told["otherInstructions"],
    ]  # fmt: skip
    tables = [
        AddressLookupTableAccount(Pubkey.from_string(key), [Pubkey.from_string(a) for a in addresses])
        for key, addresses in told["addressesByLookupTableAddress"].items()
    ]
    made = [set_compute_unit_limit(100_000), *map(instruction, parts)]
    recent = Hash(bytes(told["blockhashWithMetadata"]["blockhash"]))
    return VersionedTransaction(
        MessageV0.try_compile(net.wallet.pubkey(), made, tables, recent), [net.wallet]
    )


@pytest.mark.parametrize("mints", [(SOL, USDC), (USDC, SOL), (USDC, BONK), (SOL, FEE), (USDC, FEE)])
@pytest.mark.parametrize("dexes", ["Meteora DLMM,Meteora DAMM v2,Meteora", "Whirlpool", None])
def test_jupiters_build_compiles_lands_and_gives_what_it_said(
    net: Localnet, mints: tuple[str, str], dexes: str | None
) -> None:
    net.fund()
    told = build(net, inputMint=mints[0], outputMint=mints[1], amount=10**8, slippageBps=0, dexes=dexes)
    tx = compiled(net, told)
    assert len(bytes(tx)) <= 1232
    before = {mint: net.held(mint) for mint in mints}
    lamports = net.rpc("getBalance", str(net.wallet.pubkey()))["value"]
    signature = net.send(tx)
    assert net.status(signature)["err"] is None
    if mints[1] != SOL:
        assert net.held(mints[1]) - before[mints[1]] == int(told["outAmount"])
    else:
        fee = 5_000 + 100_000 * 10_000 // 10**6
        assert (
            net.rpc("getBalance", str(net.wallet.pubkey()))["value"] - lamports
            == int(told["outAmount"]) - fee
        )
    assert net.held(SOL) == 0


def test_jupiters_build_has_its_documented_shape(net: Localnet) -> None:
    told = build(net)
    assert set(told) == {
        "inputMint", "outputMint", "inAmount", "outAmount", "otherAmountThreshold", "swapMode", "slippageBps",
        "priceImpactPct", "routePlan", "computeBudgetInstructions", "setupInstructions", "swapInstruction",
        "cleanupInstruction", "otherInstructions", "tipInstruction", "addressesByLookupTableAddress",
        "blockhashWithMetadata",
    }  # fmt: skip
    assert told["swapMode"] == "ExactIn" and told["slippageBps"] == 50
    assert int(told["otherAmountThreshold"]) == int(told["outAmount"]) * 9_950 // 10_000
    assert isinstance(told["priceImpactPct"], str) and float(told["priceImpactPct"]) < 0.01
    # `route_v2`, as mainnet's answers of autumn 2026 have it, or the same over shared accounts.
    assert base64.b64decode(told["swapInstruction"]["data"])[:8].hex() == "bb64facc31c4af14"
    (price,) = told["computeBudgetInstructions"]
    assert base64.b64decode(price["data"])[:1] == b"\3"
    blockhash = told["blockhashWithMetadata"]
    assert len(blockhash["blockhash"]) == 32 and set(blockhash["fetchedAt"]) == {
        "secs_since_epoch", "nanos_since_epoch"
    }  # fmt: skip
    height = net.rpc("getBlockHeight", {"commitment": "processed"})
    assert blockhash["lastValidBlockHeight"] == height + 150
    ((table, addresses),) = told["addressesByLookupTableAddress"].items()
    (data,) = reckoned.data(net, table)
    assert [str(Pubkey(data[n : n + 32])) for n in range(56, len(data), 32)] == addresses


def test_jupiter_takes_the_best_of_what_it_may(net: Localnet) -> None:
    only = {dex: int(build(net, dexes=dex)["outAmount"]) for dex in ("Meteora DLMM", "Whirlpool")}
    whole = build(net)
    assert int(whole["outAmount"]) == max(only.values()) != min(only.values())
    best = max(only, key=lambda dex: only[dex])
    assert whole["routePlan"][0]["swapInfo"]["label"] == best
    assert int(build(net, excludeDexes=best)["outAmount"]) == min(only.values())
    labels = net.get("/jupiter/swap/v1/program-id-to-label")
    assert (
        set(only) <= set(labels.values())
        and labels["LBUZKhRxPF3XUpBCjp4YzTKgLccjZhTSDM9YuVaPwxo"] == "Meteora DLMM"
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"taker": None}, {"amount": "x"}, {"amount": 0}, {"slippageBps": 10_001}, {"inputMint": "x"},
        {"outputMint": SOL}, {"dexes": "Raydium CP"}, {"dexes": "Whirlpool", "excludeDexes": "Meteora"},
        {"swapMode": "ExactOut"}, {"inputMint": BONK, "outputMint": FEE},
    ],
)  # fmt: skip
def test_jupiter_refuses_with_status_400_and_an_error(net: Localnet, changed: Any) -> None:
    assert "error" not in build(net)
    told = build(net, **changed)
    assert isinstance(told["error"], str) and "outAmount" not in told


def test_exact_output_is_whirlpools_alone(net: Localnet) -> None:
    asked = {"inputMint": SOL, "outputMint": USDC, "amount": 10**8, "swapMode": "ExactOut"}
    told = net.get("/jupiter/swap/v1/quote", **asked)
    assert (told["outAmount"], told["routePlan"][0]["swapInfo"]["label"]) == (str(10**8), "Whirlpool")
    assert int(told["otherAmountThreshold"]) > int(told["inAmount"])
    told = net.get("/jupiter/swap/v1/quote", dexes="Meteora DLMM", **asked)
    assert told["errorCode"] == "COULD_NOT_FIND_ANY_ROUTE"
    net.fund(usdc=0)
    net.send(net.signed(net.jupiter_tx(SOL, USDC, 10**8, swapMode="ExactOut")))
    assert net.held(USDC) == 10**8


def exact_quote(net: Localnet, mints: tuple[str, str], **more: Any) -> Any:
    return net.get(
        "/jupiter/swap/v1/quote", inputMint=mints[0], outputMint=mints[1], amount=10**7, slippageBps=0,
        swapMode="ExactOut", **more,
    )  # fmt: skip


@pytest.mark.parametrize("version", ["V1", "V2"])
@pytest.mark.parametrize("mints", [(SOL, USDC), (USDC, SOL), (USDC, BONK), (USDC, FEE)])
def test_jupiters_instructions_of_an_exact_output_compile_and_land(
    net: Localnet, mints: tuple[str, str], version: str
) -> None:
    net.fund()
    quote = exact_quote(net, mints, instructionVersion=version)
    told = net.post(
        "/jupiter/swap/v1/swap-instructions",
        {"userPublicKey": str(net.wallet.pubkey()), "quoteResponse": quote, "wrapAndUnwrapSol": True},
    )
    data = base64.b64decode(told["swapInstruction"]["data"])
    # What is at the front of the second version is at the end of the first.
    assert data[:8].hex() == ("d033ef977b2bed5c" if version == "V1" else "9d8ab85215f4f324")
    place = len(data) - 19 if version == "V1" else 8
    assert struct.unpack_from("<QQ", data, place) == (10**7, int(quote["inAmount"]))
    (table,) = told["addressLookupTableAddresses"]
    (held,) = reckoned.data(net, table)
    told["addressesByLookupTableAddress"] = {
        table: [str(Pubkey(held[n : n + 32])) for n in range(56, len(held), 32)]
    }
    told["computeBudgetInstructions"] = told["computeBudgetInstructions"][1:]
    told["blockhashWithMetadata"] = build(net)["blockhashWithMetadata"]
    given, taken = (net.held(mint) for mint in mints)
    lamports = net.rpc("getBalance", str(net.wallet.pubkey()))["value"]
    signature = net.send(compiled(net, told))
    assert net.status(signature)["err"] is None
    fee = 5_000 + 100_000 * 10_000 // 10**6
    moved = net.rpc("getBalance", str(net.wallet.pubkey()))["value"] - lamports + fee
    assert (moved if mints[1] == SOL else net.held(mints[1]) - taken) == 10**7
    if mints[0] != SOL:
        assert given - net.held(mints[0]) == int(quote["inAmount"])
    assert net.held(SOL) == 0


def test_a_changed_quote_makes_no_swap(net: Localnet) -> None:
    whole = exact_quote(net, (SOL, USDC))
    bodies = [{"inAmount": "5"}] + [
        {name: value for name, value in whole.items() if name != left} for left in whole
    ]
    bodies += [whole | {"otherAmountThreshold": "1"}, whole | {"more": 1}]
    for path in ("swap", "swap-instructions"):
        for quoted in bodies:
            body = {"userPublicKey": str(net.wallet.pubkey()), "quoteResponse": quoted}
            assert "error" in net.post(f"/jupiter/swap/v1/{path}", body), quoted
        told = net.post(f"/jupiter/swap/v1/{path}", body | {"quoteResponse": {"inAmount": "5"}})
        assert told["errorCode"] == "FAILED_TO_GET_SWAP_AND_ACCOUNT_METAS"
        assert "error" in net.post(f"/jupiter/swap/v1/{path}", [])
        assert "error" not in net.post(f"/jupiter/swap/v1/{path}", body | {"quoteResponse": whole})


def test_jupiter_tells_prices_and_tokens(net: Localnet) -> None:
    prices = net.get("/jupiter/price/v3", ids=f"{SOL},{Pubkey.new_unique()}")
    assert list(prices) == [SOL] and 100 < prices[SOL]["usdPrice"] < 200 and prices[SOL]["decimals"] == 9
    (token,) = net.get("/jupiter/tokens/v2/search", query="fee")
    assert (token["id"], token["tokenProgram"]) == (FEE, "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")


def test_a_path_that_no_venue_has_is_not_found(net: Localnet) -> None:
    assert net.answer("GET", "/raydium/compute/swap").status == 404
    assert net.answer("POST", "/jupiter/swap/v2/build", b"{}").status == 404

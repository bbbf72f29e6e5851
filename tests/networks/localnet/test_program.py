"""The pool program in Solana's virtual machine: equal to the published formula to the unit, and one unit
stricter fails."""

from __future__ import annotations

import base64
import random
import struct
from collections.abc import Callable
from typing import Any

import pytest
from solders.account import Account
from solders.instruction import CompiledInstruction
from solders.litesvm import LiteSVM
from solders.message import MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from oee_daemon.networks.localnet import localnet_dialects, localnet_genesis
from oee_daemon.networks.localnet.pool_program import program
from oee_daemon.networks.solana.venues import cpmm_pool
from tests.networks.localnet import reckoned
from tests.networks.localnet.conftest import SOL, USDC, Localnet

CPMM = Pubkey.from_string("CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C")
JUPITER = Pubkey.from_string("JUP6LkbZbjS1jKKwapdHNy74zcZ3tLUZoi5QNyVTaV4")
MINTS = {token.symbol: str(token.mint) for token in localnet_genesis.TOKENS}
#: Pairs with decimals of 5, 6 and 9, and with a fee on transfers on either side.
PAIRS = (("SOL", "USDC"), ("BONK", "JTO"), ("USDC", "FEE"), ("SOL", "FEE"), ("RAY", "mSOL"), ("USDC", "PULL"))


def patched(net: Localnet, wire: str, change: Callable[[bytes], bytes]) -> VersionedTransaction:
    """The swap of that transaction with other data, signed anew."""
    message = net.signed(wire).message
    assert isinstance(message, MessageV0)
    keys = message.account_keys
    made = [
        CompiledInstruction(one.program_id_index, change(one.data), one.accounts)
        if keys[one.program_id_index] in (CPMM, JUPITER)
        else one
        for one in message.instructions
    ]
    message = MessageV0(message.header, keys, message.recent_blockhash, made, message.address_table_lookups)
    return VersionedTransaction.populate(message, [net.wallet.sign_message(to_bytes_versioned(message))])


def result(net: Localnet, tx: VersionedTransaction) -> Any:
    signature = net.send(tx)
    net.blocks(3)
    return net.rpc(
        "getTransaction", signature, {"commitment": "confirmed", "maxSupportedTransactionVersion": 0}
    )


def trade(
    net: Localnet, api: str, mints: tuple[str, str], amount: int, *, exact_out: bool
) -> tuple[str, Any]:
    """A swap's transaction at the quoted price without slippage, and the quote's pool and amounts."""
    if api == "raydium":
        quote = net.raydium(*mints, amount, 0, exact_out=exact_out)["data"]
        whole = {"id": "x", "success": True, "version": "V1", "data": quote}
        own = Pubkey.find_program_address
        accounts = {
            name: str(
                own(
                    [bytes(net.wallet.pubkey()), bytes(token.program), bytes(token.mint)],
                    Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL"),
                )[0]
            )
            for name, mint in zip(("inputAccount", "outputAccount"), mints, strict=True)
            for token in localnet_genesis.TOKENS
            if str(token.mint) == mint != SOL
        }
        wire = net.raydium_tx(whole, **accounts)
        return wire, (quote["routePlan"][0]["poolId"], int(quote["inputAmount"]), int(quote["outputAmount"]))
    quote = net.get(
        "/jupiter/swap/v1/quote", inputMint=mints[0], outputMint=mints[1], amount=amount, slippageBps=0,
        swapMode="ExactOut" if exact_out else "ExactIn",
    )  # fmt: skip
    swap = net.post(
        "/jupiter/swap/v1/swap", {"userPublicKey": str(net.wallet.pubkey()), "quoteResponse": quote}
    )
    hop = quote["routePlan"][0]["swapInfo"]
    return swap["swapTransaction"], (hop["ammKey"], int(quote["inAmount"]), int(quote["outAmount"]))


def stricter(api: str, *, exact_out: bool) -> Callable[[bytes], bytes]:
    """One unit less to be paid, or one more to be got, in the instruction's own form."""

    def raydium(data: bytes) -> bytes:
        first, second = struct.unpack_from("<QQ", data, 8)
        return data[:8] + struct.pack("<QQ", first - exact_out, second + (not exact_out))

    def jupiter(data: bytes) -> bytes:
        quoted = struct.unpack_from("<Q", data, len(data) - 11)[0] + (-1 if exact_out else 1)
        return data[:-11] + struct.pack("<Q", quoted) + data[-3:]

    return raydium if api == "raydium" else jupiter


@pytest.mark.parametrize("fee_on", [None, 0, 1, 2])
@pytest.mark.parametrize("given", [SOL, USDC])
def test_the_engine_reckons_a_makers_fee_to_the_unit(net: Localnet, given: str, fee_on: int | None) -> None:
    taken = USDC if given == SOL else SOL
    at = cpmm_pool.addresses(str(CPMM), 0, given, taken)
    pays(net, str(at.pool), fee_on)
    accounts = [net.chain.account(Pubkey.from_string(key)) for key in at.to_read()]
    read = [None if one is None else (str(one.owner), bytes(one.data)) for one in accounts]
    pool = cpmm_pool.read_pool(at, given, read, 2**40)
    exact = reckoned.Pool(net, str(at.pool), given)
    random.seed(f"{given} {fee_on}")
    for _ in range(200):
        amount = int(10 ** random.uniform(3, 11))
        assert (pool.out_of(amount), pool.in_for(amount)) == (exact.out(amount), exact.cost(amount))
        assert pool.fee_of(amount) == exact.fee_in(amount)
    # What comes back is that of the swap the other way, from the reserves that the first one leaves.
    amount = 10**9
    net_in = amount - exact.fee_in(amount)
    back = reckoned.Pool(net, str(at.pool), taken)
    back.x, back.y = exact.y - exact._given(net_in), exact.x + net_in
    assert pool.sold_back(amount) == back.out(exact.out(amount))


def pays(net: Localnet, address: str, fee_on: int | None) -> None:
    """From now on that pool takes its maker's fee of that, as `CreatorFeeOn` counts."""
    key = Pubkey.from_string(address)
    account = net.chain.account(key)
    assert account is not None
    data = bytearray(account.data)
    data[389], data[390] = fee_on or 0, fee_on is not None
    net.chain._put(key, Account(account.lamports, bytes(data), account.owner, False, 0))


@pytest.mark.parametrize("api", ["raydium", "jupiter"])
@pytest.mark.parametrize("exact_out", [False, True])
def test_random_swaps_are_the_formula_to_the_unit(net: Localnet, api: str, exact_out: bool) -> None:
    me = str(net.wallet.pubkey())
    net.rpc("requestAirdrop", me, 10**15)
    for pair in PAIRS:
        for symbol in pair:
            if symbol != "SOL":
                net.rpc("localnetMint", me, MINTS[symbol], 10**15)
    random.seed(f"{api} {exact_out}")
    for _ in range(75):
        pair = random.choice(PAIRS)
        mints = tuple(MINTS[symbol] for symbol in random.sample(pair, 2))
        amount = int(10 ** random.uniform(5, 11))
        wire, (address, amount_in, amount_out) = trade(
            net, api, (mints[0], mints[1]), amount, exact_out=exact_out
        )
        if api == "raydium":
            # Of what the pool's maker gets a fee: of nothing, of the input, of either token.
            pays(net, address, random.choice((None, 0, 1, 2)))
            wire, (address, amount_in, amount_out) = trade(
                net, api, (mints[0], mints[1]), amount, exact_out=exact_out
            )
        pool = reckoned.Pool(net, address, mints[0])
        expected = (pool.cost(amount), amount) if exact_out else (amount, pool.out(amount))
        assert (amount_in, amount_out) == expected
        failed = result(net, patched(net, wire, stricter(api, exact_out=exact_out)))
        _, error = failed["meta"]["err"]["InstructionError"]
        assert error == {"Custom": 6005 if api == "raydium" else 6001}
        name = "ExceededSlippage" if api == "raydium" else "SlippageToleranceExceeded"
        assert any(f"Error Code: {name}." in line for line in failed["meta"]["logMessages"])
        assert reckoned.Pool(net, address, mints[0]).__dict__ == pool.__dict__
        landed = result(net, net.signed(wire))
        assert landed["meta"]["err"] is None, landed["meta"]["logMessages"]
        found = reckoned.moved(landed["meta"], landed["transaction"]["message"]["accountKeys"], me)
        for mint, by in zip(mints, (-amount_in, amount_out), strict=True):
            if mint != SOL:
                assert found[mint] == by
        after = reckoned.Pool(net, address, mints[0])
        arrived = amount_in - reckoned.kept_of(pool.mint_in, amount_in)
        assert after.owed - pool.owed == pool.fee(arrived)
        assert after.owed_out - pool.owed_out == pool.fee_out(arrived, amount if exact_out else None)


@pytest.mark.parametrize("dialect", [localnet_dialects.CPMM, localnet_dialects.JUPITER])
@pytest.mark.parametrize("mainnet", [False, True])
def test_the_machine_loads_it(dialect: localnet_dialects.Dialect, mainnet: bool) -> None:
    """Mainnet is to refuse this version of sBPF for new programs one day: then LiteSVM will, and this says
    so."""
    machine = LiteSVM().with_mainnet_features() if mainnet else LiteSVM()
    machine.add_program(CPMM, program(dialect))
    found = machine.get_account(CPMM)
    assert found is not None and found.executable


def test_its_addresses_and_tags_are_raydiums(net: Localnet) -> None:
    """As they are on mainnet: the authority, the first config, and the instructions of the IDL."""
    authority = Pubkey.find_program_address([b"vault_and_lp_mint_auth_seed"], CPMM)[0]
    assert str(authority) == "GpMZbSM2GgvTKHJirzeGfMFoaZ8UR2X7F4v8vHTvxFbL"
    config = Pubkey.find_program_address([b"amm_config", b"\0\0"], CPMM)[0]
    assert str(config) == "D4FPEruKEHrG5TenZ2mpDGEfu1iUvTiqBxvpU8HLBvC2"
    mints = sorted((Pubkey.from_string(SOL), Pubkey.from_string(USDC)), key=bytes)
    pool = Pubkey.find_program_address([b"pool", bytes(config), *map(bytes, mints)], CPMM)[0]
    assert net.raydium(SOL, USDC, 10**9)["data"]["routePlan"][0]["poolId"] == str(pool)
    state, told = reckoned.data(net, pool, config)
    assert (len(state), state[:8].hex(), len(told), told[:8].hex()) == (
        637,
        "f7ede3f5d7c3de46",
        236,
        "daf42168cbcb2b6f",
    )
    assert localnet_dialects.CPMM.exact_in.tag == bytes([143, 190, 90, 218, 196, 30, 51, 222])
    assert localnet_dialects.CPMM.exact_out.tag == bytes([55, 217, 98, 86, 163, 74, 180, 173])


@pytest.mark.parametrize(
    ("place", "error"),
    [(1, "NoSignature"), (2, 6003), (3, 3007), (6, 6008), (7, 6008)],
    ids=["authority", "config", "pool", "vault in", "vault out"],
)
def test_a_wrong_account_is_refused(net: Localnet, place: int, error: int | str) -> None:
    """Each of them exchanged for the user's own account of the token that goes in."""
    net.fund()
    message = net.signed(net.raydium_tx(net.raydium(SOL, USDC, 10**9))).message
    assert isinstance(message, MessageV0)

    def other(one: CompiledInstruction) -> CompiledInstruction:
        if message.account_keys[one.program_id_index] != CPMM:
            return one
        accounts = bytearray(one.accounts)
        accounts[place] = accounts[4]
        return CompiledInstruction(one.program_id_index, one.data, bytes(accounts))

    made = MessageV0(
        message.header, message.account_keys, message.recent_blockhash,
        [other(one) for one in message.instructions], message.address_table_lookups,
    )  # fmt: skip
    tx = VersionedTransaction.populate(made, [net.wallet.sign_message(to_bytes_versioned(made))])
    wire = base64.b64encode(bytes(tx)).decode()
    told = net.rpc("simulateTransaction", wire, {"encoding": "base64"})["value"]
    _, what = told["err"]["InstructionError"]
    if isinstance(error, int):
        assert what == {"Custom": error}
    else:
        assert what in ("MissingRequiredSignature", "PrivilegeEscalation"), what


def test_prices_of_all_pairs_are_two_to_five_percent_apart(net: Localnet) -> None:
    """Between Raydium and Meteora, for a small amount, net of fees; Orca lies between them."""
    listed = [str(token.mint) for token in localnet_genesis.TOKENS if not token.extension]
    assert len(listed) == 13
    for n, one in enumerate(listed):
        for two in listed[n + 1 :]:
            # About one dollar.
            amount = round(
                float(
                    10 ** localnet_genesis.TOKENS[n].decimals
                    / localnet_genesis.USD[localnet_genesis.TOKENS[n].symbol]
                )
            )
            raydium = int(net.raydium(one, two, amount)["data"]["outputAmount"])
            meteora, orca = (
                int(
                    net.get(
                        "/jupiter/swap/v1/quote", inputMint=one, outputMint=two, amount=amount, dexes=dex
                    )["outAmount"]
                )
                for dex in ("Meteora DLMM", "Whirlpool")
            )
            low, high = sorted((raydium, meteora))
            assert 1.02 <= high / low <= 1.05, (one, two)
            assert low < orca * 1.001 and orca < high

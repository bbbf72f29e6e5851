"""What becomes of a transaction that is sent: preflight, errors with their logs, duplicates, the price that
moves."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from solders.compute_budget import set_compute_unit_limit
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from tests.networks.localnet.conftest import SOL, USDC, Localnet

MEMO = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")


def made(
    net: Localnet, *instructions: Instruction, wallet: Keypair | None = None, recent: Hash | None = None
) -> VersionedTransaction:
    latest = net.rpc("getLatestBlockhash", {"commitment": "processed"})["value"]["blockhash"]
    key = wallet or net.wallet
    message = MessageV0.try_compile(key.pubkey(), list(instructions), [], recent or Hash.from_string(latest))
    return VersionedTransaction(message, [key])


def paid(frm: Keypair, lamports: int) -> Instruction:
    to = Pubkey.from_bytes(bytes(31) + b"\7")
    return transfer(TransferParams(from_pubkey=frm.pubkey(), to_pubkey=to, lamports=lamports))


def preflight(net: Localnet, tx: VersionedTransaction, **more: Any) -> Any:
    options = {"encoding": "base64", "preflightCommitment": "processed", **more}
    return net.told("sendTransaction", net.signed_wire(tx), options)


def test_a_swap_in_one_transaction_from_a_venue_to_the_wallet(net: Localnet) -> None:
    """The whole of it: quote, transaction, landing, and what the wallet has afterwards, rent and fee
    reckoned."""
    net.fund(lamports=10 * 10**9, usdc=0)
    quote = net.raydium(SOL, USDC, 10**9)
    signature = net.send(net.signed(net.raydium_tx(quote)))
    rent = net.rpc("getMinimumBalanceForRentExemption", 165)
    assert net.held(USDC) == int(quote["data"]["outputAmount"])
    left = net.rpc("getBalance", str(net.wallet.pubkey()))["value"]
    assert left == 9 * 10**9 - 5_000 - 200_000 * 1_000 // 10**6 - rent
    assert net.status(signature)["err"] is None


@pytest.mark.parametrize(
    ("make_tx", "err", "words"),
    [
        (lambda net: made(net, paid(net.wallet, 10**12)), {"InstructionError": [0, {"Custom": 1}]},
         "Error processing Instruction 0: custom program error: 0x1"),
        (lambda net: made(net, paid(other := Keypair(), 5), wallet=other), "AccountNotFound",
         "Attempt to debit an account but found no record of a prior credit."),
        (lambda net: made(net, paid(net.wallet, 5), recent=Hash.new_unique()),
         "BlockhashNotFound", "Blockhash not found"),
        (lambda net: made(net, set_compute_unit_limit(10), paid(net.wallet, 5 * 10**6)),
         {"InstructionError": [0, "ComputationalBudgetExceeded"]},
         "Error processing Instruction 0: ComputationalBudgetExceeded"),
    ],
    ids=["lamports", "payer", "blockhash", "units"],
)  # fmt: skip
def test_preflight_says_what_would_fail(
    net: Localnet, make_tx: Callable[[Localnet], VersionedTransaction], err: Any, words: str
) -> None:
    net.fund(usdc=0)
    tx = make_tx(net)
    error = preflight(net, tx)["error"]
    assert error["code"] == -32002 and error["message"] == f"Transaction simulation failed: {words}"
    assert error["data"]["err"] == err
    assert net.status(str(tx.signatures[0])) is None


def test_a_program_error_comes_with_the_programs_log(net: Localnet) -> None:
    net.fund()
    quote = net.raydium(SOL, USDC, 10**9, 0)
    first, second = (net.signed(net.raydium_tx(quote)) for _ in range(2))
    assert "result" in preflight(net, first)
    data = preflight(net, second)["error"]["data"]
    place, error = data["err"]["InstructionError"]
    assert error == {"Custom": 6005} and place == 5
    assert any("Error Code: ExceededSlippage. Error Number: 6005." in line for line in data["logs"])
    cpmm = "CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C"
    assert data["logs"][-1] == f"Program {cpmm} failed: custom program error: 0x1775"
    assert data["unitsConsumed"] > 5_000


def test_preflight_looks_for_the_blockhash_at_its_commitment(make: Callable[..., Localnet]) -> None:
    """The default is `finalized`: a hash that is newer than that is not found."""
    net = make(confirm=2, final=32)
    net.fund(usdc=0)
    net.blocks(50)
    tx = made(net, paid(net.wallet, 10**7))
    told = net.told("sendTransaction", net.signed_wire(tx), {"encoding": "base64"})
    assert told["error"]["data"]["err"] == "BlockhashNotFound"
    assert "result" in preflight(net, tx)


def test_a_bad_signature_is_refused_by_preflight_and_lands_nowhere(net: Localnet) -> None:
    net.fund(usdc=0)
    tx = VersionedTransaction.populate(made(net, paid(net.wallet, 10**7)).message, [Signature(b"\5" * 64)])
    assert preflight(net, tx)["error"]["code"] == -32003
    assert net.status(net.send(tx)) is None


def test_without_preflight_anything_gets_a_signature(net: Localnet) -> None:
    """An old blockhash, no money: the answer is the signature, and nothing has landed."""
    tx = made(net, paid(net.wallet, 10**7))
    assert net.status(net.send(tx)) is None
    assert preflight(net, tx)["error"]["data"]["err"] == "AccountNotFound"


@pytest.mark.parametrize(
    "wire",
    ["!", base64.b64encode(b"\1" * 40).decode(), base64.b64encode(bytes(1300)).decode(), ""],
    ids=["no base64", "garbage", "too long", "empty"],
)
def test_bytes_that_are_no_transaction_are_refused(net: Localnet, wire: str) -> None:
    told = net.told("sendTransaction", wire, {"encoding": "base64", "skipPreflight": True})
    assert told["error"]["code"] == -32602


def test_a_failure_on_the_chain_costs_its_fee_and_stays(net: Localnet) -> None:
    net.fund(lamports=10**9, usdc=0)
    signature = net.send(tx := made(net, paid(net.wallet, 10**12)))
    net.blocks(2)
    assert net.rpc("getBalance", str(net.wallet.pubkey()))["value"] == 10**9 - 5_000
    assert net.status(signature)["err"] == {"InstructionError": [0, {"Custom": 1}]}
    net.fund(lamports=10**13, usdc=0)
    net.send(tx)
    assert net.rpc("getBalance", str(net.wallet.pubkey()))["value"] == 10**13 + 10**9 - 5_000


def test_the_same_bytes_land_once(net: Localnet) -> None:
    net.fund()
    tx = net.signed(net.raydium_tx(net.raydium(SOL, USDC, 10**9)))
    net.send(tx)
    held = net.held(USDC)
    for _ in range(60):
        net.send(tx)
        net.blocks(1)
    assert net.held(USDC) == held
    assert preflight(net, tx)["error"]["data"]["err"] == "AlreadyProcessed"
    told = net.rpc("simulateTransaction", net.signed_wire(tx), {"encoding": "base64"})["value"]
    assert told["err"] == "AlreadyProcessed" and told["logs"] == []


def test_a_memo_is_kept_and_listed_with_the_wallets_history(net: Localnet) -> None:
    net.fund(usdc=0)
    first = net.send(made(net, paid(net.wallet, 10**7), Instruction(MEMO, b"oee:one", [])))
    net.blocks(2)
    second = net.send(made(net, paid(net.wallet, 10**7), Instruction(MEMO, b"oee:two", [])))
    me = str(net.wallet.pubkey())
    assert [row["signature"] for row in net.rpc("getSignaturesForAddress", me)] == [first]
    net.blocks(2)
    rows = net.rpc("getSignaturesForAddress", me)
    assert [(row["signature"], row["memo"]) for row in rows] == [
        (second, "[7] oee:two"),
        (first, "[7] oee:one"),
    ]
    for options, expected in (
        ({"limit": 1}, [second]), ({"before": second}, [first]), ({"until": first}, [second]),
        ({"before": "1" * 64}, []),
    ):  # fmt: skip
        assert [row["signature"] for row in net.rpc("getSignaturesForAddress", me, options)] == expected
    assert {row["memo"] for row in net.ledger.rows("landings") if row["payer"] == me} == {
        "oee:one",
        "oee:two",
    }


def test_a_simulation_tells_balances_of_its_own_moment(net: Localnet) -> None:
    """Error, accounts and balances before and after come from one state, and nothing lands."""
    net.fund()
    tx = net.signed(net.raydium_tx(quote := net.raydium(SOL, USDC, 10**9)))
    message = tx.message
    me = str(net.wallet.pubkey())
    asked = {
        "encoding": "base64",
        "accounts": {"encoding": "base64", "addresses": [me, str(Pubkey.new_unique())]},
    }
    told = net.rpc("simulateTransaction", net.signed_wire(tx), asked)["value"]
    assert told["err"] is None and told["fee"] == 5_200
    assert told["postBalances"][0] - told["preBalances"][0] == -(10**9) - 5_200
    assert told["accounts"][0]["lamports"] == told["postBalances"][0] and told["accounts"][1] is None
    keys = [str(key) for key in message.account_keys]
    before, after = (
        {row["accountIndex"]: int(row["uiTokenAmount"]["amount"]) for row in told[name] if row["owner"] == me}
        for name in ("preTokenBalances", "postTokenBalances")
    )
    assert sum(after.values()) - sum(before.values()) == int(quote["data"]["outputAmount"])
    assert len(told["preBalances"]) == len(keys) + sum(map(len, told["loadedAddresses"].values()))
    assert net.held(USDC) == sum(before.values())


def test_a_simulation_may_replace_the_blockhash_but_not_verify_too(net: Localnet) -> None:
    net.fund(usdc=0)
    tx = made(net, paid(net.wallet, 10**7), recent=Hash.new_unique())
    asked = {"encoding": "base64", "replaceRecentBlockhash": True}
    told = net.rpc("simulateTransaction", net.signed_wire(tx), asked)["value"]
    assert told["err"] is None and told["replacementBlockhash"] == net.rpc("getLatestBlockhash")["value"]
    both = net.told("simulateTransaction", net.signed_wire(tx), {**asked, "sigVerify": True})
    assert both["error"]["code"] == -32602


def test_the_price_moves_at_landing_in_a_share_that_the_seed_decides(make: Callable[..., Localnet]) -> None:
    """Of swaps that the simulation found good, about so many fail on the chain, and leave the pool as it
    was."""
    net = make(slippage=20)
    net.fund(lamports=10**12)
    failed = 0
    for n in range(100):
        before = net.raydium(SOL, USDC, 10**9)["data"]["outputAmount"]
        tx = net.signed(net.raydium_tx(net.raydium(SOL, USDC, 10**6 + n)))
        told = net.rpc("simulateTransaction", net.signed_wire(tx), {"encoding": "base64"})["value"]
        assert told["err"] is None
        status = net.status(net.send(tx))
        if status["err"] is not None:
            failed += 1
            assert status["err"]["InstructionError"][1] == {"Custom": 6005}
            assert net.raydium(SOL, USDC, 10**9)["data"]["outputAmount"] == before
    assert 8 <= failed <= 35


def test_money_is_given_by_landings_that_everybody_sees(net: Localnet) -> None:
    me = str(net.wallet.pubkey())
    first = net.rpc("requestAirdrop", me, 10**9)
    assert net.rpc("requestAirdrop", me, 10**9) != first
    net.rpc("localnetMint", me, USDC, 7)
    assert net.rpc("getBalance", me)["value"] == 2 * 10**9 and net.held(USDC) == 7
    net.blocks(2)
    assert net.status(first)["confirmationStatus"] == "finalized"
    assert net.told("localnetMint", me, str(Pubkey.new_unique()), 7)["error"]["code"] == -32602


@pytest.mark.parametrize("slippage", [0, 100], ids=["as quoted", "at another price"])
def test_a_landing_that_can_not_be_written_down_has_not_happened(
    make: Callable[..., Localnet], monkeypatch: pytest.MonkeyPatch, slippage: int
) -> None:
    """A full disk: nothing of it is seen, and the same bytes land once there is room."""
    net = make(slippage=slippage)
    net.fund()
    tx = net.signed(net.raydium_tx(net.raydium(SOL, USDC, 10**9, 500)))
    quote, held = net.raydium(SOL, USDC, 10**9)["data"], net.held(USDC)

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(net.ledger, "append", full)
        with pytest.raises(sqlite3.OperationalError):
            net.send(tx)
    assert net.raydium(SOL, USDC, 10**9)["data"] == quote and net.held(USDC) == held
    signature = net.send(tx)
    assert net.status(signature)["err"] is None and net.held(USDC) > held
    after = net.raydium(SOL, USDC, 10**9)["data"]["outputAmount"]
    net.reopen()
    assert net.raydium(SOL, USDC, 10**9)["data"]["outputAmount"] == after

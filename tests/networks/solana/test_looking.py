"""What an endpoint says of a swap, read: what is missing or of another chain is no answer."""

from __future__ import annotations

import base64
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.transaction import VersionedTransaction

from oee_daemon.networks.solana.rpc.rpc_answers import NoAnswer, RpcError
from oee_daemon.networks.solana.solana_endpoint_look import answer_of, calls_for
from oee_daemon.networks.solana.solana_fill import Unreadable
from oee_daemon.networks.solana.solana_landed_transaction import shown_of
from oee_daemon.networks.solana.solana_look_evidence import Answer, Status, anchored_at
from oee_daemon.networks.solana.solana_slot_clock import SLACK_SLOTS, SlotClock
from oee_daemon.orders.swap import Landed, Rejected
from oee_daemon.orders.tokens import TOKENS
from tests.networks.solana import crafted

EPOCH = {"absoluteSlot": 460, "blockHeight": 438, "epoch": 1, "slotIndex": 3, "slotsInEpoch": 432}
STATUS = {
    "slot": 455,
    "confirmations": None,
    "err": None,
    "status": {"Ok": None},
    "confirmationStatus": "finalized",
}


def said(status: Any = None, **change: Any) -> list[Any]:
    found = {
        "genesis": "G",
        "epoch": EPOCH,
        "statuses": {"context": {"slot": 470}, "value": [status]},
    }
    return list((found | change).values())


def test_three_calls_of_one_request_make_an_answer() -> None:
    assert [method for method, _ in calls_for("s")] == [
        "getGenesisHash", "getEpochInfo", "getSignatureStatuses",
    ]  # fmt: skip
    null = Answer(node="n", slot=460, height=438, context=470, status=None)
    assert answer_of("n", said(), "G") == null
    final = answer_of("n", said(STATUS), "G").status
    assert final == Status(slot=455, failed=False, final=True)
    seen = answer_of("n", said(STATUS | {"confirmationStatus": "confirmed", "err": "x"}), "G").status
    assert seen == Status(slot=455, failed=True, final=False)


NULL: dict[str, Any] = {"context": {"slot": 1}, "value": [None]}
REFUSED = RpcError(-32601, "")
BROKEN: list[list[Any]] = [
    said(genesis="another"),
    said(genesis=REFUSED),
    *(
        said(epoch=epoch)
        for epoch in (None, REFUSED, EPOCH | {"blockHeight": None}, EPOCH | {"blockHeight": True})
    ),
    said(epoch=EPOCH | {"absoluteSlot": "460"}),
    *(said(epoch=EPOCH | {name: 2**63}) for name in ("absoluteSlot", "blockHeight")),
    *(said(statuses=statuses) for statuses in (None, RpcError(-32011, "no history"), NULL | {"value": []})),
    said(statuses=NULL | {"value": [None] * 2}),
    said(statuses=NULL | {"context": {}}),
    said(statuses=NULL | {"context": None}),
    said(statuses=NULL | {"context": {"slot": None}}),
    said(7),
    said({k: v for k, v in STATUS.items() if k != "err"}),
    *(said(STATUS | {"confirmationStatus": level}) for level in (None, "rooted")),
    said(STATUS | {"slot": "455"}),
]


@pytest.mark.parametrize("results", BROKEN)
def test_what_is_missing_or_odd_is_no_answer(results: list[Any]) -> None:
    with pytest.raises(NoAnswer):
        answer_of("n", results, "G")


def test_an_anchor_is_of_one_chain_and_time() -> None:
    assert anchored_at(460, 438, 588) is not None
    for slot, height, last in [
        (437, 438, 588),
        (460, 438, 438),
        (460, 438, 400),
        (460, 438, 739),
        (460, 460, 590 - 300),
    ]:
        assert anchored_at(slot, height, last) is None


def test_no_node_is_ahead_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    # A machine that slept: the monotonic clock stood still meanwhile.
    monkeypatch.setattr(time, "clock_gettime", lambda _: now)
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    clock = SlotClock(100)
    assert clock.latest(5000) is None
    clock.begin(5000)
    now += 10
    assert clock.latest(5000) == 5000 + SLACK_SLOTS + 100
    clock.begin(5000, 9000)
    assert clock.latest(5000) == 5000 + SLACK_SLOTS + 100
    # After a restart the first look begins its time; a node that is behind the anchor does not.
    clock.begin(6000, 5999)
    assert clock.latest(6000) is None
    clock.begin(6000, 6300)
    assert clock.latest(6000) == 6300 + SLACK_SLOTS


# A transaction, as it is told.

KEY = Keypair.from_seed(bytes(32))


def landed(**change: Any) -> tuple[dict[str, Any], str]:
    message = MessageV0.try_compile(KEY.pubkey(), [crafted.memo()], [], Hash.default())
    transaction = VersionedTransaction(message, [KEY])
    keys = [str(key) for key in message.account_keys]
    usdc, wallet = TOKENS["USDC"].mint, str(KEY.pubkey())
    held = {"accountIndex": 1, "mint": usdc, "owner": wallet}
    meta: dict[str, Any] = {
        "err": None, "fee": 5000, "logMessages": [], "loadedAddresses": {"writable": [], "readonly": []},
        "preBalances": [10_000, 1], "postBalances": [4_000, 1],
        "preTokenBalances": [], "postTokenBalances": [held | {"uiTokenAmount": {"amount": "7"}}],
    }  # fmt: skip
    assert len(keys) == 2
    wire = base64.b64encode(bytes(transaction)).decode()
    told = {"slot": 9, "blockTime": 1_800_000_000, "transaction": [wire, "base64"], "meta": meta | change}
    return told, str(transaction.signatures[0])


def test_a_transaction_says_whose_it_is_and_what_it_moved() -> None:
    told, signature = landed()
    shown = shown_of(told, signature, str(KEY.pubkey()))
    assert isinstance(shown.result, Landed)
    fill = shown.result.fill
    assert (fill.amount_in, fill.amount_out, fill.order_id, fill.slot) == (1_000, 7, crafted.ORDER, 9)
    failed, signature = landed(err="InsufficientFundsForFee")
    assert isinstance(shown_of(failed, signature, str(KEY.pubkey())).result, Rejected)


@pytest.mark.parametrize(
    "change",
    [{"slot": None}, {"meta": None}, {"meta": {}}, {"transaction": ["AAAA", "base64"]}, {"transaction": None},
     {"transaction": ["", "base58"]}, {"transaction": ["é", "base64"]}],
)  # fmt: skip
def test_what_can_not_be_read_is_no_fill(change: dict[str, Any]) -> None:
    told, signature = landed()
    with pytest.raises(Unreadable):
        shown_of(told | change, signature, str(KEY.pubkey()))


def test_another_transaction_is_no_answer_to_this_signature() -> None:
    told, _ = landed()
    with pytest.raises(Unreadable):
        shown_of(told, "1" * 64, str(KEY.pubkey()))


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 900))
def test_an_anchor_never_has_its_last_block_behind_it(slot: int, height: int, last: int) -> None:
    found = anchored_at(slot, height, last)
    assert found is None or found.height < last

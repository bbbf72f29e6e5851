"""What nodes may be taken by their word for, whatever forks, late landings, lags and kills there are.

What a node calls final stays as it is for ever. And what no node of full history knows once a block is final
that is two after the last one in which it could land, never lands.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from solders.transaction import VersionedTransaction

from tests.networks.localnet.conftest import Localnet
from tests.networks.localnet.test_time import latest, transfer_of

NODES = ("main", "late", "far")


class Story:
    """Transactions that were sent, and what was proven of them."""

    def __init__(self, net: Localnet, seed: int) -> None:
        self.net, self.random = net, random.Random(seed)
        self.sent: dict[str, tuple[VersionedTransaction, int]] = {}
        self.final: dict[str, Any] = {}
        self.never: set[str] = set()

    def send(self) -> None:
        commitment = self.random.choice(["processed", "confirmed", "finalized"])
        blockhash, last = latest(self.net, commitment)
        tx = transfer_of(self.net, blockhash, 10**6 + len(self.sent))
        self.sent[self.net.send(tx, node=self.random.choice(NODES))] = (tx, last)

    def send_again(self) -> None:
        if self.sent:
            self.net.send(self.sent[self.random.choice(list(self.sent))][0])

    def wait(self) -> None:
        self.net.blocks(self.random.choice([1, 1, 2, 3, 7, 40]))

    def fork(self) -> None:
        self.net.order(
            "faults", target="chain", kind="fork", blocks=self.random.randrange(1, 40), remaining=1
        )

    def fate(self) -> None:
        kind = self.random.choice(["never", "late", "delayed"])
        blocks = self.random.choice([-100, -5, 0, 1, 2])
        self.net.order("faults", target="fate", kind=kind, blocks=blocks, ms=4_000, remaining=1)

    def kill(self) -> None:
        self.net.reopen()

    def look(self) -> None:
        node = self.random.choice(NODES)
        signatures = list(self.sent)
        info = self.net.rpc("getEpochInfo", {"commitment": "finalized"}, node=node)
        found = self.net.rpc(
            "getSignatureStatuses", signatures, {"searchTransactionHistory": True}, node=node
        )
        assert found["context"]["slot"] >= info["absoluteSlot"]
        for signature, status in zip(signatures, found["value"], strict=True):
            if status is not None and status["confirmationStatus"] == "finalized":
                told = status["slot"], status["err"]
                assert self.final.setdefault(signature, told) == told
            elif signature in self.final:
                assert node != "main" and (status is None or status["slot"] == self.final[signature][0])
            if status is None and info["blockHeight"] > self.sent[signature][1] + 1:
                self.never.add(signature)
            assert status is None or signature not in self.never


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "rules", [{"confirm": 1, "final": 1}, {"confirm": 2, "final": 32}], ids=["new", "old"]
)
def test_final_is_final_and_absent_is_absent(make: Callable[..., Localnet], rules: Any, seed: int) -> None:
    net = make(**rules)
    net.order("nodes", name="late", lag=20)
    net.order("nodes", name="far", lag=90)
    net.fund(lamports=10**12, usdc=0)
    net.blocks(40)
    story = Story(net, seed)
    steps = [story.send, story.send_again, story.wait, story.wait, story.look, story.look, story.fate]
    for _ in range(400):
        story.random.choice([*steps, story.fork, story.kill] if story.random.random() < 0.3 else steps)()
    for _ in range(300):
        net.blocks(1)
        story.send_again()
    net.blocks(200)
    story.look()
    assert len(story.final) > 10 and len(story.never) > 5
    assert not story.never & set(story.final)
    landed = {row["signature"] for row in net.ledger.rows("landings")}
    assert set(story.final) <= landed and not story.never & landed

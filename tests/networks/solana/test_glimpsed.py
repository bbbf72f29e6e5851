"""What one endpoint has shown as final is kept where it tells no more: nothing is signed anew."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.transaction import VersionedTransaction

from oee_daemon.networks.solana.rpc.endpoint_pool import open_pool
from oee_daemon.networks.solana.solana_chain import SolanaChain
from oee_daemon.networks.solana.solana_look_evidence import Anchored
from oee_daemon.networks.solana.solana_swap_memo import Memo
from oee_daemon.networks.verdict import Cases
from oee_daemon.orders.swap import Rejected, SignedSwap, Unknown
from tests.networks.solana import crafted
from tests.networks.solana.server import Asked, Said, rpc, serving

KEY = Keypair.from_seed(bytes(32))
SLOT, APART = 460_000_000, 22_000_000
BUSY = {"error": {"code": -32429, "message": "rate limited"}}
FINAL = {"slot": SLOT + 5, "err": None, "confirmationStatus": "finalized"}


def node(
    slot: Callable[[], int], status: Any, *, silent: bool = False, of_old: bool = False
) -> Callable[[Asked], Said]:
    """Behind which nobody tells a transaction; `silent`: about everything but a glimpse; `of_old`: it finds
    the status in its history alone."""

    def statuses(params: list[Any]) -> Any:
        found = status if len(params) > 1 or not of_old else None
        return {"context": {"slot": slot() + 32}, "value": [found]}

    answer = rpc(
        {
            "getGenesisHash": lambda _: "G",
            "getEpochInfo": lambda _: {"absoluteSlot": slot(), "blockHeight": slot() - APART},
            "getSignatureStatuses": statuses,
            "getTransaction": lambda _: BUSY if status else None,
        }
    )
    return lambda asked: Said(b"", 503) if silent and isinstance(asked.json, list) else answer(asked)


def swap_of(last: int) -> SignedSwap:
    order = uuid4()
    memo = Memo(order, 1, Anchored(slot=SLOT, height=SLOT - APART)).text()
    message = MessageV0.try_compile(KEY.pubkey(), [crafted.memo(memo)], [], Hash.default())
    transaction = VersionedTransaction(message, [KEY])
    return SignedSwap(
        order_id=order, attempt=1, signature=str(transaction.signatures[0]), raw=bytes(transaction),
        last_valid_height=last,
    )  # fmt: skip


@pytest.mark.parametrize(
    "how",
    [{}, {"silent": True}, {"of_old": True}],
    ids=["tells no transaction", "tells nothing more", "shows it to no glimpse"],
)
def test_a_landing_that_one_endpoint_showed_is_no_absence(how: dict[str, bool]) -> None:
    at = SLOT

    async def run() -> None:
        nonlocal at
        async with AsyncExitStack() as stack:
            nodes = [node(lambda: at, FINAL, **how), node(lambda: at, None)]
            served = [(await stack.enter_async_context(serving(one)))[0] for one in nodes]
            pool = open_pool(served, 1000.0, 1000)
            chain = SolanaChain(
                pool, wallet=str(KEY.pubkey()), genesis="G", fastest_slot_ms=1e-6, poll_s=0.005
            )
            cases, swap = Cases(chain.nodes), swap_of(SLOT - APART + 150)
            for _ in range(6):
                at += 100
                outcome = cases.judge(swap, await chain.look(swap, 0.1))
                assert isinstance(outcome, Unknown), "it landed, and another is signed"
            await pool.close()

    asyncio.run(run())


def test_one_that_refuses_the_first_question_of_all_is_asked_for_its_status() -> None:
    """After a swap that was final at once, the next one's first question asks what it did as well."""
    before, swap = swap_of(SLOT - APART + 150), swap_of(SLOT - APART + 150)
    at, whole = SLOT + 5, list[bool]()

    def told(later: Callable[[Asked], Said]) -> Callable[[Asked], Said]:
        first = rejecting(before, shy=False)
        return lambda asked: (first if before.signature in str(asked.json) else later)(asked)

    def shy(asked: Asked) -> Said:
        if "getTransaction" in str(asked.json):
            whole.append(isinstance(asked.json, list))
            return Said(b"", 503)
        return node(lambda: at, FINAL)(asked)

    async def run() -> None:
        nonlocal at
        async with AsyncExitStack() as stack:
            nodes = [told(shy), told(node(lambda: at, None))]
            served = [(await stack.enter_async_context(serving(one)))[0] for one in nodes]
            pool = open_pool(served, 1000.0, 1000)
            stack.push_async_callback(pool.close)
            chain = SolanaChain(
                pool, wallet=str(KEY.pubkey()), genesis="G", fastest_slot_ms=1e-6, poll_s=0.005
            )
            cases = Cases(chain.nodes)
            for _ in range(6):
                assert isinstance(cases.judge(before, await chain.look(before, 1.0)), Rejected)
                at += 100
                outcome = cases.judge(swap, await chain.look(swap))
                assert isinstance(outcome, Unknown), "it landed, and another is signed"
            assert whole, "the first question was a glimpse"

    asyncio.run(run())


def rejecting(swap: SignedSwap, *, shy: bool) -> Callable[[Asked], Said]:
    """On which it landed with an error; `shy`: who refuses to tell more than the status."""
    err = {"InstructionError": [5, {"Custom": 6005}]}
    slot = SLOT + 5
    status = {"slot": slot, "err": err, "confirmationStatus": "finalized"}
    told = [base64.b64encode(swap.raw).decode(), "base64"]
    answer = rpc(
        {
            "getGenesisHash": lambda _: "G",
            "getEpochInfo": lambda _: {"absoluteSlot": slot, "blockHeight": slot - APART},
            "getSignatureStatuses": lambda _: {"context": {"slot": slot}, "value": [status]},
            "getTransaction": lambda _: {"slot": slot, "meta": {"err": err}, "transaction": told},
        }
    )

    def refuses(asked: Asked) -> bool:
        return shy and isinstance(asked.json, list) and asked.json[-1]["method"] == "getTransaction"

    return lambda asked: Said(b"", 503) if refuses(asked) else answer(asked)


@pytest.mark.parametrize(
    ("shy", "requests"),
    [(False, [1, 1]), (True, [3, 3])],
    ids=["both tell all", "one tells its status"],
)
def test_what_it_did_costs_no_request_of_its_own_and_no_word_of_who_does_not_tell_it(
    shy: bool, requests: list[int]
) -> None:
    """Requests beside the glimpses, of each."""
    swap = swap_of(SLOT - APART + 150)

    async def run() -> None:
        async with AsyncExitStack() as stack:
            served = [
                await stack.enter_async_context(serving(rejecting(swap, shy=one))) for one in (False, shy)
            ]
            pool = open_pool([address for address, _ in served], 1000.0, 1000)
            stack.push_async_callback(pool.close)
            chain = SolanaChain(pool, wallet=str(KEY.pubkey()), genesis="G", poll_s=0.005)
            looks = await chain.look(swap, 30.0)
            assert isinstance(Cases(chain.nodes).judge(swap, looks), Rejected)
            asked = [sum(isinstance(one.json, list) for one in heard) for _, heard in served]
            assert asked == requests

    asyncio.run(run())

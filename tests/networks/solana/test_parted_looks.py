"""A balancer that takes few calls at once: what one of its nodes remembers proves nothing of another's."""

from __future__ import annotations

import asyncio
import base64
from contextlib import AsyncExitStack
from typing import Any

import pytest

from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool, open_pool
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_answers import Results
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.networks.solana.solana_chain import SolanaChain
from oee_daemon.networks.solana.solana_endpoint_look import EPOCH, FINALIZED, GENESIS
from oee_daemon.networks.solana.solana_look_evidence import Anchored, Answer, look_of
from oee_daemon.networks.solana.solana_old_absence import OldAbsence
from oee_daemon.networks.solana.solana_wallet_history import History
from oee_daemon.orders.swap import SignedSwap
from tests.networks.solana.memo_landings import ORDER, OURS, THIEF, WALLET, landing
from tests.networks.solana.server import Asked, Said, rpc, serving
from tests.networks.solana.test_rpc import DEADLINE_S

#: Where the swap was anchored, and where the chain is: longer ago than a node's cache of statuses reaches.
ANCHORED, SLOT, HEIGHT = Anchored(slot=1_000, height=900), 5_000, 4_800
NODE = {
    "getGenesisHash": lambda _: "g",
    "getEpochInfo": lambda _: {"absoluteSlot": SLOT, "blockHeight": HEIGHT},
    "getTransaction": lambda _: None,
}


def status(said: Any) -> Any:
    return lambda _: {"context": {"slot": SLOT + 1}, "value": [said]}


#: The one has forgotten the swap and says nothing of it, the other one has it and is never asked.
FORGETS = rpc({**NODE, "getSignatureStatuses": status(None), "getFirstAvailableBlock": lambda _: 4_900})
KEEPS = rpc({**NODE, "getFirstAvailableBlock": lambda _: 0})


def balancer(most: int) -> Any:
    """As a worst one would: who forgets is asked for the status, who keeps all for the rest."""

    def answer(asked: Asked) -> Said:
        calls = asked.json if isinstance(asked.json, list) else [asked.json]
        if len(calls) > most:
            return Said({"id": None, "error": {"code": -32600, "message": "too large"}})
        of_status = any(call["method"] == "getSignatureStatuses" for call in calls)
        return (FORGETS if of_status else KEEPS)(asked)

    return answer


@pytest.mark.parametrize("most", [2, 3])
def test_a_block_to_build_on_and_where_the_chain_is_are_of_one_node(most: int) -> None:
    """By where its anchor was, it is told of a swap how far back a node has to remember."""
    parts: list[list[str]] = []

    def answer(asked: Asked) -> Said:
        calls = asked.json if isinstance(asked.json, list) else [asked.json]
        if len(calls) > most:
            return Said({"id": None, "error": {"code": -32600, "message": "too large"}})
        parts.append([call["method"] for call in calls])
        return KEEPS(asked)

    async def run() -> None:
        async with serving(answer) as (address, _):
            one = Endpoint(Site(address), Bucket(1000.0, 1000))
            for _ in range(3):
                await one.ask([GENESIS, ("getLatestBlockhash", [FINALIZED]), EPOCH], DEADLINE_S)
            await one.close()

    asyncio.run(run())
    assert len([part for part in parts if part[-2:] == ["getLatestBlockhash", "getEpochInfo"]]) == 3


def lists(signed: list[str], *, knows_the_place: bool, most: int = 1) -> Any:
    def listed(params: Any) -> Any:
        if (place := params[1].get("before")) is None:
            found = signed
        else:
            # As Solana's nodes do: nothing comes after what one of them does not know.
            found = signed[signed.index(place) + 1 :] if knows_the_place else []
        return [{"signature": one, "slot": 400, "err": None} for one in found[: params[1]["limit"]]]

    methods = {
        **NODE,
        "getGenesisHash": lambda _: "G",
        "getLatestBlockhash": lambda _: {"value": {"lastValidBlockHeight": HEIGHT + 150}},
        "getSignaturesForAddress": listed,
        "getSignatureStatuses": status({"confirmationStatus": "finalized"}),
        "getFirstAvailableBlock": lambda _: 0,
    }
    # Who is asked for both at once and does not know the place says so.
    unknown = {"getSignatureStatuses": status(None)}

    def answer(asked: Asked) -> Said:
        calls = asked.json if isinstance(asked.json, list) else [asked.json]
        if len(calls) > most:
            return Said({"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "too large"}})
        of_list = any(call["method"] == "getSignaturesForAddress" for call in calls)
        return rpc(methods | (unknown if of_list and not knows_the_place else {}))(asked)

    return answer


@pytest.mark.parametrize("many", [50, 53, 1_000, 2_050])
@pytest.mark.parametrize("knows", [True, False])
@pytest.mark.parametrize("most", range(1, 7))
def test_a_list_ends_only_where_one_answer_tells_the_end(most: int, many: int, knows: bool) -> None:
    """One node's empty page after a place that another one knows was the end, and hid forgotten landings."""
    signed = [f"{n:064}".replace("0", "z") for n in range(many, 0, -1)]

    async def run() -> None:
        async with serving(lists(signed, knows_the_place=knows, most=most)) as (address, _):
            pool = open_pool([address], 1000.0, 1000)
            history = History(pool, WALLET)
            told: list[str] = []
            before = None
            try:
                while not told or before is not None:
                    page = await history.landings("G", limit=50, before=before)
                    told, before = [*told, *(one.signature for one in page.landings)], page.before
            except ChainUnavailable:
                # As long as it has told no end.
                assert not knows and told == signed[:50] and before is not None
            else:
                assert told == signed and (knows or many == 50)
            await pool.close()

    asyncio.run(run())


@pytest.mark.parametrize("many", [1_000, 1_001])
def test_a_list_that_does_not_go_on_where_it_is_asked_to_tells_no_end(many: int) -> None:
    """A node that does not look at `before` was asked for its first thousand again and again."""
    signed = [f"{n:064}".replace("0", "z") for n in range(many, 0, -1)]
    node = lists(signed, knows_the_place=True)

    def answer(asked: Asked) -> Said:
        if not isinstance(asked.json, list) and asked.json["method"] == "getSignaturesForAddress":
            _wallet, options = asked.json["params"]
            if options["limit"] < 1_000:
                # As one that does not know the place.
                found: list[Any] = [] if "before" in options else signed[:50]
            else:
                found = signed[:1_000]
            told = [{"signature": one, "slot": 400, "err": None} for one in found]
            return Said({"jsonrpc": "2.0", "id": asked.json["id"], "result": told})
        said: Said = node(asked)
        return said

    async def run() -> int:
        async with serving(answer) as (address, heard):
            pool = open_pool([address], 1000.0, 1000)
            history = History(pool, WALLET)
            page = await history.landings("G", limit=50)
            with pytest.raises(ChainUnavailable):
                async with asyncio.timeout(DEADLINE_S):
                    await history.landings("G", limit=50, before=page.before)
            await pool.close()
            return sum("limit" in str(one.json) and "1000" in str(one.json) for one in heard)

    assert asyncio.run(run()) == 2


@pytest.mark.parametrize(
    ("slots", "counts"), [([400, 300], True), ([400, 0], False), ([400, -1], False), ([True], False)]
)
def test_no_landing_of_no_slot_says_how_far_back_a_list_goes(slots: list[Any], counts: bool) -> None:
    """Where a gateway told 0 for what it does not know, an old swap counted as one that never landed."""
    listed = [{"signature": f"s{n}", "slot": slot, "err": None} for n, slot in enumerate(slots)]

    async def run() -> Answer:
        node = rpc({"getSignaturesForAddress": lambda _: listed}, batches=False)
        async with serving(node) as (address, _):
            one = Endpoint(Site(address), Bucket(1000.0, 1000), "n")
            try:
                return await proven(one)
            finally:
                await one.close()

    assert asyncio.run(run()).knows_all is counts


async def proven(one: Endpoint) -> Answer:
    """What that endpoint proves of an old swap by more than that it does not know its status."""
    wire = base64.b64decode(landing(OURS)[1]["transaction"][0])
    swap = SignedSwap(order_id=ORDER.id, attempt=1, signature="s", raw=wire, last_valid_height=1_050)
    answer = Answer(node=one.name, slot=SLOT, height=HEIGHT, context=SLOT + 1, status=None)
    (told,) = await OldAbsence().proven({one.name: one}, [answer], swap, ANCHORED, DEADLINE_S)
    return told


def behind(slots: int, methods: Any) -> Any:
    """As a balancer whose lists are of a node that lags so far, and all else of one that does not."""
    node = rpc(methods, batches=False)

    def answer(asked: Asked) -> Said:
        call = {} if isinstance(asked.json, list) else asked.json
        least = call["params"][-1].get("minContextSlot", 0) if "SignaturesFor" in str(call) else 0
        if least > SLOT - slots:
            error = {"code": -32016, "message": "Minimum context slot has not been reached"}
            return Said({"jsonrpc": "2.0", "id": call["id"], "error": error})
        return node(asked)

    return answer


@pytest.mark.parametrize(("slots", "answers"), [(0, True), (20, True), (32, True), (33, False)])
def test_a_list_of_a_node_that_lags_a_little_counts(slots: int, answers: bool) -> None:
    """Of who is asked one by one and whose lists are always of such a node, nothing old was ever decided, and
    no walk went on."""
    listed = [{"signature": "s0", "slot": 400, "err": None, "blockTime": 1}]
    node = behind(
        slots,
        {
            **NODE,
            "getGenesisHash": lambda _: "G",
            "getLatestBlockhash": lambda _: {"value": {"lastValidBlockHeight": HEIGHT + 150}},
            "getSignaturesForAddress": lambda _: listed,
            "getTransaction": lambda _: landing(THIEF)[1],
            "getFirstAvailableBlock": lambda _: 0,
        },
    )

    async def run() -> None:
        async with serving(node) as (address, _):
            pool = open_pool([address], 1000.0, 1000)
            (one,) = pool.endpoints
            look = look_of(await proven(one), ANCHORED, [])
            assert look is not None and look.seen is None
            if answers:
                assert look.remembers_from == 0
                assert (await History(pool, WALLET).page("G", limit=5, before=None)).height == HEIGHT - 32
            else:
                assert look.remembers_from == HEIGHT
                with pytest.raises(ChainUnavailable):
                    await History(pool, WALLET).page("G", limit=5, before=None)
            await pool.close()

    asyncio.run(run())


def test_what_came_in_one_request_is_told_by_the_answer() -> None:
    """While another endpoint was waited for, this one took a batch for somebody else: what two of its nodes
    had told one by one counted as one node's, by which a landed swap never landed."""
    wire = base64.b64decode(landing(OURS)[1]["transaction"][0])
    swap = SignedSwap(order_id=ORDER.id, attempt=1, signature="s", raw=wire, last_valid_height=1_050)

    async def run() -> None:
        most, told, taken = [1], asyncio.Event(), asyncio.Event()

        class Noted(Endpoint):
            async def ask(self, *args: Any, **named: Any) -> Results:
                found = await super().ask(*args, **named)
                told.set()
                return found

        async def slow(_: Asked) -> Said:
            await taken.wait()
            return Said(b"", 503)

        async with (
            serving(lambda asked: balancer(most[-1])(asked)) as (address, _),
            serving(slow) as (other, _),
        ):
            one = Noted(Site(address), Bucket(1000.0, 1000), "one", refused_s=0.0)
            pool = Pool([one, Endpoint(Site(other), Bucket(1000.0, 1000), "other")])
            looking = asyncio.create_task(SolanaChain(pool, wallet=WALLET, genesis="g").look(swap))
            await told.wait()
            assert one.batches is False
            most.append(2)
            await one.ask([GENESIS, EPOCH], DEADLINE_S)
            assert one.batches is True
            most.pop()
            taken.set()
            (look,) = await looking
            assert look.seen is None and look.remembers_from == HEIGHT
            await pool.close()

    asyncio.run(run())


def test_lists_that_are_asked_apart_are_asked_at_once() -> None:
    """One after another, the second's time began when the first one's was over."""
    signed = [f"{n:064}".replace("0", "z") for n in (1, 2)]
    asked = set[str]()
    both = asyncio.Event()

    async def answer(said: Asked, signature: str) -> Said:
        if "minContextSlot" in str(said.json):
            asked.add(signature)
            if len(asked) == 2:
                both.set()
            await both.wait()
        told: Said = lists([signature], knows_the_place=True)(said)
        return told

    async def run() -> None:
        async with AsyncExitStack() as stack:
            served = [
                await stack.enter_async_context(serving(lambda said, one=one: answer(said, one)))  # type: ignore[misc]
                for one in signed
            ]
            pool = open_pool([address for address, _ in served], 1000.0, 1000)
            page = await History(pool, WALLET).landings("G", limit=50)
            assert sorted(one.signature for one in page.landings) == signed
            await pool.close()

    asyncio.run(run())

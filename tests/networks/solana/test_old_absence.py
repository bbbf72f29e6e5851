"""An old swap is signed anew by nobody's word but that of a node which knows that it never landed: whatever
puts the answers of several nodes, or of a node and its broken storage, together behind one name."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from oee_daemon.networks.solana import solana_chain, solana_old_absence
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.rpc.rpc_http_line import Reply
from oee_daemon.networks.solana.solana_chain import SolanaChain
from oee_daemon.networks.verdict import Cases
from oee_daemon.orders.swap import Landed, Lapsed, Outcome, Rejected, SignedSwap, Unknown
from tests.networks.localnet.conftest import Localnet
from tests.networks.localnet.test_sending import made, paid
from tests.networks.solana.held import HeldSite, held
from tests.networks.solana.test_cold_proofs import LONG, chain_of, of_before, signed

#: What a method's answer is made to, by its parameters and what an honest node said.
Twist = Callable[[Any, dict[str, Any]], dict[str, Any]]
#: Rounds of looks, and slots between two of them.
ROUNDS, APART = 20, 60


@dataclass
class Gateway:
    """Asks a node of its own for each method, also where several come in one request. `strict`: whether
    `minContextSlot` reaches the node; `batches`: whether it takes several calls at once; `blocks`: how many
    it tells before a look is over."""

    nodes: Mapping[str, str] = field(default_factory=dict)
    twists: Mapping[str, Twist] = field(default_factory=dict)
    strict: bool = True
    batches: bool = True
    blocks: int = 100
    #: Seconds that the list takes, and each question about blocks.
    list_s: float = 0.0
    block_s: float = 0.0
    asked: list[str] = field(default_factory=list)

    def answer(self, net: Localnet, call: dict[str, Any]) -> dict[str, Any]:
        method = call["method"]
        self.asked.append(method)
        if not self.strict:
            call = json.loads(json.dumps(call))
            for part in call["params"]:
                if isinstance(part, dict):
                    part.pop("minContextSlot", None)
        node = self.nodes.get(method, "")
        said = net.answer("POST", f"/node/{node}" if node else "/", json.dumps(call).encode()).body
        found: dict[str, Any] = json.loads(said or b"")
        return self.twists[method](call["params"], found) if method in self.twists else found


class GatewaySite(HeldSite):
    def __init__(self, net: Localnet, gateway: Gateway, name: str) -> None:
        super().__init__(net, "", name)
        self._gateway = gateway

    async def post(self, path: str, body: bytes) -> Reply:
        asked = json.loads(body)
        if isinstance(asked, list) and len(asked) > self._gateway.blocks and asked[0]["method"] == "getBlock":
            await asyncio.Event().wait()
        if b"getSignaturesForAddress" in body:
            await asyncio.sleep(self._gateway.list_s)
        if b"getBlock" in body:
            await asyncio.sleep(self._gateway.block_s)
        if not isinstance(asked, list):
            said: Any = self._gateway.answer(self._net, asked)
            if "http" in said:
                return Reply(said["http"], {}, b"")
        elif self._gateway.batches:
            said = [self._gateway.answer(self._net, call) for call in asked]
        else:
            said = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "no batches"}}
        return Reply(200, {}, json.dumps(said).encode())


def outcome(net: Localnet, swap: SignedSwap, *gateways: Gateway) -> Outcome:
    """What is made of it at those endpoints by a worker that has just started."""

    async def run() -> Outcome:
        sites = [GatewaySite(net, one, f"g{n}.example") for n, one in enumerate(gateways)]
        pool = Pool([Endpoint(site, Bucket(1e6, 10**6)) for site in sites])
        wallet, genesis = str(net.wallet.pubkey()), net.rpc("getGenesisHash")
        chain = SolanaChain(pool, wallet=wallet, genesis=genesis, fastest_slot_ms=1e-6)
        cases, found = Cases(chain.nodes), Unknown("never asked")
        for _ in range(ROUNDS):
            said = cases.judge(swap, await chain.look(swap))
            if not isinstance(said, Unknown):
                return said
            found = said
            net.blocks(APART)
        return found

    return asyncio.run(run())


def sent(net: Localnet, *, lands: bool, before: bool = True) -> SignedSwap:
    """A swap of long ago; `before`: whether the wallet has landed something before."""
    net.order("nodes", name="forgets", history="pruned")
    net.order("nodes", name="none", history="none")
    if before:
        of_before(net)
        net.blocks(LONG // 2)
    else:
        net.fund()

    async def run() -> SignedSwap:
        swap = await signed(net, anchor_told=True)
        if lands:
            await chain_of(net, "").submit(swap, 1.0)
        return swap

    swap = asyncio.run(run())
    net.blocks(LONG)
    return swap


OF_OLD = ["getFirstAvailableBlock", "getSignaturesForAddress", "getBlock"]


@pytest.mark.parametrize("before", [True, False], ids=["paid before", "its first"])
@pytest.mark.parametrize("many", [1, 2])
@pytest.mark.parametrize("batches", [True, False])
@pytest.mark.parametrize("keeps", list(itertools.product([True, False], repeat=3)), ids=str)
def test_no_gateway_over_nodes_that_forget_proves_a_landing_away(
    tmp_path: Path, keeps: tuple[bool, ...], batches: bool, many: int, before: bool
) -> None:
    """By a batch that eRPC had split, the memory of the one node counted for the status of another."""
    nodes = {method: "" if kept else "forgets" for method, kept in zip(OF_OLD, keeps, strict=True)}
    nodes["getSignatureStatuses"] = "forgets"
    with held(tmp_path) as net:
        swap = sent(net, lands=True, before=before)
        told = outcome(net, swap, *(Gateway(nodes, batches=batches) for _ in range(many)))
        assert isinstance(told, Landed | Unknown), told


@pytest.mark.parametrize("before", [True, False], ids=["paid before", "its first"])
@pytest.mark.parametrize("batches", [True, False])
@pytest.mark.parametrize("keeps", list(itertools.product([True, False], repeat=3)), ids=str)
def test_what_never_landed_is_told_by_whoever_keeps_the_list_or_the_blocks(
    tmp_path: Path, keeps: tuple[bool, ...], batches: bool, before: bool
) -> None:
    nodes = {method: "" if kept else "forgets" for method, kept in zip(OF_OLD, keeps, strict=True)}
    nodes["getSignatureStatuses"] = "forgets"
    nodes["getBlocksWithLimit"] = nodes["getBlock"]
    _, lists, blocks = keeps
    with held(tmp_path) as net:
        swap = sent(net, lands=False, before=before)
        told = outcome(net, swap, Gateway(nodes, batches=batches))
        assert isinstance(told, Lapsed if blocks else Unknown), told
        # Who sells no blocks at all has no node of its own that could lack some.
        told = outcome(net, swap, Gateway(nodes, UNSOLD, batches=batches))
        assert isinstance(told, Lapsed if lists and before else Unknown), told


def unsold(_: Any, said: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": said["id"], "error": {"code": -32601, "message": "Method not found"}}


#: A gateway that tells no blocks.
UNSOLD: Mapping[str, Twist] = {"getBlock": unsold, "getBlocksWithLimit": unsold}


def null(_: Any, said: dict[str, Any]) -> dict[str, Any]:
    return said | {"result": said["result"] | {"value": [None]}}


def unreachable(_: Any, said: dict[str, Any]) -> dict[str, Any]:
    error = {"code": -32019, "message": "Failed to query long-term storage; please try again"}
    return {"jsonrpc": "2.0", "id": said["id"], "error": error}


@pytest.mark.parametrize("lists", [True, False])
def test_a_node_whose_long_term_storage_fails_in_silence_proves_nothing(tmp_path: Path, lists: bool) -> None:
    """Agave takes that failure for a status that is unknown, and still tells that it keeps all; of the list
    it says so (rpc/src/rpc.rs)."""
    broken: dict[str, Twist] = {"getSignatureStatuses": null}
    if not lists:
        broken |= {"getSignaturesForAddress": unreachable, "getBlock": unreachable}
    with held(tmp_path) as net:
        swap = sent(net, lands=True)
        told = outcome(net, swap, Gateway(twists=broken))
        assert isinstance(told, Landed if lists else Unknown), told


@pytest.mark.parametrize("batches", [True, False])
@pytest.mark.parametrize("lag", [1_050, 1_400])
def test_a_list_of_a_node_that_lags_and_overlooks_what_it_is_asked_for_waits(
    tmp_path: Path, lag: int, batches: bool
) -> None:
    """It is from before the swap landed: nothing later is on it, and it took no `minContextSlot`."""
    nodes = {"getSignatureStatuses": "forgets", "getSignaturesForAddress": "late", "getBlock": "forgets"}
    with held(tmp_path) as net:
        net.order("nodes", name="late", lag=lag)
        swap = sent(net, lands=True)
        told = outcome(net, swap, Gateway(nodes, strict=False, batches=batches))
        assert isinstance(told, Landed | Unknown), told


@pytest.mark.parametrize("later", [True, False])
def test_a_list_with_something_later_waits_for_nothing(tmp_path: Path, later: bool) -> None:
    """Where nothing is later it does, for as long as its node may lag."""
    with held(tmp_path) as net:
        swap = sent(net, lands=False)
        if later:
            net.send(made(net, paid(net.wallet, 1)))
        begun = net.ms
        told = outcome(net, swap, Gateway({}, UNSOLD, strict=False))
        slots = (net.ms - begun) // net.rules.slot_ms
        assert isinstance(told, Lapsed), told
        assert slots < 500 if later else slots > 500, slots


@pytest.mark.parametrize("lands", [True, False])
@pytest.mark.parametrize("batches", [True, False])
def test_a_list_of_more_than_a_page_is_read_to_before_the_swap(
    tmp_path: Path, batches: bool, lands: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What over a thousand landings were later than stayed undecided for ever."""
    monkeypatch.setattr(solana_old_absence, "LISTED", 5)
    gateway = Gateway({"getSignatureStatuses": "forgets"}, UNSOLD, batches=batches)
    with held(tmp_path) as net:
        swap = sent(net, lands=lands)
        for lamports in range(1, 13):
            net.send(made(net, paid(net.wallet, lamports)))
            net.blocks(1)
        told = outcome(net, swap, gateway)
        assert isinstance(told, Landed if lands else Lapsed), told
        if not lands:
            # What comes after its time is read once.
            assert gateway.asked.count("getSignaturesForAddress") < 4 * 3 + 2


def test_a_page_of_a_node_that_does_not_know_where_to_go_on_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page before the swap's of the one, the page after it of another, and the swap in between."""
    monkeypatch.setattr(solana_old_absence, "LISTED", 4)

    def elsewhere(params: Any, said: dict[str, Any]) -> dict[str, Any]:
        return said | {"result": said["result"][2:]} if "before" in params[1] else said

    with held(tmp_path) as net:
        swap = sent(net, lands=True)
        for lamports in range(1, 5):
            net.send(made(net, paid(net.wallet, lamports)))
            net.blocks(1)
        twists = {**UNSOLD, "getSignaturesForAddress": elsewhere}
        told = outcome(net, swap, Gateway({"getSignatureStatuses": "forgets"}, twists))
        assert isinstance(told, Unknown), told


def test_a_swap_that_a_block_shows_has_landed_whether_it_failed_or_not(tmp_path: Path) -> None:
    nodes = {"getSignatureStatuses": "forgets", "getSignaturesForAddress": "none"}
    with held(tmp_path) as net:
        told = outcome(net, sent(net, lands=True), Gateway(nodes))
        assert isinstance(told, Landed), told

    def failed(_: Any, said: dict[str, Any]) -> dict[str, Any]:
        meta = said["result"]["meta"] | {"err": {"InstructionError": [3, {"Custom": 6005}]}}
        return said | {"result": said["result"] | {"meta": meta}}

    folder = tmp_path / "failed"
    folder.mkdir()
    with held(folder) as net:
        told = outcome(net, sent(net, lands=True), Gateway(nodes, {"getTransaction": failed}))
        assert isinstance(told, Rejected), told


def limited(_: Any, said: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": said["id"], "error": {"code": 429, "message": "Too many requests"}}


#: As dRPC words what is over in a moment: by a code of its own.
TEMPORARY = {"error": {"code": 19, "message": "Temporary internal error. Please retry"}}


def failing(error: dict[str, Any], turns: Iterator[bool]) -> Twist:
    """In those turns it is that, else what stands behind it."""

    def twist(_: Any, said: dict[str, Any]) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": said["id"], **error} if next(turns) else said

    return twist


def before(twist: Twist, behind: Twist) -> Twist:
    return lambda params, said: twist(params, behind(params, said))


def once(error: dict[str, Any]) -> Twist:
    return failing(error, itertools.chain([True], itertools.repeat(False)))


def at_times(error: dict[str, Any]) -> Twist:
    return failing(error, itertools.cycle([False, True]))


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"getBlock": unreachable},
        {"getBlocksWithLimit": limited},
        {"getBlocksWithLimit": once({"http": 408})},
        {"getBlocksWithLimit": once(TEMPORARY)},
        {"getBlocksWithLimit": at_times(TEMPORARY)},
        {"getBlocksWithLimit": failing(TEMPORARY, itertools.repeat(True))},
        {"getBlocksWithLimit": at_times({"error": {"code": -32601, "message": "Method not found"}})},
        {"getBlock": at_times(TEMPORARY)},
    ],
    ids=[
        "tells its blocks",
        "tells no block",
        "is asked for its blocks too often",
        "is late once",
        "fails once",
        "fails at times",
        "fails always",
        "says at times that it has none",
        "fails at times to tell one",
    ],
)
def test_a_list_with_a_hole_proves_nothing(tmp_path: Path, broken: Mapping[str, Twist]) -> None:
    """A node that was started anew from a snapshot lists what the wallet did before it was down and after,
    and lacks what landed meanwhile."""
    with held(tmp_path) as net:
        swap = sent(net, lands=True)
        net.send(made(net, paid(net.wallet, 1)))
        slot = net.status(swap.signature)["slot"]

        def holed(_: Any, said: dict[str, Any]) -> dict[str, Any]:
            return said | {"result": [row for row in said["result"] if row["signature"] != swap.signature]}

        def counted(params: Any, said: dict[str, Any]) -> dict[str, Any]:
            more = net.rpc("getBlocksWithLimit", params[0], params[1] + 3)
            return said | {"result": [one for one in more if not slot <= one < slot + 3][: params[1]]}

        def missing(params: Any, said: dict[str, Any]) -> dict[str, Any]:
            if slot <= params[0] < slot + 3:
                return {"jsonrpc": "2.0", "id": said["id"], "error": {"code": -32007, "message": "jump"}}
            return said

        hole: dict[str, Twist] = {"getSignatureStatuses": null, "getSignaturesForAddress": holed}
        hole |= {"getBlocksWithLimit": counted, "getBlock": missing}
        hole |= {method: before(twist, hole[method]) for method, twist in broken.items()}
        told = outcome(net, swap, Gateway(twists=hole))
        assert isinstance(told, Unknown), told


@pytest.mark.parametrize("blocks", [1, 2])
def test_blocks_that_come_slowly_are_read_by_fewer_at_once(
    tmp_path: Path, blocks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five never came in a look's time: the same five were asked for ever, and the order stood still."""
    monkeypatch.setattr(solana_chain, "LOOK_S", 0.5)
    with held(tmp_path) as net:
        swap = sent(net, lands=False, before=False)
        told = outcome(net, swap, Gateway({"getSignaturesForAddress": "none"}, blocks=blocks))
        assert isinstance(told, Lapsed), told


#: How a node's blocks may be none of one chain, of which the swap's is missing.
HOLES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "a slot without a block": lambda said: {
        "error": {"code": -32007, "message": "Slot was skipped, or missing due to ledger jump"}
    },
    "null": lambda said: {"result": None},
    "of another fork": lambda said: {"result": said["result"] | {"blockhash": "1" * 32, "signatures": []}},
    "without signatures": lambda said: {
        "result": {k: v for k, v in said["result"].items() if k != "signatures"}
    },
}


@pytest.mark.parametrize("hole", HOLES.values(), ids=HOLES)
def test_blocks_with_a_hole_prove_nothing(
    tmp_path: Path, hole: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """A node that was started anew from a snapshot lacks the blocks of when it was down, when the swap
    landed, and keeps those of before."""
    with held(tmp_path) as net:
        swap = sent(net, lands=True, before=False)
        slot = net.status(swap.signature)["slot"]

        def holed(params: Any, said: dict[str, Any]) -> dict[str, Any]:
            return {"jsonrpc": "2.0", "id": said["id"], **hole(said)} if params[0] == slot else said

        nodes = {"getSignatureStatuses": "forgets", "getSignaturesForAddress": "none"}
        told = outcome(net, swap, Gateway(nodes, {"getBlock": holed}))
        assert isinstance(told, Unknown), told


@pytest.mark.parametrize("sold", ["list", "blocks"])
def test_a_list_that_takes_its_time_is_waited_for_and_keeps_no_blocks_from_being_read(
    tmp_path: Path, sold: str
) -> None:
    """Of a thousand landings it is long: it was given two thirds of a second, in vain each time."""
    unsold = {"error": {"code": -32601, "message": "Method not found"}}
    twists: dict[str, Twist] = {"getBlock": lambda _, said: {"jsonrpc": "2.0", "id": said["id"], **unsold}}
    with held(tmp_path) as net:
        swap = sent(net, lands=False)
        slow = Gateway(twists=twists, list_s=1.0) if sold == "list" else Gateway(list_s=60.0)
        assert isinstance(outcome(net, swap, slow), Lapsed)


def test_blocks_are_counted_in_all_of_the_time_that_the_list_has_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two questions one after another had a third of it: who takes 0.4 s for each was read block by block."""
    monkeypatch.setattr(solana_chain, "LOOK_S", 1.5)
    with held(tmp_path) as net:
        swap, slow = sent(net, lands=False), Gateway(block_s=0.3)
        net.send(made(net, paid(net.wallet, 1)))
        net.blocks(APART)
        assert isinstance(outcome(net, swap, slow), Lapsed)
        assert slow.asked.count("getBlock") == 1

"""What the blocks of a node tell of an old swap: nothing where some are missing, and all of it however slowly
they come."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from oee_daemon.networks.solana import solana_chain
from oee_daemon.orders.swap import Lapsed, Unknown
from tests.networks.localnet.test_sending import made, paid
from tests.networks.solana.gateways import (
    APART,
    Gateway,
    Twist,
    null,
    outcome,
    sent,
    unreachable,
)
from tests.networks.solana.held import held


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


def test_a_block_of_a_fork_that_lost_is_read_once_more_where_none_follows_it(tmp_path: Path) -> None:
    """Told once, behind a balancer, it stood in the way of every swap of that time for good."""
    turns = itertools.chain([True], itertools.repeat(False))

    def forked(_: Any, said: dict[str, Any]) -> dict[str, Any]:
        is_told = "result" in said and next(turns)
        return said | {"result": said["result"] | {"blockhash": "1" * 32}} if is_told else said

    with held(tmp_path) as net:
        swap = sent(net, lands=False, before=False)
        told = outcome(net, swap, Gateway({"getSignaturesForAddress": "none"}, {"getBlock": forked}))
        assert isinstance(told, Lapsed), told
    assert not next(turns)


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

"""An old swap is signed anew by nobody's word but that of a node which knows that it never landed: whatever
puts the answers of several nodes, or of a node and its broken storage, together behind one name."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from oee_daemon.networks.solana import solana_old_absence
from oee_daemon.orders.swap import Landed, Lapsed, Rejected, Unknown
from tests.networks.localnet.test_sending import made, paid
from tests.networks.solana.gateways import (
    UNSOLD,
    Gateway,
    Twist,
    null,
    outcome,
    sent,
    unreachable,
)
from tests.networks.solana.held import held

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

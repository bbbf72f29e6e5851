"""The look at each RPC endpoint, against localnet's nodes that mislead: every kind is told by its name."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Sequence
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from solders.transaction import VersionedTransaction

from oee_daemon.networks.network_endpoints import EndpointReport
from oee_daemon.networks.solana.rpc.endpoint_date import Dated, ahead_ms
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.endpoint_traits import Block, Seen, reports_of
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_answers import RpcError
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.networks.solana.solana_endpoint_probe import EndpointProbe
from tests.networks.localnet.conftest import Localnet
from tests.networks.solana import crafted
from tests.networks.solana.held import HeldSite, endpoint, held
from tests.networks.solana.server import rpc, serving

WALLET = str(crafted.WALLET)
#: Each node's row, what it is found to be, and whether it is still of use.
KINDS: dict[str, tuple[dict[str, object], list[str], bool]] = {
    "lag": ({"lag": 60}, ["lags"], True),
    "none": ({"history": "none"}, ["no_history"], True),
    "pruned": ({"history": "pruned"}, ["pruned"], True),
    "liar": ({"height_is_slot": 1}, ["wrong_height"], False),
    "ghost": ({"ghost": 1}, ["other_fork"], False),
    "single": ({"batches": 0}, ["no_batches"], True),
    "shy": ({}, ["no_holders"], True),
    "blind": ({}, ["no_simulation"], True),
    "closed": ({}, ["no_blocks"], True),
    "mute": ({}, ["no_list"], True),
}


def examined(net: Localnet, *endpoints: Endpoint, genesis: str | None = None) -> list[EndpointReport]:
    async def run() -> Sequence[EndpointReport]:
        probe = EndpointProbe(Pool(endpoints), genesis or net.rpc("getGenesisHash"))
        try:
            return await probe.examine(20.0)
        finally:
            for one in endpoints:
                await one.close()

    return list(asyncio.run(run()))


def test_each_kind_of_node_is_recognised_among_honest_ones(tmp_path: Path) -> None:
    with held(tmp_path, confirm=2, final=32) as net:
        for name, (row, _, _) in KINDS.items():
            net.order("nodes", name=name, **row)
        net.order("faults", target="chain", kind="fork", blocks=8, remaining=1)
        net.order("faults", target="read", kind="refused", node="shy", method="getTokenLargestAccounts")
        net.order("faults", target="read", kind="refused", node="blind", method="simulateTransaction")
        for name, method in (("closed", "getBlock"), ("mute", "getSignaturesForAddress")):
            net.order("faults", target="read", kind="unsold", node=name, method=method)
        net.rpc("getSlot")
        net.blocks(100)
        names = ["one.example", "two.test"]
        honest = [endpoint(net, "", name) for name in names]
        found = examined(
            net, *honest, *(endpoint(net, name, f"{name}.org{n}") for n, name in enumerate(KINDS))
        )
        assert [(r.problems, r.good, r.history, r.lag) for r in found[:2]] == [([], True, "full", 0)] * 2
        for report, (name, (_, problems, good)) in zip(found[2:], KINDS.items(), strict=True):
            assert (report.problems, report.good) == (problems, good), name
        assert found[0].version and found[0].batches and found[0].latency_ms is not None
        assert (found[0].simulates, found[0].largest_batch, found[7].largest_batch) == (True, 10, 1)
        assert found[2].lag is not None and found[2].lag >= 57
        assert found[4].reaches_back is not None and 280 <= found[4].reaches_back <= 300


def test_one_that_is_silent_or_of_another_chain_is_useless(tmp_path: Path) -> None:
    with held(tmp_path) as net:
        nobody = Endpoint(Site("http://127.0.0.1:9/"), Bucket(1000.0, 10))
        silent, other = examined(net, nobody, endpoint(net, ""), genesis="another")
        assert (silent.problems, silent.good, silent.fault) == (["silent"], False, "it can't be reached")
        assert (other.problems, other.good, other.lag) == (["other_chain"], False, None)


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("a.helius-rpc.com", "b.helius-rpc.com", True),
        ("rpc.example (1)", "rpc.example (2)", True),
        ("127.0.0.1 (1)", "127.0.0.1 (2)", True),
        ("10.0.0.1", "10.9.0.1", False),
        ("a.one.com", "a.two.com", False),
    ],
)
def test_two_names_may_be_one_operator(one: str, two: str, same: bool) -> None:
    first, second = reports_of([seen(one), seen(two)], "g")
    assert (first.maybe_same, second.maybe_same) == (([two], [one]) if same else ((), ()))
    assert ("maybe_same_operator" in first.problems) is same and first.good


def test_one_node_that_answers_for_two_names_is_one_operator() -> None:
    first, second, third = reports_of(
        [replace(seen(name), identity=who) for name, who in (("a.x1", "N"), ("b.y2", "N"), ("c.z3", "M"))],
        "g",
    )
    assert (first.maybe_same, second.maybe_same, third.maybe_same) == (["b.y2"], ["a.x1"], ())


BALANCES = {
    "fee": 5_000, "preBalances": [9], "postBalances": [9], "preTokenBalances": [], "postTokenBalances": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("said", "simulates"),
    [
        ({"value": {"err": None, "accounts": [None], **BALANCES}}, True),
        # Of who holds nothing no balances are told.
        ({"value": {"err": "AccountNotFound", "accounts": None}}, True),
        # Agave before 3.0.
        ({"value": {"err": None, "accounts": [None], "unitsConsumed": 150}}, False),
        ({"error": {"code": -32601, "message": "Method not found"}}, False),
        ({"error": {"code": -32602, "message": "accounts are not supported"}}, False),
        ({"error": {"code": -32005, "message": "Node is behind"}}, None),
        ({}, False),
    ],
)
def test_whether_it_simulates_as_the_guard_asks_for_it(said: dict[str, Any], simulates: bool | None) -> None:
    """Nothing is signed without: it has to be told before money is at stake."""
    asked: list[Any] = []

    def simulate(params: list[Any]) -> Any:
        asked.append(params)
        return said

    latest = {"blockhash": "4" * 44, "lastValidBlockHeight": 588}
    node = rpc(
        {
            "getGenesisHash": lambda _: "g",
            "getEpochInfo": lambda _: {"absoluteSlot": 460, "blockHeight": 438},
            "getLatestBlockhash": lambda _: {"context": {"slot": 460}, "value": latest},
            "simulateTransaction": simulate,
        }
    )

    async def run() -> EndpointReport:
        async with serving(node) as (address, _):
            pool = Pool([Endpoint(Site(address), Bucket(1000.0, 1000))])
            (report,) = await EndpointProbe(pool, "g", WALLET).examine(20.0)
            await pool.close()
            return report

    report = asyncio.run(run())
    assert (report.simulates, "no_simulation" in report.problems) == (simulates, simulates is False)
    ((wire, options),) = asked
    message = VersionedTransaction.from_bytes(base64.b64decode(wire)).message
    assert str(message.account_keys[0]) == WALLET and str(message.recent_blockhash) == "4" * 44
    assert (options["sigVerify"], options["replaceRecentBlockhash"]) == (False, False)
    assert options["accounts"]["addresses"] == [WALLET]


def seen(name: str) -> Seen:
    return Seen(
        name=name, transport="https", genesis="g", slot=5200, height=4190, last_valid=4340, first_available=0,
        batches=True, latency_ms=20, own_block=Block(height=4190, hash="h"),
        common_block=Block(height=4190, hash="h"),
    )  # fmt: skip


def test_a_height_is_held_against_its_slot_its_blockhash_and_its_block() -> None:
    change: dict[str, Any]
    for change in (
        {"height": 5201},
        {"height": 5200},
        {"last_valid": 4189},
        {"last_valid": 9000},
        {"slot": None},
    ):
        (report,) = reports_of([replace(seen("n"), **change)], "g")
        assert report.problems == ["wrong_height"], change
    unsaid: tuple[dict[str, Any], ...] = (
        {"own_block": None},
        {"own_block": Block(height=None, hash=None)},
        {"last_valid": None},
    )
    for change in unsaid:
        (report,) = reports_of([replace(seen("n"), **change)], "g")
        assert report.problems == [], change


def test_where_two_show_different_blocks_both_are_told_and_of_three_the_odd_one() -> None:
    odd = replace(seen("odd.org"), common_block=Block(height=4190, hash="other"))
    one, two = seen("one.org1"), seen("two.org2")
    assert [r.problems for r in reports_of([one, odd], "g")] == [["other_fork"], ["other_fork"]]
    assert [r.problems for r in reports_of([one, odd, two], "g")] == [[], ["other_fork"], []]


def test_what_was_not_said_is_no_fault_and_http_is_told() -> None:
    quiet = replace(seen("n"), first_available=None, status=RpcError(-32601, "no"), transport="http")
    (report,) = reports_of([quiet], "g")
    assert (report.problems, report.history, report.good) == (["plain_http"], None, True)


def test_the_clock_is_held_against_the_dates_of_the_answers(tmp_path: Path) -> None:
    with held(tmp_path) as net:
        dated: list[Endpoint] = []
        for name, transport, date in (
            ("slow", "https", formatdate(time.time() - 60, usegmt=True)),
            ("right", "https", formatdate(time.time(), usegmt=True)),
            ("odd", "https", "tomorrow"),
            ("none", "https", None),
            ("own", "local", formatdate(time.time() - 60, usegmt=True)),
        ):
            site = HeldSite(net, "", f"{name}.example", transport)
            site.headers = {} if date is None else {"date": date}
            dated.append(Endpoint(site, Bucket(1000.0, 1000)))
        slow, right, *others = [one.clock_ahead_ms for one in examined(net, *dated)]
        assert others == [None] * 3
        assert slow is not None and 57_900 <= slow[0] <= slow[1] <= 70_000
        # A date has no fractions, and may have been made a second before its answer.
        assert right is not None and -2_100 <= right[0] <= 0 <= right[1] <= 10_000


#: 1 January 2026, 00:00:00 GMT, seconds since 1970.
NEW_YEAR = 1_767_225_600


@pytest.mark.parametrize(
    ("answers", "ahead"),
    [
        ([], None),
        # From this second's begin to the end of the next one, and as long as the answer took.
        ([(0, 0.25, 0.75)], (-1750, 750)),
        # Each of several says something.
        ([(0, 0.25, 0.75), (1, 1.0, 1.0), (0, 1.5, 1.5)], (-500, 0)),
        ([(0, 3.5, 3.75)], (1500, 3750)),
        ([(5, 0.5, 0.75)], (-6500, -4250)),
        # Of several machines, one of which is wrong.
        ([(0, 0.0, 0.1), (9, 0.0, 0.1)], None),
        # The clock was set back meanwhile.
        ([(0, 5.0, 1.0)], None),
    ],
)
def test_each_date_bounds_how_far_the_clock_is_off(
    answers: list[tuple[int, float, float]], ahead: tuple[int, int] | None
) -> None:
    dates = [
        Dated(formatdate(NEW_YEAR + at, usegmt=True), NEW_YEAR + asked, NEW_YEAR + answered)
        for at, asked, answered in answers
    ]
    assert ahead_ms([None, *dates]) == ahead

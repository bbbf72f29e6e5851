"""What a crash, a cut connection or another holder leaves of an execution goes on to one swap."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from oee_daemon import failpoints
from oee_daemon.contract.status import Status
from oee_daemon.networks.simulated import simulated_market
from oee_daemon.networks.simulated.simulated_venues import SimulatedVenue
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.swap import Anchor, Quote, QuoteRequest, UnsignedSwap
from oee_daemon.store.database import open_database
from oee_daemon.store.postgres_line import Line
from tests.kit.engine import Bench
from tests.kit.executions import CONFIRMED, discard
from tests.kit.now import now
from tests.kit.proxy import Proxy

# What a crash leaves.


def test_what_died_in_building_uses_the_stored_quote(bench: Bench) -> None:
    order = bench.to(bench.held(bench.place().id, "dead"), Status.ROUTING)
    quote = Quote(venue="meteora", amount_in=order.amount, amount_out=4711, fee=42, price_impact_bps=0)
    moved = bench.advance(order, Status.BUILDING, quote=quote, bound=4000)
    assert moved is not None
    bench.set(order.id, lease_until=bench.ago(seconds=1))
    bench.execution().run(order.id)
    assert bench.trail(order.id) == CONFIRMED
    said = bench.instruction(order.id, 1)
    assert (said["venue"], said["amountOut"], said["fee"], said["limit"]) == ("meteora", "4711", "42", "4000")
    assert bench.order(order.id).filled_out == 4711


class Router(SimulatedVenue):
    """It gives a route with each quote, says no fee, and builds nothing without the route that it gave."""

    given: ClassVar[list[bytes]] = []
    asked: ClassVar[list[bytes]] = []

    async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        self.given.append(b"\x00 by way of %d" % len(self.given))
        return replace(
            await super().quote(request, deadline_s), route=self.given[-1], fee=None, price_impact_bps=None
        )

    async def build(self, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        self.asked.append(plan.quote.route)
        return await super().build(plan, anchor, deadline_s)


def test_after_a_crash_a_venue_gets_back_the_route_that_it_gave(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.kit.engine.SimulatedVenue", Router)
    monkeypatch.setattr(simulated_market, "POOLS", simulated_market.POOLS[:1])
    order = bench.place()
    failpoints.arm("after_building=lose*1", tmp_path)
    bench.execution().run(order.id)
    assert bench.order(order.id).status is Status.BUILDING
    (route,) = Router.given
    assert (bench.row(order.id).route, Router.asked) == (route, [])
    bench.wake(order.id)
    bench.execution().run(order.id)
    assert bench.trail(order.id) == CONFIRMED
    assert (Router.given, Router.asked) == ([route], [route])
    # It has served its purpose.
    found = bench.order(order.id)
    assert (found.route, found.quote_fee, found.fee) == (None, None, None)


def test_what_died_in_routing_asks_the_venues_again(bench: Bench) -> None:
    order = bench.to(bench.held(bench.place().id, "dead"), Status.ROUTING)
    bench.set(order.id, lease_until=bench.ago(seconds=1))
    bench.execution().run(order.id)
    assert bench.trail(order.id) == CONFIRMED
    assert bench.order(order.id).attempt == 1


@pytest.mark.parametrize(
    "point", ["claimed", "after_routing", "after_building", "signed", "after_submitted", "sent", "landed"]
)
def test_wherever_it_breaks_off_the_order_goes_on_to_one_swap(
    bench: Bench, point: str, tmp_path: Path
) -> None:
    failpoints.arm(f"{point}=lose*1", tmp_path)
    order = bench.place()
    chain = bench.chain()
    bench.execution(chain, owner="dead").run(order.id)
    before = bench.trail(order.id)
    # The chain's own answer may be lost: that is no fault of a run.
    assert (before == CONFIRMED) == (point == "landed")
    bench.wake(order.id)
    bench.execution(chain, owner="heir").run(order.id)
    assert bench.trail(order.id) == CONFIRMED
    assert bench.trail(order.id)[: len(before)] == before
    assert bench.swaps(order.id) == [(1, "landed")]
    assert len(bench.ledgered(order.id)) == 1
    assert len(set(chain.sent)) == 1


def test_a_lost_answer_to_the_write_ahead_sends_nothing_until_it_is_claimed_again(
    bench: Bench, tmp_path: Path
) -> None:
    failpoints.arm("after_submitted=lose*1", tmp_path)
    order = bench.place()
    chain = bench.chain()
    execution = bench.execution(chain)
    assert execution.run(order.id) is not None
    assert chain.sent == []
    bench.wake(order.id)
    execution.run(order.id)
    assert bench.trail(order.id) == CONFIRMED
    assert bench.swaps(order.id) == [(1, "landed")]
    assert bench.ledgered(order.id) == chain.sent


@pytest.fixture
def proxied(bench: Bench, shared_url: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same bench, whose executions reach Postgres through a line that can be cut."""
    with tempfile.TemporaryDirectory(prefix="oee-p", dir="/tmp") as folder:
        proxy = Proxy(shared_url, Path(folder))
        direct = bench.db, bench.line
        bench.db, bench.line = open_database(proxy.url, pool_size=5), Line(proxy.url)
        yield proxy
        bench.db.dispose()
        now(bench.line.close())
        bench.db, bench.line = direct
        proxy.close()


@pytest.mark.parametrize("heard", [True, False])
def test_a_connection_cut_at_the_write_ahead_sends_nothing_unstored_and_goes_on_to_one_swap(
    bench: Bench, proxied: Proxy, heard: bool
) -> None:
    order = bench.place()
    chain = bench.chain()
    execution = bench.execution(chain)
    proxied.lose(b"INSERT INTO swaps", heard=heard)
    assert execution.run(order.id) is not None
    assert proxied.cut == 1
    assert bench.trail(order.id) == CONFIRMED[: 4 if heard else 3]
    assert bench.swaps(order.id) == ([(1, "signed")] if heard else [])
    assert chain.sent == []
    # The slot of the chain is another one by now: signed anew, the bytes would be others.
    bench.clock.wind(s=1)
    stored = bench.order(order.id).signature
    # Its own worker takes it again without waiting for a lease.
    bench.wake(order.id)
    execution.run(order.id)
    assert bench.trail(order.id) == CONFIRMED
    assert bench.ledgered(order.id) == chain.sent
    assert not heard or chain.sent == [stored]


@pytest.mark.parametrize(
    "at", [b"FOR UPDATE SKIP LOCKED", b"INSERT INTO order_events", b"INSERT INTO swaps", b"UPDATE swaps"]
)
@pytest.mark.parametrize("heard", [True, False])
def test_wherever_the_connection_is_cut_the_order_goes_on_to_one_swap(
    bench: Bench, proxied: Proxy, at: bytes, heard: bool
) -> None:
    order = bench.place()
    chain = bench.chain()
    execution = bench.execution(chain)
    proxied.lose(at, heard=heard)
    execution.run(order.id)
    assert proxied.cut == 1
    bench.wake(order.id)
    execution.run(order.id)
    assert bench.trail(order.id) == CONFIRMED
    assert bench.swaps(order.id) == [(1, "landed")]
    assert len(bench.ledgered(order.id)) == 1


# Two holders.


@pytest.mark.parametrize("when", ["before_anchor", "before_submit", "before_outcome"])
def test_a_second_holder_finishes_it_and_the_first_finds_no_row_and_stops(bench: Bench, when: str) -> None:
    order = bench.place()
    frozen, other = bench.chain(), bench.chain()

    def meanwhile() -> None:
        setattr(frozen, when, lambda: None)
        bench.set(order.id, lease_until=bench.ago(seconds=1))
        bench.execution(other, owner="two").run(order.id)
        assert bench.order(order.id).status is Status.CONFIRMED

    setattr(frozen, when, meanwhile)
    assert bench.execution(frozen, owner="one").run(order.id) is None
    assert bench.trail(order.id) == CONFIRMED
    assert bench.swaps(order.id) == [(1, "landed")]
    assert len(bench.ledgered(order.id)) == 1
    # At most the stored bytes were sent once more.
    assert set(frozen.sent) <= set(other.sent)


def test_a_cancel_while_it_is_being_built_wins_and_nothing_is_sent(bench: Bench) -> None:
    order = bench.place()
    chain = bench.chain()
    chain.before_anchor = lambda: discard(bench.intake.cancel(order.id))
    assert bench.execution(chain).run(order.id) is None
    assert bench.trail(order.id) == ["pending", "routing", "building", "cancelled"]
    assert (chain.sent, bench.swaps(order.id)) == ([], [])

"""New tokens: what is honest is bought once it is listed, and what has a trap is refused by that check."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from oee_daemon import failpoints
from oee_daemon.contract.order_types import OrderType
from oee_daemon.contract.risks import RISKS
from oee_daemon.contract.status import Status
from oee_daemon.errors import Conflict, InvalidInput
from oee_daemon.networks.network_listings import NewPool
from oee_daemon.networks.simulated.simulated_listing_source import SimulatedListings
from oee_daemon.networks.simulated.simulated_listings import ROUND, Listing, Trap, listing
from oee_daemon.networks.simulated.simulated_venues import SimulatedVenue
from oee_daemon.orders.conditions import Rule
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import Quote, QuoteRequest
from oee_daemon.orders.terms import terms_of
from oee_daemon.orders.tokens import TOKENS, Token
from tests.integration.test_editing import edit
from tests.kit.engine import LISTING_SLOTS, Bench
from tests.kit.now import now

#: By the page, not by the code: what is refused when it is placed, and what once there is a pool.
AT_ONCE = {
    Trap.FREEZE: "freeze", Trap.MINT: "mint", Trap.FEE: "fee", Trap.FEE_LATER: "fee",
    Trap.DELEGATE: "delegate", Trap.HOOK: "hook", Trap.FROZEN_DEFAULT: "frozen", Trap.PAUSED: "paused",
    Trap.COPYCAT: "copycat",
}  # fmt: skip
LATER = {
    Trap.PULLED: "thin", Trap.THIN: "thin", Trap.HONEYPOT: "sellback", Trap.WHALE: "holders",
    Trap.LP_FREE: "lp",
}  # fmt: skip
PASS = (None, Trap.ZERO_LIQUIDITY, Trap.OPENS_LATER)


def snipe(bench: Bench, token: Listing, **what: Any) -> Order:
    wanted = Token(token.mint, token.mint, token.decimals)
    given = {"input_token": TOKENS["USDC"], "output_token": wanted, "amount": 100 * 10**6}
    given |= {"type": OrderType.SNIPER, "token_address": token.mint}
    return bench.accept(terms_of(given | what), None)[0]


def tokens(*traps: Trap | None) -> list[Listing]:
    each = (listing(0, number, LISTING_SLOTS) for number in range(ROUND))
    return [token for token in each if token.trap in traps]


def watch(bench: Bench, slots: int) -> None:
    """A beat and a look a slot, and what fires is executed."""
    watcher, execution = bench.watcher(), bench.execution()
    for _ in range(slots):
        now(watcher.beat())
        for order_id in now(watcher.look_for_tokens()):
            execution.run(order_id)
        bench.clock.wind(ms=400)


def judged(bench: Bench, order: Order) -> dict[str, str]:
    """The verdicts that are not ok, of the order's last event that has some."""
    for event in reversed(bench.events(order.id)):
        found = event.data.get("checks") or (event.data.get("error") or {}).get("checks")
        if found:
            return {one["check"]: one["verdict"] for one in found if one["verdict"] != "ok"}
    return {}


def test_what_the_mint_says_is_refused_before_anything_is_stored(bench: Bench) -> None:
    for token in tokens(*AT_ONCE):
        assert token.trap is not None
        name = AT_ONCE[token.trap]
        with pytest.raises(Conflict) as refused:
            snipe(bench, token)
        assert refused.value.code == "unsafe_token"
        assert f"{name}: " in refused.value.message and f"accept {name}" in (refused.value.hint or "")
        # Waived by its own name, and by no other.
        with pytest.raises(Conflict):
            snipe(bench, token, accepted_risks=tuple(set(RISKS) - {name}))
        assert snipe(bench, token, accepted_risks=(name,)).status is Status.WAITING


def test_honest_tokens_are_bought_when_they_are_listed_and_traps_by_their_pool_are_refused(
    bench: Bench,
) -> None:
    good = {token.mint: snipe(bench, token) for token in tokens(*PASS)}
    bad = {token: snipe(bench, token) for token in tokens(*LATER)}
    assert len(good) == ROUND // 2 + 2 and len(bad) == len(LATER)
    watch(bench, 1)
    assert {bench.order(o.id).status for o in (*good.values(), *bad.values())} == {Status.WAITING}
    watch(bench, (ROUND + 1) * LISTING_SLOTS + 40)
    for order in good.values():
        done = bench.run_to_end(bench.execution(), order.id)
        assert (done.status, done.firings, judged(bench, done)) == (Status.CONFIRMED, 1, {})
        assert bench.ledgered(order.id)
        assert bench.events(order.id)[1].data["trigger"]["rule"] == "listed"
    # Those that only wait have their last look when their time is nearly over.
    for order in bad.values():
        if bench.order(order.id).status is Status.WAITING:
            end = datetime.now(UTC) + timedelta(seconds=1.2)
            bench.set(order.id, expires_at=end, good_until=end)
    watch(bench, 1)
    for token, order in bad.items():
        done = bench.run_to_end(bench.execution(), order.id)
        assert token.trap is not None
        assert (done.status, done.error and done.error["code"]) == (Status.FAILED, "unsafe_token"), token.trap
        assert set(judged(bench, done)) == {LATER[token.trap]}
        assert not bench.ledgered(order.id) and not bench.swaps(order.id)


def test_a_token_that_nobody_lists_expires_with_its_time(bench: Bench) -> None:
    far = (listing(0, number, LISTING_SLOTS) for number in range(10_000, 10_000 + ROUND))
    order = snipe(bench, next(token for token in far if token.trap is None))
    watch(bench, 2)
    assert bench.order(order.id).status is Status.WAITING
    bench.set(order.id, expires_at=bench.ago(seconds=1))
    watch(bench, 1)
    assert bench.order(order.id).status is Status.EXPIRED


def test_what_is_traded_already_is_not_waited_for(bench: Bench) -> None:
    (token, *_) = tokens(None)
    now(bench.chain().height())
    bench.clock.wind(ms=400 * (token.listed_at + 5))
    with pytest.raises(Conflict) as listed:
        snipe(bench, token)
    assert listed.value.code == "already_listed"
    # What is offered first keeps the checks.
    assert (listed.value.hint or "").startswith("With launchTime")
    assert snipe(bench, token, launch_at=datetime.now(UTC) + timedelta(seconds=10)).status is Status.WAITING


def test_it_is_not_looked_at_before_its_launch_time(bench: Bench) -> None:
    (token, *_) = tokens(None)
    order = snipe(bench, token, launch_at=datetime.now(UTC) + timedelta(hours=1))
    watch(bench, token.listed_at + 5)
    assert bench.order(order.id).status is Status.WAITING
    bench.set(order.id, launch_at=bench.ago(seconds=1))
    watch(bench, 2)
    assert bench.run_to_end(bench.execution(), order.id).status is Status.CONFIRMED


def test_the_highest_price_binds(bench: Bench) -> None:
    (token, *_) = tokens(None)
    order = snipe(bench, token, limit_price=Decimal("0.000000001"))
    assert order.bound is not None
    watch(bench, token.listed_at + 5)
    found = bench.order(order.id)
    assert found.status is Status.PENDING and found.firings == 1
    assert not bench.swaps(order.id)


def test_a_mint_of_another_seed_is_no_token(bench: Bench) -> None:
    with pytest.raises((Conflict, InvalidInput)):
        snipe(bench, listing(99, 0, LISTING_SLOTS))


def test_who_waits_for_its_token_still_does_once_it_was_edited(bench: Bench) -> None:
    (token, *_) = tokens(None)
    order = snipe(bench, token)
    later = datetime.now(UTC) + timedelta(hours=2)
    edit(bench, order, slippage_bps=900, good_until=later)
    assert bench.row(order.id).arm_rule == Rule.LISTED
    watch(bench, token.listed_at + 5)
    assert bench.run_to_end(bench.execution(), order.id).status is Status.CONFIRMED


@pytest.mark.parametrize(("given", "bought"), [(b"deep", True), (b"thin", False)])
def test_it_is_bought_in_the_pool_that_was_judged_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, given: bytes, bought: bool
) -> None:
    """Of two pools of one venue."""
    asked: set[bytes] = set()

    class Several(SimulatedListings):
        def _pool(self, token: Listing, height: int) -> NewPool:
            return replace(super()._pool(token, height), route=b"deep")

    class Router(SimulatedVenue):
        async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
            if request.number:
                asked.add(request.route)
            return replace(await super().quote(request, deadline_s), route=given)

    monkeypatch.setattr("tests.kit.engine.SimulatedListings", Several)
    monkeypatch.setattr("tests.kit.engine.SimulatedVenue", Router)
    (token, *_) = tokens(None)
    order = snipe(bench, token)
    watch(bench, token.listed_at + 5)
    assert asked == {b"deep"}
    assert bench.order(order.id).status is (Status.CONFIRMED if bought else Status.PENDING)
    assert bool(bench.swaps(order.id)) == bought


@pytest.mark.parametrize("emptied", [False, True])
def test_what_a_crash_leaves_unsigned_is_judged_anew(bench: Bench, tmp_path: Path, emptied: bool) -> None:
    """Its checks passed before the crash: by now its maker may have emptied the pool."""
    (token, *_) = tokens(None)
    order = snipe(bench, token)
    failpoints.arm("after_building=lose*1", tmp_path)
    watch(bench, token.listed_at + 5)
    assert bench.order(order.id).status is Status.BUILDING
    if emptied:
        bench.set(order.id, min_liquidity=10**9)
    for _ in range(2):
        bench.wake(order.id)
        bench.execution().run(order.id)
    (outdated,) = [
        event
        for event in bench.events(order.id)
        if (event.data.get("error") or {}).get("code") == "checks_outdated"
    ]
    assert outdated.status is Status.PENDING
    found = bench.order(order.id)
    assert found.status is (Status.PENDING if emptied else Status.CONFIRMED)
    assert bench.swaps(order.id) == ([] if emptied else [(2, "landed")])
    assert judged(bench, found) == ({"thin": "unknown"} if emptied else {})

"""The life of orders that wait, with everything in any order: prices, two watchers of which one leads,
workers that die at any step, edits, cancels, halts, times that are over.

Hypothesis draws what happens, by the engine's own watcher, execution and edits on real Postgres; what has to
hold is written by hand: who may fire and at which price below, the rest in `waiting_lives.py`. At the end
everything is let go on, and no order may be stuck.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Row

from oee_daemon import failpoints
from oee_daemon.contract.order_types import OrderType
from oee_daemon.engine.engine_watcher import Watcher
from oee_daemon.errors import Conflict, Halted, InvalidInput
from oee_daemon.store import halt_row
from tests.integration.waiting_lives import FINAL, UNSENT, Deaths, Known, Lives
from tests.kit.engine import Bench
from tests.kit.now import now
from tests.kit.waiting import (
    grouped,
    legs,
)

ORDERS = 6
WORKERS = st.sampled_from(["one", "two"])
WHICH = st.integers(0, 11)
FROZE = st.sampled_from([False, False, True])
HAPPENS = ("cancel", "time is over", *["launch"] * 3, "lead is over", "halt", *["resume"] * 3)
#: How far the market stands from where it stood, from look to look.
PATHS = st.lists(st.sampled_from([-900, -300, 0, 300, 900]), min_size=1, max_size=4)
SLIDES = st.sampled_from([None, None, -900, 0, 900])
#: After how many of its steps a worker dies; mostly it does not.
DEATHS = st.sampled_from([*[None] * 20, *range(12)])
KINDS = ("limit sell", "limit buy", "stop sell", "trail sell", "later sell")


class Waiting(Lives):
    # The user.

    @initialize(kinds=st.permutations(KINDS))
    def begin(self, kinds: list[str]) -> None:
        for n, kind in enumerate(kinds[:3]):
            self.place(kind, (-600, -150, 150)[n % 3], bound=n == 2)
        self.place_pair()

    def place_pair(self) -> None:
        """A sale at a profit, or else at a loss: at most one of them is filled."""
        terms = legs(self.bench, profit="1.015", loss="0.985")
        for kind, order in zip(("limit sell", "stop sell"), grouped(self.bench, terms).orders, strict=True):
            self.known[order.id] = Known(
                sells=True, kind=kind, amount=10**9, target=order.target_price, trail=None
            )

    @precondition(lambda self: sum(known.final is None for known in self.known.values()) < ORDERS)
    @rule(kind=st.sampled_from(KINDS), away=st.sampled_from([-600, -150, 150, 600]), bound=st.booleans())
    def place_another(self, kind: str, away: int, bound: bool) -> None:
        self.place(kind, away, bound=bound)

    def place(self, kind: str, away: int, *, bound: bool) -> None:
        sells = kind != "limit buy"
        what: dict[str, Any] = {"amount": 10**9, "type": OrderType.MARKET}
        if kind.startswith("limit"):
            what |= {"type": OrderType.LIMIT, "target_price": self.at(away), "far": True}
        elif kind == "stop sell":
            what |= {"type": OrderType.STOP, "target_price": self.at(-abs(away)), "confirm_ms": 0}
        elif kind == "trail sell":
            what |= {"type": OrderType.STOP, "trail_bps": abs(away), "confirm_ms": 0}
        else:
            what["launch_at"] = datetime.now(UTC) + timedelta(days=1)
        if bound:
            what["good_until"] = datetime.now(UTC) + timedelta(days=2)
        place = self.bench.place if sells else self.bench.buy
        if self.halted:
            with pytest.raises(Halted):
                place(**what)
            return
        order = place(**what)
        self.known[order.id] = Known(sells, kind, 10**9, what.get("target_price"), what.get("trail_bps"))

    @precondition(lambda self: self.known)
    @rule(
        which=WHICH,
        change=st.sampled_from(["target_price", "trail_bps", "amount", "slippage_bps", "limit_price"]),
        n=st.sampled_from([-600, -150, 150, 600]),
    )
    def edit(self, which: int, change: str, n: int) -> None:
        order_id, known = self.one(which)
        before = self.bench.row(order_id)
        values: dict[str, Any] = {
            "target_price": self.at(n), "trail_bps": abs(n), "amount": (700 + n) * 10**6,
            "slippage_bps": 100 + n % 7, "limit_price": round(self.here[0] / 2, 4),
        }  # fmt: skip
        asked = {change: values[change]} | ({"far": True} if known.kind != "later sell" else {})
        try:
            edited = now(self.editing.edit(order_id, lambda _: asked))
        except (Conflict, InvalidInput) as e:
            fits = {
                "target_price": known.kind != "later sell" and not before.latched,
                "trail_bps": known.kind in ("stop sell", "trail sell") and not before.latched,
                "limit_price": before.latched or (known.kind == "stop sell" and known.trail is None),
            }.get(change, True)
            stood = before.status != "waiting" or known.over
            assert stood or self.halted or not fits, e
            assert self.bench.row(order_id) == before
            return
        assert before.status == "waiting" and not known.over
        assert not self.halted or edited.event_seq == before.event_seq
        if change == "target_price":
            known.target, known.trail = values[change], None
        elif change == "trail_bps":
            known.target, known.trail = None, values[change]
        elif change == "amount":
            known.amount = values[change]

    @precondition(lambda self: self.known)
    @rule(which=WHICH, what=st.sampled_from(HAPPENS))
    def happens(self, which: int, what: str) -> None:
        order_id, known = self.one(which)
        row, ago = self.bench.row(order_id), self.bench.ago(seconds=1)
        if what == "cancel":
            with suppress(Conflict):
                self.bench.intake.cancel(order_id)
            cancelled = self.bench.row(order_id).status == "cancelled"
            assert cancelled == (row.status in UNSENT | {"cancelled"})
        elif what == "time is over" and row.status not in FINAL and row.good_until is not None:
            known.over = True
            self.bench.set(order_id, expires_at=ago, good_until=ago)
        elif what == "launch" and known.kind == "later sell" and row.status == "waiting":
            self.bench.set(order_id, launch_at=ago)
        elif what == "lead is over":
            self.sql("UPDATE watch SET lease_until = clock_timestamp()")
        elif what == "halt":
            halt_row.halt(self.bench.db, None, None)
            self.halted = True
        elif what == "resume":
            self.resume()

    def resume(self) -> None:
        with self.bench.db.connect() as conn:
            halt_row.resume(conn)
        self.halted = False

    # The market and who watches it.

    @rule(path=PATHS, owner=WORKERS, froze=FROZE, dies=DEATHS)
    def move_market(self, path: list[int], owner: str, froze: bool, dies: int | None) -> None:
        for bps in path:
            self.bench.move_market(bps)
            self.here = self.price()
            self.look(owner, froze=froze, dies=dies)

    def look(self, owner: str, *, froze: bool, dies: int | None) -> None:
        """`froze`: since its last beat, and another leads by now."""
        watcher = self.watcher(owner)
        self.sql("UPDATE watch SET lease_until = clock_timestamp()")
        if froze:
            now(self.watcher("two" if owner == "one" else "one").beat())
        before = {order_id: self.bench.row(order_id) for order_id in self.known}
        leads = self.sql("SELECT owner FROM watch WHERE lease_until > clock_timestamp()")
        may = not leads or leads[0].owner == owner

        def work() -> bool:
            if not froze:
                now(watcher.beat())
            now(watcher.tick())
            return True

        if self.deaths.during(dies, work) is None:
            del self.watchers[owner]
        self.bench.clock.wind(ms=400)
        for order_id, was in before.items():
            self.check_fire(self.known[order_id], was, self.bench.row(order_id), may=may)

    def watcher(self, owner: str) -> Watcher:
        if owner not in self.watchers:
            self.watchers[owner] = self.bench.watcher(self.chain, owner=owner)
        return self.watchers[owner]

    def check_fire(self, known: Known, was: Row[Any], row: Row[Any], *, may: bool) -> None:
        if (was.status, row.status) == ("waiting", "expired"):
            assert known.over
            return
        if row.status == was.status:
            return
        assert (was.status, row.status) == ("waiting", "pending")
        assert not self.halted and not known.over
        bid, ask = self.here
        if known.kind == "later sell":
            assert was.launch_at < datetime.now(UTC)
            return
        assert may, "another leads"
        if was.latched:
            assert bid >= was.limit_price
        elif known.trail is not None:
            assert bid <= max(was.peak, bid) * (10_000 - known.trail) / 10_000
            worst = row.peak * (10_000 - known.trail) / 10_000 * Decimal("0.8")
            assert abs(row.limit_price - worst) < Decimal("1e-12")
        elif known.kind.startswith("stop"):
            assert known.target is not None and bid <= known.target
        else:
            assert known.target is not None
            assert bid >= known.target if known.sells else ask <= known.target

    # The workers.

    @precondition(lambda self: self.known)
    @rule(worker=WORKERS, which=WHICH, dies=DEATHS, rested=st.booleans(), slid=SLIDES)
    def run_orders(self, worker: str, which: int, dies: int | None, rested: bool, slid: int | None) -> None:
        """One after the other from `which` on; where it dies, the rest is left. `slid`: the market."""
        if slid is not None:
            self.bench.move_market(slid)
            self.here = self.price()
        if rested:
            self.time_passes()
        ids = list(self.known)
        before = {order_id: self.bench.row(order_id) for order_id in ids}
        stored = self.signed()
        for order_id in ids[which % len(ids) :]:
            if self.deaths.during(dies, partial(self.ran, worker, order_id)) is None:
                self.executions[worker] = self.bench.execution(self.chain, owner=worker)
                break
        for order_id, was in before.items():
            if was.status in FINAL | {"waiting"}:
                row = self.bench.row(order_id)
                assert row == was or (row.status == "cancelled" and self.is_left(row))
        if self.halted:
            assert self.signed() == stored

    def is_left(self, row: Row[Any]) -> bool:
        """Another of its group was filled."""
        statuses = [self.bench.row(other).status for other in self.known]
        groups = [self.bench.row(other).group_id for other in self.known]
        filled = {group for group, status in zip(groups, statuses, strict=True) if status == "confirmed"}
        return row.group_id is not None and row.group_id in filled

    def ran(self, worker: str, order_id: UUID) -> bool:
        self.executions[worker].run(order_id)
        return True

    def signed(self) -> set[str]:
        return {row.signature for row in self.sql("SELECT signature FROM swaps")}

    def time_passes(self) -> None:
        """Leases of the dead are over, and pauses and rests."""
        self.sql("UPDATE orders SET lease_until = now() - interval '1 s' WHERE lease_owner IS NOT NULL")
        self.sql("UPDATE orders SET next_run_at = clock_timestamp() WHERE next_run_at IS NOT NULL")
        self.sql("UPDATE orders SET look_at = clock_timestamp() WHERE look_at IS NOT NULL")
        self.bench.clock.wind(s=90)

    def teardown(self) -> None:
        """Once all is let go on, each order ends or waits."""
        self.resume()
        execution = self.bench.execution(self.bench.chain(), owner="three")
        for order_id in self.known:
            for _ in range(40):
                self.time_passes()
                row = self.bench.row(order_id)
                if row.status in FINAL | {"waiting"}:
                    break
                execution.run(order_id)
            assert self.bench.row(order_id).status in FINAL | {"waiting"}
        self.postgres_agrees()


def test_whatever_happens_to_orders_that_wait_in_whatever_order(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = Deaths()
    monkeypatch.setattr(failpoints, "hit", deaths.hit)
    run_state_machine_as_test(
        cast(type[Waiting], partial(Waiting, bench, deaths)),
        settings=settings(
            max_examples=6,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )

"""A chain, a venue and a database at their worst: what must hold where a real one would cost money."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message, MessageV0, to_bytes_versioned
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from oee_daemon.contract.status import Status
from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks import bounded
from oee_daemon.networks.chain import FillPage
from oee_daemon.networks.simulated import simulated_market
from oee_daemon.networks.simulated.simulated_venues import SimulatedVenue
from oee_daemon.networks.venue import Plan
from oee_daemon.networks.verdict import Cases
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import Anchor, UnsignedSwap
from oee_daemon.timing import USUAL
from tests.integration.test_identity import CONFIRMED, doubt, execute, forget, identity
from tests.kit.daemons import until
from tests.kit.engine import Bench, HookedChain
from tests.kit.now import now


class HangingChain(HookedChain):
    """Its fills are not told until it is let go."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench.ledger, clock=bench.clock)
        self.asked, self.let_go, self.told = threading.Event(), threading.Event(), threading.Event()

    async def fills(self, **what: Any) -> FillPage:
        self.asked.set()
        await asyncio.to_thread(self.let_go.wait, 60)
        self.told.set()
        return await super().fills(**what)


@pytest.fixture
def hanging(bench: Bench) -> Iterator[HangingChain]:
    chain = HangingChain(bench)
    yield chain
    chain.let_go.set()


# A chain that hangs, fails, or answers too late.


def test_an_order_in_doubt_hangs_with_no_chain(
    bench: Bench, hanging: HangingChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "CHAIN_S", 0.05)
    order = bench.place()
    doubt(bench)
    bench.execution(hanging).run(order.id)
    assert hanging.asked.is_set() and not hanging.told.is_set()
    row = bench.row(order.id)
    assert (row.status, row.lease_owner, row.faults, row.asks) == ("submitted", None, 0, 1)


def test_an_order_in_doubt_is_no_fault_of_ours_where_the_chain_fails(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(**_: Any) -> FillPage:
        raise ValueError("no JSON")

    chain = bench.chain()
    monkeypatch.setattr(chain, "fills", fails)
    order = bench.place()
    doubt(bench)
    bench.execution(chain).run(order.id)
    row = bench.row(order.id)
    assert (row.status, row.lease_owner, row.faults, row.asks) == ("submitted", None, 0, 1)


def test_nothing_is_held_while_a_start_asks_a_chain_that_hangs(bench: Bench, hanging: HangingChain) -> None:
    with ThreadPoolExecutor(1) as pool:
        started = pool.submit(identity(bench, chain=hanging).settle)
        assert hanging.asked.wait(30)
        other = identity(bench)
        other.settle()
        assert other.settled and not started.done()
        hanging.let_go.set()
        started.result(30)


def test_a_look_that_comes_too_late_is_heard_by_nobody(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would speak for an absence from before what was seen since."""
    judged: list[object] = []
    monkeypatch.setattr(bounded, "CHAIN_S", 0.05)
    bench.timing = replace(USUAL, resend_s=0.0, ask_s=-60.0)
    monkeypatch.setattr(Cases, "judge", lambda _, *args: judged.append(args))
    chain, late, done = bench.chain(), threading.Event(), threading.Event()
    look = chain.look

    async def slow(*args: Any, **what: Any) -> Any:
        try:
            await asyncio.to_thread(late.wait, 60)
            return await look(*args, **what)
        finally:
            done.set()

    monkeypatch.setattr(chain, "look", slow)
    order = bench.place()
    execution = bench.execution(chain)
    execution.run(order.id)
    assert bench.order(order.id).status is Status.SUBMITTED
    assert done.wait(30)
    late.set()
    assert judged == []


def test_a_chain_that_stops_the_loop_is_told(bench: Bench) -> None:
    """It is broken: it waits without giving way, and nobody's order goes on. Only another process can."""
    chain, asked, let_go = bench.chain(), threading.Event(), threading.Event()

    async def stops(deadline_s: float) -> Anchor:
        asked.set()
        assert let_go.wait(60)  # that is the fault
        raise ChainUnavailable("stopped")

    chain.anchor = stops  # type: ignore[method-assign]
    execution = bench.execution(chain)
    order = bench.place()
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(execution.run, order.id)
        assert asked.wait(30)
        assert until(lambda: execution._loop.hang_s) <= execution.longest_s
        let_go.set()
        run.result(30)
    until(lambda: execution.longest_s == 0.0)


# What the database has forgotten.


def test_bytes_for_another_chain_are_not_asked_about_for_ever(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restore onto another ledger: it never comes to their height, or is past it at once."""
    bench.timing = replace(USUAL, ask_s=-60.0, resend_s=0.0)
    order = bench.place()
    bench.fault("chain", "drop", remaining=1)
    bench.execution().run(order.id)
    assert bench.swaps(order.id) == [(1, "signed")]
    doubt(bench, elsewhere=True, chain="another")
    bench.set(order.id, expires_at=bench.ago(seconds=10**6))
    chain = bench.chain()
    bench.execution(chain).run(order.id)
    ended = bench.order(order.id)
    assert (ended.status, ended.error and ended.error["code"]) == (Status.FAILED, "restored_unknown")
    assert chain.sent == []


def test_who_holds_an_order_by_a_forgotten_claim_moves_nothing(bench: Bench) -> None:
    """The fence that the claim had raised is given once more: it must not be that of the doubt."""
    order = bench.place()
    held = bench.to(bench.held(order.id), Status.ROUTING, Status.BUILDING, Status.SUBMITTED)
    bench.set(order.id, fence=held.fence - 1, lease_owner=None, lease_until=None)
    execute(bench, "DELETE FROM swaps")
    doubt(bench)
    assert bench.advance(held, Status.PENDING, swap_ended="lapsed") is None
    assert bench.order(order.id).status is Status.SUBMITTED


def test_an_anchor_from_before_a_second_doubt_ends_nothing(bench: Bench) -> None:
    """Between the anchor and the doubt more was signed, and forgotten as well."""
    order = bench.place()
    doubt(bench)
    chain = bench.chain()

    def again() -> None:
        doubt(bench)
        bench.clock.wind(s=1)

    chain.before_anchor = again
    execution = bench.execution(chain)
    execution.run(order.id)
    with bench.db.connect() as conn:
        assert conn.execute(text("SELECT last_height FROM doubts")).scalar_one() is None


def test_a_forgotten_landing_is_noticed_behind_a_newer_one(bench: Bench) -> None:
    """The newest one was stored before what is lost, and landed late."""
    identity(bench).settle()
    stored, forgotten = bench.place(), bench.place()
    bench.fault("chain", "late", remaining=1, ms=5000)
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(bench.run_to_end, bench.execution(), stored.id)
        until(lambda: bench.order(stored.id).status is Status.SUBMITTED or None)
        assert late.result(60).status is Status.CONFIRMED
    bench.clock.wind(s=10)
    assert bench.run_to_end(bench.execution(), forgotten.id).status is Status.CONFIRMED
    bench.clock.wind(s=10)
    newest_first = [fill.order_id for fill in now(bench.chain().fills(limit=10)).fills]
    older = newest_first[1]
    assert older is not None
    forget(bench, older, 1)
    identity(bench).settle()
    bench.execution().run(older)
    assert bench.trail(older) == CONFIRMED
    assert len(bench.ledgered(older)) == 1


def test_a_mark_that_moves_on_meanwhile_is_no_alarm(bench: Bench, tmp_path: Path) -> None:
    """Another process of the home writes it while this one waits for the chain."""
    mark = tmp_path / "mark"
    identity(bench, mark).settle()
    order = bench.place()
    chain = bench.chain()

    class Busy(HookedChain):
        async def fills(self, **what: Any) -> FillPage:
            server, timeline, flushed = json.loads(mark.read_text())
            mark.write_text(json.dumps([server, timeline, flushed + 2**30]))
            return await chain.fills(**what)

    identity(bench, mark, Busy(bench.ledger, clock=bench.clock)).settle()
    assert bench.order(order.id).status is Status.PENDING


# A venue that builds something else.


@pytest.mark.parametrize("what", ["block", "height"])
def test_a_swap_on_another_anchor_is_not_signed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """It could land after it was proven that it can't."""
    build = SimulatedVenue.build

    async def elsewhere(self: SimulatedVenue, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        if what == "height":
            built = await build(self, plan, anchor, deadline_s)
            return replace(built, last_valid_height=anchor.last_valid_height - 100)
        other = Anchor(str(Hash.new_unique()), anchor.last_valid_height)
        return await build(self, plan, other, deadline_s)

    monkeypatch.setattr(SimulatedVenue, "build", elsewhere)
    chain = bench.chain()
    order = bench.place()
    bench.execution(chain).run(order.id)
    found = bench.order(order.id)
    assert (found.status, found.attempt) == (Status.PENDING, 2)
    assert chain.sent == [] and bench.swaps(order.id) == []


def test_a_swap_that_is_not_what_was_planned_is_not_signed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = SimulatedVenue.build

    async def generous(self: SimulatedVenue, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        return await build(self, replace(plan, bound=1), anchor, deadline_s)

    monkeypatch.setattr(SimulatedVenue, "build", generous)
    order = bench.place()
    chain = bench.chain()
    found = bench.run_to_end(bench.execution(chain), order.id)
    # Each venue is asked once, and neither swap is signed.
    assert (found.status, found.error and found.error["code"]) == (Status.FAILED, "unsafe_swap")
    assert set(found.barred or ()) == {pool.venue for pool in simulated_market.POOLS}
    assert chain.sent == [] and bench.swaps(order.id) == [] and bench.ledgered(order.id) == []


def as_v0(content: bytes, payer: Keypair) -> bytes:
    """The same swap, of the same wallet or another, as a versioned message."""
    old = Message.from_bytes(content)
    (swap,) = old.instructions
    meta = AccountMeta(payer.pubkey(), is_signer=True, is_writable=True)
    program = old.account_keys[swap.program_id_index]
    instruction = Instruction(program, bytes(swap.data), [meta])
    made = MessageV0.try_compile(payer.pubkey(), [instruction], [], old.recent_blockhash)
    return to_bytes_versioned(made)


@pytest.mark.parametrize("ours", [True, False])
def test_a_versioned_message_is_executed_and_one_of_another_signer_is_not_even_stored(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, ours: bool
) -> None:
    build = SimulatedVenue.build
    payer = Keypair.from_seed(bytes(32) if ours else bytes([9] * 32))

    async def versioned(self: SimulatedVenue, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        legacy = await build(self, plan, anchor, deadline_s)
        return replace(legacy, message=as_v0(legacy.message, payer))

    monkeypatch.setattr(SimulatedVenue, "build", versioned)
    order = bench.place()
    chain = bench.chain()
    bench.run_to_end(bench.execution(chain), order.id)
    if ours:
        assert bench.trail(order.id) == CONFIRMED
        assert len(bench.ledgered(order.id)) == 1
    else:
        # Of one venue after the other, until none is left.
        refused = ["pending", "routing", "building"] * len(simulated_market.POOLS)
        assert bench.trail(order.id) == [*refused, "failed"]
        assert bench.events(order.id)[-1].data["error"]["code"] == "unsafe_swap"
        assert chain.sent == [] and bench.swaps(order.id) == [] and bench.ledgered(order.id) == []


# Many hands.


def test_orders_that_come_by_every_way_at_once_are_executed_once(bench: Bench) -> None:
    """Directly, by the queue, twice each, in two workers."""
    orders = [bench.place() for _ in range(12)]
    workers = [bench.execution(owner=owner) for owner in ("one", "two")]

    def run(execution: Any, order: Order) -> None:
        for _ in range(50):
            execution.run(order.id)
            if bench.order(order.id).finished_at is not None:
                return

    with ThreadPoolExecutor(16) as pool:
        for _ in [pool.submit(run, w, o) for o in orders for w in workers for _ in range(2)]:
            pass
    assert {len(bench.ledgered(o.id)) for o in orders} == {1}
    assert {tuple(bench.trail(o.id)) for o in orders} == {tuple(CONFIRMED)}


def test_one_key_from_many_of_whom_one_dies_halfway_is_one_order(bench: Bench) -> None:
    """Its connection is cut while it holds the key's lock, in the middle of what it stores."""
    pids: list[int] = []

    def accept(n: int) -> UUID | None:
        if n == 3:
            with bench.db.connect() as conn:
                pids.extend(
                    conn.execute(
                        text(
                            "SELECT pid FROM pg_stat_activity WHERE CASE WHEN pid <> pg_backend_pid()"
                            " AND state = 'active' AND datname = current_database()"
                            " THEN pg_terminate_backend(pid) END"
                        )
                    ).scalars()
                )
            return None
        # Whoever is cut off asks again, and may be cut off again.
        for _ in range(10):
            with suppress(OperationalError):
                return bench.place(key="one and the same").id
        raise AssertionError("no answer")

    for _ in range(5):
        with ThreadPoolExecutor(12) as pool:
            found = {order_id for order_id in pool.map(accept, range(24)) if order_id}
        assert len(found) == 1
    with bench.db.connect() as conn:
        assert conn.execute(text("SELECT count(*) FROM orders")).scalar_one() == 1


def test_a_slot_that_was_reaped_in_the_middle_of_a_send_makes_one_landing(bench: Bench) -> None:
    """The holder wakes up in its send after another one has sent, confirmed, or given up."""
    order = bench.place()
    one, two = bench.chain(), bench.chain()
    sending, go_on = threading.Event(), threading.Event()

    def frozen() -> None:
        sending.set()
        go_on.wait(60)

    one.before_submit = frozen
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(bench.execution(one, owner="frozen").run, order.id)
        assert sending.wait(30)
        bench.set(order.id, lease_until=bench.ago(seconds=1))
        bench.execution(two, owner="other").run(order.id)
        go_on.set()
        first.result(60)
    assert bench.trail(order.id) == CONFIRMED
    assert len(bench.ledgered(order.id)) == 1
    assert set(one.sent) <= set(two.sent)

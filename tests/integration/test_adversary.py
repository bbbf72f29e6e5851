"""A chain and a database at their worst: what must hold where a real one would cost money."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from oee_daemon.contract.status import Status
from oee_daemon.errors import ChainUnavailable, VenueRefused
from oee_daemon.networks import network_bounded
from oee_daemon.networks.chain import FillPage
from oee_daemon.networks.verdict import Cases
from oee_daemon.orders.swap import Anchor, Outcome, Quote, Rejected
from oee_daemon.store import halt_row
from oee_daemon.timing import USUAL
from tests.integration.test_identity import CONFIRMED, execute, forget, identity
from tests.integration.test_recall import doubt
from tests.kit.daemons import until
from tests.kit.engine import Bench
from tests.kit.hooked_chain import HookedChain
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


# Words that Postgres does not take.


def test_what_a_venue_or_a_chain_says_costs_no_other_its_answer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A NUL, or half of a character, in one venue's refusal would have stopped every order."""
    words = "no\0 route \ud800"
    execution = bench.execution()
    first, second, *_ = execution._outside._network.venues

    async def refuses(*_: Any) -> Quote:
        raise VenueRefused(words)

    async def rejects(*_: Any) -> Outcome:
        return Rejected("swap_failed", words, retryable=False)

    monkeypatch.setattr(first, "quote", refuses)
    order = bench.place()
    assert bench.run_to_end(execution, order.id).status is Status.CONFIRMED
    told = {a["venue"]: a for a in bench.events(order.id)[2].data["answers"]}
    assert (
        told[first.name]["error"]["message"] == "no\ufffd route \ufffd" and "error" not in told[second.name]
    )
    monkeypatch.setattr(execution._outside, "outcome", rejects)
    failed = bench.run_to_end(execution, bench.place().id)
    assert failed.status is Status.FAILED and failed.error is not None
    assert (failed.error["message"], failed.faults) == ("no\ufffd route \ufffd", 0)
    with bench.db.connect() as conn:
        assert halt_row.set_alone(conn, words, None).reason == "no\ufffd route \ufffd"


# A chain that hangs, fails, or answers too late.


def test_an_order_in_doubt_hangs_with_no_chain(
    bench: Bench, hanging: HangingChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_bounded, "CHAIN_S", 0.05)
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
    monkeypatch.setattr(network_bounded, "CHAIN_S", 0.05)
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
    assert bench.run_to_end(bench.execution(), stored.id).status is Status.CONFIRMED
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

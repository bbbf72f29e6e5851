"""The conformance suites over the simulated network, and that they catch what is broken.

A later network is one more rig here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from solders.transaction import VersionedTransaction
from sqlalchemy import Engine

from oee_daemon.contract.terms import SwapMode
from oee_daemon.errors import UnsafeSwap, VenueRefused
from oee_daemon.networks.chain import FillPage
from oee_daemon.networks.conformance import chain as chains
from oee_daemon.networks.conformance import venue as venues
from oee_daemon.networks.simulated.chain import SimulatedChain
from oee_daemon.networks.simulated.market import POOLS, RAYDIUM, Pool
from oee_daemon.networks.simulated.schema import sim_faults, sim_ledger
from oee_daemon.networks.simulated.venues import SimulatedVenue
from oee_daemon.networks.venue import Plan
from oee_daemon.networks.wallet import Wallet
from oee_daemon.orders.swap import Anchor, Fill, Landed, Look, Quote, QuoteRequest, SignedSwap, UnsignedSwap
from tests.kit.clock import FakeClock
from tests.networks.rigs import ChainRig, VenueRig


def named(check: Callable[..., None]) -> str:
    return check.__name__


@pytest.fixture(params=["postgres", "sqlite"])
def ledger(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue("db" if request.param == "postgres" else "ledger_file")
    return found


@pytest.mark.parametrize("check", chains.CHECKS, ids=named)
def test_the_simulated_chain_conforms(
    check: Callable[[chains.Rig], None], ledger: Engine, clock: FakeClock, wallet: Wallet
) -> None:
    check(ChainRig(ledger, clock, wallet))


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.venue)
@pytest.mark.parametrize("check", venues.CHECKS, ids=named)
def test_the_simulated_venues_conform(
    check: Callable[[venues.Rig], None], pool: Pool, ledger_file: Engine, clock: FakeClock, wallet: Wallet
) -> None:
    check(VenueRig(pool, ledger_file, clock, wallet))


# Broken on purpose, each in one way that a hurried adapter might bring.


class LandsTwice(SimulatedChain):
    """Bytes that are sent again land again, under another name."""

    def submit(self, swap: SignedSwap, deadline_s: float) -> None:
        append = self._ledger.append_if

        def always(row: dict[str, object], last: int) -> bool:
            if append(row, last):
                return True
            return append(row | {"signature": f"{row['signature']}+"}, last)

        self._ledger.append_if = always  # type: ignore[method-assign]
        try:
            super().submit(swap, deadline_s)
        finally:
            self._ledger.append_if = append  # type: ignore[method-assign]


class Forgets(SimulatedChain):
    """After some time what has landed is shown no more."""

    def look(self, swap: SignedSwap, wait_s: float = 0) -> list[Look]:
        return [
            replace(look, seen=None, final=False) if look.height > swap.last_valid_height else look
            for look in super().look(swap, wait_s)
        ]


class ShowsTooEarly(SimulatedChain):
    """What was merely seen is called final."""

    def look(self, swap: SignedSwap, wait_s: float = 0) -> list[Look]:
        fill = Fill(
            signature=swap.signature, input_mint="", output_mint="", amount_in=1, amount_out=1, fee=None,
            slot=0, at=datetime.now(UTC),
        )  # fmt: skip
        return [replace(look, seen=Landed(fill), final=True) for look in super().look(swap, wait_s)]


class TakesWhatHasLapsed(SimulatedChain):
    """It lets in whatever comes, however old."""

    def submit(self, swap: SignedSwap, deadline_s: float) -> None:
        append = self._ledger.append_if
        self._ledger.append_if = lambda row, last: append(row, 2**40)  # type: ignore[method-assign]
        height = self.height
        self.height = lambda **_: 0  # type: ignore[method-assign]
        try:
            super().submit(swap, deadline_s)
        finally:
            self.height = height  # type: ignore[method-assign]
            self._ledger.append_if = append  # type: ignore[method-assign]


class TellsFillsTwice(SimulatedChain):
    """A page begins with the last fill of the page before."""

    def fills(self, *, limit: int, before: str | None = None) -> FillPage:
        page = super().fills(limit=limit, before=before)
        again = [] if before is None else [self.fill(before)]
        return replace(page, fills=[*filter(None, again), *page.fills][:limit])


class LosesFills(SimulatedChain):
    """The last fill of each full page is left out."""

    def fills(self, *, limit: int, before: str | None = None) -> FillPage:
        page = super().fills(limit=limit, before=before)
        return page if page.before is None else replace(page, fills=page.fills[:-1])


class TellsWrongAmounts(SimulatedChain):
    def fill(self, signature: str) -> Fill | None:
        found = super().fill(signature)
        return found and replace(found, amount_out=found.amount_out + 1)


class TrustsAnybody(SimulatedChain):
    """It mends a broken signature's row by the signature that was claimed, and lands it."""

    def submit(self, swap: SignedSwap, deadline_s: float) -> None:
        try:
            VersionedTransaction.from_bytes(swap.raw)
        except Exception:
            return
        row = {"signature": swap.signature, "state": "landed", "slot": 1, "visible_ms": 0}
        amounts = {"amount_in": "1", "amount_out": "1", "input_token": "", "output_token": "", "fee": "0"}
        self._ledger.append(row | amounts, 2**40)


CHAINS = (
    LandsTwice, Forgets, ShowsTooEarly, TakesWhatHasLapsed, TellsFillsTwice, LosesFills, TellsWrongAmounts,
    TrustsAnybody,
)  # fmt: skip


def caught(checks: Sequence[Callable[..., None]], rig: Callable[[], object]) -> bool:
    for check in checks:
        try:
            check(rig())
        except (AssertionError, UnsafeSwap):
            return True
    return False


@pytest.mark.parametrize("kind", CHAINS)
def test_a_broken_chain_is_caught(
    kind: type[SimulatedChain], ledger_file: Engine, clock: FakeClock, wallet: Wallet
) -> None:
    def emptied() -> ChainRig:
        with ledger_file.connect() as conn:
            conn.execute(sim_ledger.delete())
            conn.execute(sim_faults.delete())
        return ChainRig(ledger_file, clock, wallet, kind)

    assert caught(chains.CHECKS, emptied)


class Rounds(SimulatedVenue):
    """The exact side is off by a unit."""

    def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        found = super().quote(request, deadline_s)
        return replace(found, amount_in=found.amount_in - 1)


class TakesItsTime(SimulatedVenue):
    def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        return super().quote(request, deadline_s + 10)


class HopesForBetter(SimulatedVenue):
    """What can never be filled is worth another try."""

    def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        try:
            return super().quote(request, deadline_s)
        except VenueRefused as e:
            raise VenueRefused(e.message, code=e.code, retryable=True) from None


class HidesItsFee(SimulatedVenue):
    def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        return replace(super().quote(request, deadline_s), fee=0)


class BuildsLooser(SimulatedVenue):
    """The bound in the swap is not the plan's."""

    def build(self, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        return super().build(replace(plan, bound=1), anchor, deadline_s)


class BuildsElsewhere(SimulatedVenue):
    """The swap can land for longer than it says."""

    def build(self, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        built = super().build(plan, anchor, deadline_s)
        return replace(built, last_valid_height=built.last_valid_height - 50)


class Remembers(SimulatedVenue):
    """What it builds depends on what only this process knows."""

    def build(self, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        impact = plan.quote.price_impact_bps
        if impact is None:
            plan = replace(plan, quote=replace(plan.quote, fee=(plan.quote.fee or 0) + 1))
        return super().build(plan, anchor, deadline_s)


VENUES = (Rounds, TakesItsTime, HopesForBetter, HidesItsFee, BuildsLooser, BuildsElsewhere, Remembers)


@pytest.mark.parametrize("kind", VENUES)
def test_a_broken_venue_is_caught(
    kind: type[SimulatedVenue], ledger_file: Engine, clock: FakeClock, wallet: Wallet
) -> None:
    assert caught(venues.CHECKS, lambda: VenueRig(RAYDIUM, ledger_file, clock, wallet, kind))


def test_what_a_rig_can_not_do_is_left_out_and_nothing_else(
    ledger_file: Engine, clock: FakeClock, wallet: Wallet
) -> None:
    rig = VenueRig(RAYDIUM, ledger_file, clock, wallet)
    assert venues.modes(rig) == list(SwapMode)
    rig.can = frozenset()
    assert venues.modes(rig) == [SwapMode.EXACT_IN]

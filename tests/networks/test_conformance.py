"""The conformance suites over the simulated network, and that they catch what is broken.

A later network is one more rig here.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
from solders.transaction import VersionedTransaction
from sqlalchemy import Engine

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.errors import UnsafeSwap, VenueRefused
from oee_daemon.networks.chain import FillPage
from oee_daemon.networks.conformance import chain_suite as chains
from oee_daemon.networks.conformance import venue_suite as venues
from oee_daemon.networks.simulated.simulated_chain import SimulatedChain
from oee_daemon.networks.simulated.simulated_market import POOLS, RAYDIUM, Pool
from oee_daemon.networks.simulated.simulated_venues import SimulatedVenue
from oee_daemon.networks.venue import Plan
from oee_daemon.networks.wallet import Wallet
from oee_daemon.orders.swap import Anchor, Fill, Landed, Look, Quote, QuoteRequest, SignedSwap, UnsignedSwap
from tests.kit.clock import FakeClock
from tests.kit.now import now
from tests.kit.simulated_tables import sim_faults, sim_ledger
from tests.networks.rigs import ChainRig, VenueRig

R = TypeVar("R")
Check = Callable[[R], Coroutine[Any, Any, None]]


def named(check: Callable[..., None]) -> str:
    return check.__name__


@pytest.fixture(params=["postgres", "sqlite"])
def ledger(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue("empty_db" if request.param == "postgres" else "ledger_file")
    return found


@pytest.mark.parametrize("check", chains.CHECKS, ids=named)
def test_the_simulated_chain_conforms(
    check: Check[chains.Rig], ledger: Engine, clock: FakeClock, wallet: Wallet
) -> None:
    now(check(ChainRig(ledger, clock, wallet)))


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.venue)
@pytest.mark.parametrize("check", venues.CHECKS, ids=named)
def test_the_simulated_venues_conform(
    check: Check[venues.Rig], pool: Pool, ledger_file: Engine, clock: FakeClock, wallet: Wallet
) -> None:
    now(check(VenueRig(pool, ledger_file, clock, wallet)))


# Broken on purpose, each in one way that a hurried adapter might bring.


class LandsTwice(SimulatedChain):
    """Bytes that are sent again land again, under another name."""

    async def submit(self, swap: SignedSwap, deadline_s: float) -> None:
        append = self._ledger.append

        async def always(row: dict[str, object], last: int) -> bool:
            if await append(row, last):
                return True
            return await append(row | {"signature": f"{row['signature']}+"}, last)

        self._ledger.append = always  # type: ignore[method-assign]
        try:
            await super().submit(swap, deadline_s)
        finally:
            self._ledger.append = append  # type: ignore[method-assign]


class Forgets(SimulatedChain):
    """After some time what has landed is shown no more."""

    async def look(self, swap: SignedSwap, wait_s: float = 0) -> list[Look]:
        return [
            replace(look, seen=None, final=False) if look.height > swap.last_valid_height else look
            for look in await super().look(swap, wait_s)
        ]


class ShowsTooEarly(SimulatedChain):
    """What was merely seen is called final."""

    async def look(self, swap: SignedSwap, wait_s: float = 0) -> list[Look]:
        fill = Fill(
            signature=swap.signature, input_mint="", output_mint="", amount_in=1, amount_out=1, fee=None,
            slot=0, at=datetime.now(UTC),
        )  # fmt: skip
        return [replace(look, seen=Landed(fill), final=True) for look in await super().look(swap, wait_s)]


class TakesWhatHasLapsed(SimulatedChain):
    """It lets in whatever comes, however old."""

    async def submit(self, swap: SignedSwap, deadline_s: float) -> None:
        async def young(**_: int) -> int:
            await self._begun_ms()
            return 0

        append = self._ledger.append
        self._ledger.append = lambda row, last: append(row, 2**40)  # type: ignore[method-assign]
        height = self.height
        self.height = young  # type: ignore[method-assign]
        try:
            await super().submit(swap, deadline_s)
        finally:
            self.height = height  # type: ignore[method-assign]
            self._ledger.append = append  # type: ignore[method-assign]


class TellsFillsTwice(SimulatedChain):
    """A page begins with the last fill of the page before."""

    async def fills(
        self, *, limit: int, before: str | None = None, mints: Sequence[str] = (), urgent: bool = True
    ) -> FillPage:
        page = await super().fills(limit=limit, before=before, mints=mints, urgent=urgent)
        again = [] if before is None else [await self.fill(before)]
        return replace(page, fills=[*filter(None, again), *page.fills][:limit])


class LosesFills(SimulatedChain):
    """The last fill of each full page is left out."""

    async def fills(
        self, *, limit: int, before: str | None = None, mints: Sequence[str] = (), urgent: bool = True
    ) -> FillPage:
        page = await super().fills(limit=limit, before=before, mints=mints, urgent=urgent)
        return page if page.before is None else replace(page, fills=page.fills[:-1])


class TellsWrongAmounts(SimulatedChain):
    async def fill(self, signature: str, mints: Sequence[str] = ()) -> Fill | None:
        found = await super().fill(signature, mints)
        return found and replace(found, amount_out=found.amount_out + 1)


class TrustsAnybody(SimulatedChain):
    """It mends a broken signature's row by the signature that was claimed, and lands it."""

    async def submit(self, swap: SignedSwap, deadline_s: float) -> None:
        try:
            VersionedTransaction.from_bytes(swap.raw)
        except Exception:
            return
        row = {"signature": swap.signature, "state": "landed", "slot": 1, "visible_ms": 0}
        amounts = {"amount_in": "1", "amount_out": "1", "input_token": "", "output_token": "", "fee": "0"}
        await self._ledger.append(row | amounts, 2**40)


CHAINS = (
    LandsTwice, Forgets, ShowsTooEarly, TakesWhatHasLapsed, TellsFillsTwice, LosesFills, TellsWrongAmounts,
    TrustsAnybody,
)  # fmt: skip


def caught(checks: Sequence[Check[Any]], rig: Callable[[], object]) -> bool:
    for check in checks:
        try:
            now(check(rig()))
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

    async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        found = await super().quote(request, deadline_s)
        return replace(found, amount_in=found.amount_in - 1)


class TakesItsTime(SimulatedVenue):
    async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        return await super().quote(request, deadline_s + 10)


class HopesForBetter(SimulatedVenue):
    """What can never be filled is worth another try."""

    async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        try:
            return await super().quote(request, deadline_s)
        except VenueRefused as e:
            raise VenueRefused(e.message, code=e.code, retryable=True) from None


class HidesItsFee(SimulatedVenue):
    async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        return replace(await super().quote(request, deadline_s), fee=0)


class BuildsLooser(SimulatedVenue):
    """The bound in the swap is not the plan's."""

    async def build(self, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        return await super().build(replace(plan, bound=1), anchor, deadline_s)


class BuildsElsewhere(SimulatedVenue):
    """The swap can land for longer than it says."""

    async def build(self, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        built = await super().build(plan, anchor, deadline_s)
        return replace(built, last_valid_height=built.last_valid_height - 50)


class Remembers(SimulatedVenue):
    """What it builds depends on what only this process knows."""

    async def build(self, plan: Plan, anchor: Anchor, deadline_s: float) -> UnsignedSwap:
        impact = plan.quote.price_impact_bps
        if impact is None:
            plan = replace(plan, quote=replace(plan.quote, fee=(plan.quote.fee or 0) + 1))
        return await super().build(plan, anchor, deadline_s)


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

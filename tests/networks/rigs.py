"""The simulated network as the conformance suites ask for it: a held clock, and the ledger for the truth."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

from sqlalchemy import URL, Engine, func, insert, select

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.networks.conformance import chain_suite as chains
from oee_daemon.networks.conformance import venue_suite as venues
from oee_daemon.networks.simulated.simulated_chain import SLOT_MS, SimulatedChain
from oee_daemon.networks.simulated.simulated_faults import Faults
from oee_daemon.networks.simulated.simulated_guard import SimulatedGuard
from oee_daemon.networks.simulated.simulated_market import RAYDIUM, Pool
from oee_daemon.networks.simulated.simulated_venues import SimulatedVenue
from oee_daemon.networks.venue import Plan
from oee_daemon.networks.verdict import MARGIN_BLOCKS, VALID_BLOCKS
from oee_daemon.networks.wallet import Wallet
from oee_daemon.orders.swap import Anchor, Quote, QuoteRequest, SignedSwap
from oee_daemon.orders.tokens import TOKENS
from oee_daemon.store.postgres_line import Line
from tests.kit.clock import FakeClock
from tests.kit.simulated_tables import sim_faults, sim_ledger

#: Milliseconds; odd on purpose, so that no wait is right by chance.
CONFIRM_MS = 457


def request_of(mode: SwapMode, amount: int = 10**9, *, number: int = 1, attempt: int = 1) -> QuoteRequest:
    given, taken = ("SOL", "USDC") if mode is SwapMode.EXACT_IN else ("USDC", "SOL")
    return QuoteRequest(
        input_token=TOKENS[given],
        output_token=TOKENS[taken],
        amount=amount,
        mode=mode,
        number=number,
        attempt=attempt,
    )


#: The last line to each database. It ends with that.
_lines: dict[URL, Line] = {}


def line_to(ledger: Engine) -> Line | None:
    """By which a ledger in Postgres is asked: one for all tests, unless another's is in the air."""
    if ledger.dialect.name != "postgresql":
        return None
    found = _lines.get(ledger.url)
    if found is None or found._busy or found._closed:
        found = _lines[ledger.url] = Line(ledger.url)
    return found


class ChainRig:
    """`kind`: the class of chain under test, which may be a broken one."""

    can = frozenset(chains.Can)

    def __init__(
        self, ledger: Engine, clock: FakeClock, wallet: Wallet, kind: type[SimulatedChain] = SimulatedChain
    ) -> None:
        self.ledger, self.clock, self.wallet, self._kind = ledger, clock, wallet, kind
        self._line = line_to(ledger)
        faults = Faults(ledger, self._line)
        self._venue = SimulatedVenue(RAYDIUM, seed=0, latency_ms=0, faults=faults, clock=clock)
        self._numbers = itertools.count(1)
        self.chain = self.reopen()

    def reopen(self) -> SimulatedChain:
        return self._kind(
            self.ledger,
            seed=0,
            failure_rate=Decimal(0),
            confirm_ms=CONFIRM_MS,
            clock=self.clock,
            line=self._line,
        )

    async def swap(self, *, fails: bool = False) -> SignedSwap:
        request = request_of(SwapMode.EXACT_IN, number=next(self._numbers))
        quote = Quote(venue="raydium", amount_in=10**9, amount_out=7, fee=3)
        # A bound that its own amounts don't keep.
        plan = Plan(
            order_id=uuid4(), request=request, quote=quote, bound=7 + fails, payer=self.wallet.address
        )
        anchor = await self.chain.anchor(chains.DEADLINE_S)
        unsigned = await self._venue.build(plan, anchor, chains.DEADLINE_S)
        return self.wallet.sign(unsigned, plan.order_id, 1)

    def pass_time(self, seconds: float) -> None:
        self.clock.wind(ms=round(seconds * 1000))

    def lapse(self, swap: SignedSwap) -> None:
        self.clock.wind(ms=(VALID_BLOCKS + MARGIN_BLOCKS + 2) * SLOT_MS)

    def drop(self) -> None:
        with self.ledger.connect() as conn:
            conn.execute(insert(sim_faults).values(target="chain", kind="drop", remaining=1))

    def truth(self) -> Sequence[tuple[str, int, int]]:
        found = select(sim_ledger.c.signature, sim_ledger.c.amount_in, sim_ledger.c.amount_out)
        with self.ledger.connect() as conn:
            rows = conn.execute(found.where(sim_ledger.c.state == "landed"))
            return [(signature, int(given), int(taken)) for signature, given, taken in rows]


class VenueRig:
    """`kind`: the class of venue under test, which may be a broken one."""

    can = frozenset(venues.Can)
    guard = SimulatedGuard()

    def __init__(
        self,
        pool: Pool,
        ledger: Engine,
        clock: FakeClock,
        wallet: Wallet,
        kind: type[SimulatedVenue] = SimulatedVenue,
    ) -> None:
        self._ledger, self._clock, self.wallet = ledger, clock, wallet
        self._chain = SimulatedChain(
            ledger, seed=0, failure_rate=Decimal(0), confirm_ms=CONFIRM_MS, clock=clock
        )
        self.venue = kind(pool, seed=7, latency_ms=200, faults=Faults(ledger), clock=clock)

    async def anchor(self) -> Anchor:
        self._clock.wind(ms=SLOT_MS)
        return await self._chain.anchor(venues.DEADLINE_S)

    def request(self, mode: SwapMode, amount: int | None = None) -> QuoteRequest:
        return request_of(mode) if amount is None else replace(request_of(mode), amount=amount)

    def seconds(self) -> float:
        return self._clock.now_ms() / 1000

    def effects(self) -> int:
        with self._ledger.connect() as conn:
            return int(conn.execute(select(func.count()).select_from(sim_ledger)).scalar_one())

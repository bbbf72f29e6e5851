"""A simulated chain on a clock that is held, and ways to make it suffer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TypeVar
from uuid import uuid4

from sqlalchemy import Engine, func, insert, select

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.simulated.simulated_chain import (
    SLOT_MS,
    VALID_SLOTS,
    SimulatedChain,
)
from oee_daemon.networks.simulated.simulated_faults import Faults
from oee_daemon.networks.simulated.simulated_market import RAYDIUM
from oee_daemon.networks.simulated.simulated_venues import SimulatedVenue
from oee_daemon.networks.venue import Plan
from oee_daemon.networks.verdict import APART_BLOCKS, MARGIN_BLOCKS, Cases
from oee_daemon.networks.wallet import Wallet
from oee_daemon.orders.swap import (
    Anchor,
    Fill,
    Lapsed,
    Outcome,
    Quote,
    QuoteRequest,
    SignedSwap,
)
from oee_daemon.orders.tokens import TOKENS
from tests.kit.clock import FakeClock
from tests.kit.now import now
from tests.kit.simulated_tables import sim_faults, sim_ledger
from tests.networks.rigs import line_to

T = TypeVar("T")

DEADLINE_S = 4.0

#: Milliseconds; odd on purpose, so that no wait is right by chance.
CONFIRM_MS = 457
#: Until the last height at which a swap can land is over.
LIFETIME_MS = (VALID_SLOTS + 1) * SLOT_MS
#: Until its absence means something.
PAST_MS = LIFETIME_MS + MARGIN_BLOCKS * SLOT_MS


class Bench:
    """One chain with what it takes to send it something."""

    def __init__(self, ledger: Engine, clock: FakeClock, wallet: Wallet) -> None:
        self.ledger = ledger
        self.clock = clock
        self.wallet = wallet
        self.line = line_to(ledger)
        faults = Faults(ledger, self.line)
        self.venue = SimulatedVenue(RAYDIUM, seed=0, latency_ms=0, faults=faults, clock=clock)
        self.chain = self.open_chain()
        self.cases = Cases(self.chain.nodes)

    def outcome(self, swap: SignedSwap, wait_s: float = 0, *, chain: SimulatedChain | None = None) -> Outcome:
        """As the engine has it of one more round of looks."""
        return self.cases.judge(swap, now((chain or self.chain).look(swap, wait_s)))

    def lapses(self, swap: SignedSwap, *, chain: SimulatedChain | None = None) -> bool:
        """Whether it is proven never to land, by two looks at the time when that can be known."""
        self.outcome(swap, chain=chain)
        self.clock.wind(ms=APART_BLOCKS * SLOT_MS)
        return self.outcome(swap, chain=chain) == Lapsed()

    def open_chain(self, *, failure_rate: str = "0", confirm_ms: int = CONFIRM_MS) -> SimulatedChain:
        rate = Decimal(failure_rate)
        return SimulatedChain(
            self.ledger, seed=0, failure_rate=rate, confirm_ms=confirm_ms, clock=self.clock, line=self.line
        )

    def swap(
        self,
        *,
        anchor: Anchor | None = None,
        number: int = 1,
        mode: SwapMode = SwapMode.EXACT_IN,
        bound_off: int = 0,
    ) -> SignedSwap:
        """A signed swap of a new order; `bound_off`: how much stricter than its quote the bound is."""
        given, taken = ("SOL", "USDC") if mode is SwapMode.EXACT_IN else ("USDC", "SOL")
        request = QuoteRequest(
            input_token=TOKENS[given], output_token=TOKENS[taken], amount=10**9, mode=mode, number=number
        )
        quote = Quote(venue="raydium", amount_in=10**9, amount_out=7, fee=3, price_impact_bps=0)
        exact_in = mode is SwapMode.EXACT_IN
        bound = quote.amount_out + bound_off if exact_in else quote.amount_in - bound_off
        order_id = uuid4()
        plan = Plan(order_id=order_id, request=request, quote=quote, bound=bound, payer=self.wallet.address)
        unsigned = now(self.venue.build(plan, anchor or now(self.chain.anchor(DEADLINE_S)), DEADLINE_S))
        return self.wallet.sign(unsigned, order_id, 1)

    def landed(self) -> int:
        """Rows that moved money."""
        found = select(func.count()).where(sim_ledger.c.state == "landed")
        with self.ledger.connect() as conn:
            return int(conn.execute(found).scalar_one())

    def fault(self, kind: str, target: str = "chain", **what: int) -> int:
        with self.ledger.connect() as conn:
            result = conn.execute(insert(sim_faults).values(target=target, kind=kind, **what))
            key = result.inserted_primary_key
            assert key is not None
            return int(key[0])

    def remaining(self, fault: int) -> int:
        with self.ledger.connect() as conn:
            return int(
                conn.execute(select(sim_faults.c.remaining).where(sim_faults.c.id == fault)).scalar_one()
            )

    def fills(self, limit: int) -> list[Fill]:
        """All of them, page by page."""
        found: list[Fill] = []
        before = None
        while True:
            page = now(self.chain.fills(limit=limit, before=before))
            assert 0 < len(page.fills) <= limit or (before is None and not page.fills)
            found += page.fills
            before = page.before
            if before is None:
                return found


def at_once(times: int, what: Callable[[], T]) -> list[T | ChainUnavailable]:
    """What `times` threads get that do it at the same moment."""
    together = threading.Barrier(times)

    def one() -> T | ChainUnavailable:
        together.wait(30)
        try:
            return what()
        except ChainUnavailable as e:
            return e

    with ThreadPoolExecutor(times) as pool:
        return [f.result(60) for f in [pool.submit(one) for _ in range(times)]]

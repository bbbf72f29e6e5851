"""The paper network as the conformance suites ask for it: a held clock, a venue whose price a test sets, and
the tables for the truth."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine, text

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.errors import VenueLate
from oee_daemon.networks.conformance import chain_suite as chains
from oee_daemon.networks.paper.paper_chain import EXPECTED_S, SLOT_MS, PaperChain
from oee_daemon.networks.paper.paper_ledger import Ledger
from oee_daemon.networks.paper.paper_swap import PaperSwap, PaperWallet, unsigned_of
from oee_daemon.networks.venue import Plan
from oee_daemon.networks.verdict import MARGIN_BLOCKS, VALID_BLOCKS, Cases
from oee_daemon.orders.swap import Outcome, Quote, QuoteRequest, SignedSwap
from oee_daemon.orders.tokens import TOKENS
from tests.kit.clock import FakeClock
from tests.kit.now import now

SOL, USDC = TOKENS["SOL"], TOKENS["USDC"]
#: What the network takes of each swap here, lamports: odd on purpose.
FEE = 7_013
BEGUN_WITH = {SOL.mint: 100 * 10**9, USDC.mint: 10_000 * 10**6}


@dataclass
class Market:
    """What the venue says at a landing: so much USDC for a SOL, or nothing. `asked`: what it was asked."""

    price: int | None = 100
    asked: list[PaperSwap] = field(default_factory=list)

    async def requote(self, swap: PaperSwap, deadline_s: float) -> Quote:
        self.asked.append(swap)
        if self.price is None:
            raise VenueLate("raydium did not answer.")
        if swap.mode is SwapMode.EXACT_IN:
            return Quote(venue=swap.venue, amount_in=swap.amount, amount_out=swap.amount * self.price // 1000)
        return Quote(venue=swap.venue, amount_in=swap.amount * self.price // 1000, amount_out=swap.amount)


class PaperRig:
    """`kind`: the class of chain under test, which may be a broken one."""

    can = frozenset(chains.Can) - {chains.Can.DROP}

    def __init__(self, ledger: Engine, clock: FakeClock, kind: type[PaperChain] = PaperChain) -> None:
        self.tables, self.clock, self._kind = ledger, clock, kind
        self.market = Market()
        self._numbers = itertools.count(1)
        self.wallet = PaperWallet()
        self.chain = self.reopen()
        self.cases = Cases(self.chain.nodes)

    def reopen(self) -> PaperChain:
        self.ledger = Ledger(self.tables, BEGUN_WITH)
        return self._kind(self.ledger, self.market.requote, self.clock)

    async def swap(self, *, fails: bool = False, order: UUID | None = None, **what: Any) -> SignedSwap:
        plan = plan_of(order or uuid4(), **what)
        if fails:
            # A bound that the price does not keep.
            plan = Plan(
                order_id=plan.order_id, request=plan.request, quote=plan.quote, bound=plan.bound * 2,
                payer=plan.payer,
            )  # fmt: skip
        unsigned = unsigned_of(plan, await self.chain.anchor(chains.DEADLINE_S), FEE)
        return self.wallet.sign(unsigned, plan.order_id, 1)

    def pass_time(self, seconds: float) -> None:
        self.clock.wind(ms=round(seconds * 1000))

    def lapse(self, swap: SignedSwap) -> None:
        self.clock.wind(ms=(VALID_BLOCKS + MARGIN_BLOCKS + 2) * SLOT_MS)

    def drop(self) -> None:
        raise NotImplementedError

    def truth(self) -> Sequence[tuple[str, int, int]]:
        found = "SELECT signature, amount_in, amount_out FROM paper_ledger WHERE state = 'landed'"
        with self.tables.connect() as conn:
            return [(s, int(given), int(taken)) for s, given, taken in conn.execute(text(found))]

    def held(self) -> dict[str, int]:
        with self.tables.connect() as conn:
            return {m: int(u) for m, u in conn.execute(text("SELECT mint, units FROM paper_balance"))}

    def outcome(self, swap: SignedSwap, wait_s: float = 0) -> Outcome:
        return self.cases.judge(swap, now(self.chain.look(swap, wait_s)))

    def land(self, swap: SignedSwap) -> Outcome:
        """Sends it, and winds to the moment of its landing."""
        now(self.chain.submit(swap, chains.DEADLINE_S))
        self.clock.wind(ms=round(EXPECTED_S * 1000))
        return self.outcome(swap)


def plan_of(
    order_id: UUID, *, amount: int = 10**9, mode: SwapMode = SwapMode.EXACT_IN, bound: int | None = None
) -> Plan:
    """Sells SOL, or buys it; `bound`: by default what the market's first price gives, to the unit."""
    given, taken = (SOL, USDC) if mode is SwapMode.EXACT_IN else (USDC, SOL)
    request = QuoteRequest(input_token=given, output_token=taken, amount=amount, mode=mode)
    other = amount // 10
    sides = (amount, other) if mode is SwapMode.EXACT_IN else (other, amount)
    quote = Quote(venue="raydium", amount_in=sides[0], amount_out=sides[1])
    return Plan(
        order_id=order_id,
        request=request,
        quote=quote,
        bound=other if bound is None else bound,
        payer="paper",
    )

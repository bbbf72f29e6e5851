"""A way on which accounts are made that the wallet can't pay for, where another one makes none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from oee_daemon.contract.status import Status
from oee_daemon.engine import engine_quotes
from oee_daemon.engine.engine_order_checks import OrderChecks
from oee_daemon.engine.engine_token_desk import TokenDesk
from oee_daemon.fault_log import FaultLog
from oee_daemon.networks.network import Network
from oee_daemon.orders.swap import Quote, QuoteRequest, Toll
from tests.integration.test_order_checks import RICH, MadeUp, made_up
from tests.kit.engine import Bench

__all__ = ["made_up"]


@dataclass
class Opening:
    """A venue on whose way an account is made."""

    venue: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.venue, name)

    async def quote(self, request: QuoteRequest, deadline_s: float) -> Quote:
        found: Quote = await self.venue.quote(request, deadline_s)
        return replace(found, toll=Toll(("pool",), opens=("kept",)))


@pytest.mark.parametrize("slippage_bps", [1000, 0])
def test_where_the_wallet_cannot_pay_accounts_on_the_best_way_another_one_is_taken(
    bench: Bench, made_up: MadeUp, monkeypatch: pytest.MonkeyPatch, slippage_bps: int
) -> None:
    """The order ended, for good, though another venue took it for hardly more; not for any price, though."""
    order = bench.place(amount=10**9)
    best = bench.run_to_end(bench.execution(), order.id).venue
    plain = bench.network

    def network(chain: Any) -> Network:
        found = plain(chain)
        venues = [Opening(venue) if venue.name == best else venue for venue in found.venues]
        return replace(found, venues=venues)

    monkeypatch.setattr(bench, "network", network)
    made_up.nodes = [(10**9 + 100_000 + 3_000_000 + 1_999_999, RICH)]
    order = bench.place(amount=10**9, slippage_bps=slippage_bps)
    seen = bench.network(bench.chain())
    checks = OrderChecks(seen, TokenDesk(bench.db, seen), FaultLog())
    answers = bench.loop.run(engine_quotes.ask(seen.venues, engine_quotes.request_of(order, seen.tokens)))
    said = bench.loop.run(checks.courtesy_of(order, answers))
    assert (None if said is None else said.code) == (None if slippage_bps else "insufficient_funds")
    found = bench.run_to_end(bench.execution(), order.id)
    if slippage_bps:
        assert (found.status, found.attempt) == (Status.CONFIRMED, 1) and found.venue != best
    else:
        assert (found.status, found.error and found.error["code"]) == (Status.FAILED, "insufficient_funds")

"""The order object of an order that was checked and not placed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from oee_daemon.api import order_wire
from oee_daemon.contract.order_types import OrderType
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.orders.terms import terms_of
from oee_daemon.orders.tokens import TOKENS


def test_a_dry_run_tells_the_times_that_were_given() -> None:
    begins = datetime(2099, 12, 1, 9, tzinfo=UTC)
    given = {"input_token": TOKENS["USDC"], "output_token": TOKENS["SOL"], "amount": 10**6}
    given |= {"type": OrderType.LIMIT, "target_price": Decimal(130)}
    given |= {"launch_at": begins, "good_until": begins + timedelta(days=1)}
    draft = order_wire.draft_json(terms_of(given), "simulated", TokenBook("simulated", TOKENS.values()))
    assert draft["launchTime"] == "2099-12-01T09:00:00.000000Z"
    assert draft["expiresAt"] == "2099-12-02T09:00:00.000000Z"

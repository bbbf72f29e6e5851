"""What is said of an order that waits where no venue has a price of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from oee_daemon.contract.order_types import OrderType
from oee_daemon.engine.placing import Placing
from oee_daemon.errors import Refused, VenueError, VenueLate, VenueRefused
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.orders.terms import terms_of
from oee_daemon.orders.tokens import TOKENS
from tests.kit.now import now


@pytest.mark.parametrize(
    ("said", "status", "hint"),
    [
        (VenueLate("jupiter can't be reached."), 409, "oee doctor"),
        (VenueRefused("jupiter has no pool of it."), 422, "smaller amount"),
    ],
)
def test_no_amount_is_blamed_for_venues_that_nobody_reaches(said: VenueError, status: int, hint: str) -> None:
    async def nothing(*_: Any) -> None:
        return None

    async def answer(*_: Any) -> None:
        raise said

    prices, venue = SimpleNamespace(firm=nothing), SimpleNamespace(name="jupiter", quote=answer)
    network = SimpleNamespace(
        name="paper", tokens=TokenBook("paper", TOKENS.values()), listings=None, prices=prices, venues=[venue]
    )
    tokens = {"input_token": TOKENS["SOL"], "output_token": TOKENS["USDC"]}
    terms = terms_of({"type": OrderType.STOP, "amount": 10**9, "trail_bps": 300} | tokens)
    with pytest.raises(Refused) as refused:
        now(Placing(cast(Any, network)).armed(terms))
    assert (refused.value.code, refused.value.status) == ("no_price", status)
    assert said.message in refused.value.message and hint in str(refused.value.hint)

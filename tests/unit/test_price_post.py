"""How often prices are looked at: the nearer an order is to its price, the oftener."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from oee_daemon.engine import engine_conditions_met
from oee_daemon.engine.engine_price_post import Post, looks_between
from oee_daemon.networks.prices import Price, Watched
from oee_daemon.orders.conditions import PRICED, Rule
from oee_daemon.orders.tokens import TOKENS

PRICE = Price(bid=Decimal(100), ask=Decimal(101), slot=1, age_s=0.0, bid_venue="raydium", ask_venue="meteora")


def post(trails: bool = False, good: Price | None = PRICE, **nearest: str) -> Post:
    base, quote = TOKENS["SOL"], TOKENS["USDC"]
    prices: dict[Rule, Any] = dict.fromkeys(PRICED)
    prices |= {Rule[name.upper()]: Decimal(price) for name, price in nearest.items()}
    return Post(Watched("a/b", base, quote), prices, trails, good=good)


@pytest.mark.parametrize(
    ("nearest", "looks"),
    [
        ({"sell_limit": "100.5"}, 1),
        ({"sell_limit": "100.51"}, 2),
        ({"sell_limit": "103"}, 2),
        ({"sell_limit": "103.01"}, 4),
        ({"sell_stop": "97"}, 2),
        ({"sell_stop": "96.9"}, 4),
        # Of what is bought the ask counts.
        ({"buy_limit": "100.5"}, 1),
        ({"buy_stop": "104"}, 2),
        ({"buy_stop": "104.1"}, 4),
        # The nearest decides; what is reached is not far, however far it is past its price.
        ({"sell_limit": "150", "sell_stop": "99.6"}, 1),
        ({"sell_limit": "50"}, 1),
        # So is what a stop without a worst price waits for, behind which a sell limit may be near.
        ({"sell_limit": "0", "sell_stop": "50"}, 1),
    ],
)
def test_the_nearest_price_decides(nearest: dict[str, Any], looks: int) -> None:
    assert looks_between(post(**nearest)) == looks


def test_a_jump_that_one_slot_shows_twice_is_no_second_look() -> None:
    far = replace(PRICE, bid=Decimal(50), ask=Decimal(51), slot=2)
    for second, good in ((far, False), (replace(far, slot=3), True), (PRICE, False)):
        seen = post()
        assert seen.note(PRICE, engine_conditions_met.believable(PRICE, None, False))
        assert not seen.note(far, engine_conditions_met.believable(far, seen.last, False))
        assert seen.last is not None
        assert seen.note(second, engine_conditions_met.believable(second, seen.last, False)) is good


def test_a_trailing_stop_and_a_pair_without_a_price_are_looked_at_each_time() -> None:
    assert looks_between(post(trails=True, sell_stop="50")) == 1
    assert looks_between(post(good=None, sell_limit="150")) == 1

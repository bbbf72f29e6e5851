"""The worst price as an amount, and which fields go with which type: exactly, and in the trader's favour."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oee_daemon.contract.order_types import OrderType, Side, SwapMode
from oee_daemon.errors import InvalidInput
from oee_daemon.orders.conditions import Rule, bound_at, read_price, rule_of
from oee_daemon.orders.terms import Terms, terms_of
from oee_daemon.orders.tokens import TOKENS, Token

PRICES = st.builds(lambda n, e: Decimal(n).scaleb(e), st.integers(1, 10**18 - 1), st.integers(-20, 6))


@given(PRICES, st.sampled_from(Side), st.sampled_from(SwapMode), st.integers(1, 2**64 - 1),
       st.integers(0, 12), st.integers(0, 12))  # fmt: skip
def test_no_amount_within_the_bound_is_a_worse_price_and_the_next_one_is(
    price: Decimal, side: Side, mode: SwapMode, amount: int, base: int, quote: int
) -> None:
    """Written by the price of a fill, in whole tokens, where the engine multiplies the amount."""

    def paid(bound: int) -> Fraction:
        spent_base = (side is Side.BUY) is (mode is SwapMode.EXACT_OUT)
        units_base, units_quote = (amount, bound) if spent_base else (bound, amount)
        return Fraction(units_quote, 10**quote) / Fraction(units_base, 10**base)

    def good(bound: int) -> bool:
        if mode is SwapMode.EXACT_OUT and bound == 0:
            return True
        return paid(bound) <= Fraction(price) if side is Side.BUY else paid(bound) >= Fraction(price)

    bound = bound_at(price, side, mode, amount, Token("B", "b", base), Token("Q", "q", quote))
    worse = bound - 1 if mode is SwapMode.EXACT_IN else bound + 1
    assert bound >= 0 and (bound == 0 or good(bound))
    assert worse <= 0 or not good(worse)


def asked(kind: str = "limit", *, sell: bool = False, **what: Any) -> Terms:
    given, taken = ("SOL", "USDC") if sell else ("USDC", "SOL")
    asked = {"input_token": TOKENS[given], "output_token": TOKENS[taken], "amount": 1_500_000_000}
    mode = SwapMode.EXACT_IN if sell else SwapMode.EXACT_OUT
    return terms_of(asked | {"type": OrderType(kind), "swap_mode": mode} | what)


def test_a_limit_has_its_target_as_bound_and_a_stop_its_floor() -> None:
    assert asked(target_price=Decimal(140)).max_spend == 210_000_000
    stop = asked("stop", sell=True, target_price=Decimal(130))
    assert (stop.limit_price, stop.min_receive) == (Decimal(104), 156_000_000)
    assert (stop.slippage_bps, stop.confirm_ms) == (100, 800)
    assert asked("stop", target_price=Decimal(150), slippage_bps=7).max_spend == 270_000_000
    assert asked("stop", sell=True, trail_bps=500).bound is None


@pytest.mark.parametrize(
    ("kind", "what", "code", "field"),
    [
        ("limit", {}, "missing_field", "targetPrice"),
        ("stop", {}, "missing_field", "targetPrice"),
        ("market", {"target_price": Decimal(1)}, "field_contradicts", "targetPrice"),
        ("limit", {"target_price": Decimal(1), "trail_bps": 50}, "field_contradicts", "trailBps"),
        ("limit", {"target_price": Decimal(1), "max_spend": 5}, "bound_contradicts", "maxSpend"),
        ("stop", {"target_price": Decimal(1), "trail_bps": 50}, "field_contradicts", "targetPrice"),
        ("stop", {"target_price": Decimal(9), "limit_price": Decimal(8)}, "floor_contradicts", "limitPrice"),
        ("limit", {"target_price": Decimal("1e-20")}, "amount_too_small", "amount"),
        ("limit", {"target_price": Decimal("1e20")}, "amount_too_large", "amount"),
    ],
)
def test_what_contradicts_itself_is_refused(kind: str, what: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        asked(kind, **what)
    assert (refused.value.code, refused.value.field) == (code, field)


@pytest.mark.parametrize(
    "text", ["0", "-5", "140USDC", "1e3x", "NaN", "Infinity", "1e99", "1" * 19, "", "1_0"]
)
def test_a_price_is_a_number_more_than_0(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_price(text, "targetPrice")
    assert (refused.value.code, refused.value.field) == ("invalid_price", "targetPrice")


def test_prices_are_read_alike_however_they_are_written() -> None:
    assert {str(read_price(text, "x")) for text in ("140", "140.00", "1.4E+2", Decimal("140.0"))} == {"140"}
    assert len({asked(target_price=read_price(text, "x")).request_hash for text in ("140", "1.4e2")}) == 1


def test_each_type_and_side_waits_for_its_own_comparison() -> None:
    limit, stop = OrderType.LIMIT, OrderType.STOP
    assert [rule_of(limit, side) for side in Side] == [Rule.BUY_LIMIT, Rule.SELL_LIMIT]
    assert [rule_of(stop, side) for side in Side] == [Rule.BUY_STOP, Rule.SELL_STOP]
    assert [rule_of(stop, side, latched=True) for side in Side] == [Rule.BUY_LIMIT, Rule.SELL_LIMIT]
    assert rule_of(OrderType.MARKET, Side.BUY) is Rule.TIME

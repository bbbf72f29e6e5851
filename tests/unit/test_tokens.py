"""Text, decimals and base units: exact, or refused."""

from __future__ import annotations

from decimal import Context, Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from oee_daemon.contract.decimals import decimal_text
from oee_daemon.errors import InvalidInput
from oee_daemon.networks.simulated.simulated_market import REFERENCE_USD
from oee_daemon.orders.tokens import MAX_UNITS, TOKENS, Token, read_decimal, units

SOL, USDC, BONK = TOKENS["SOL"], TOKENS["USDC"], TOKENS["BONK"]
tokens = st.sampled_from(list(TOKENS.values()))
amounts = st.integers(1, MAX_UNITS)


def refused(text: str, token: Token = SOL) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        units(read_decimal(text, "amount"), token, "amount")
    assert caught.value.field == "amount"
    return caught.value


@given(tokens, amounts)
def test_every_amount_survives_the_way_through_text(token: Token, amount: int) -> None:
    text = token.text(amount)
    assert units(read_decimal(text, "amount"), token, "amount") == amount
    assert set(text) <= set("0123456789.")
    assert "." not in text or not text.endswith(("0", "."))


@given(tokens, amounts, st.integers(1, 30))
def test_trailing_zeros_change_nothing(token: Token, amount: int, zeros: int) -> None:
    text = token.text(amount)
    longer = (text if "." in text else text + ".") + "0" * zeros
    assert units(read_decimal(longer, "amount"), token, "amount") == amount


@given(tokens, amounts, st.integers(1, 60))
@example(SOL, 10**9, 25)  # 35 digits: more than decimal's default context holds
def test_a_digit_beyond_the_tokens_decimals_is_refused_however_far(
    token: Token, amount: int, beyond: int
) -> None:
    text = f"{Decimal(amount).scaleb(-token.decimals, Context(prec=99)):.{token.decimals}f}"
    assert refused(text + "0" * (beyond - 1) + "1", token).code == "too_many_decimals"


def test_the_refusal_of_decimals_says_the_smallest_amount() -> None:
    error = refused("1.0000001", USDC)
    assert (error.message, error.hint) == (
        "amount has more decimals than USDC has: 6.",
        "The smallest amount is 0.000001 USDC.",
    )


@pytest.mark.parametrize("token", TOKENS.values(), ids=lambda t: t.symbol)
def test_the_bound_is_a_u64_to_the_last_unit(token: Token) -> None:
    assert units(read_decimal(token.text(MAX_UNITS), "amount"), token, "amount") == 2**64 - 1
    error = refused(token.text(MAX_UNITS + 1), token)
    assert error.code == "amount_too_large"
    assert error.hint == f"The most is {token.text(MAX_UNITS)} {token.symbol}."


@pytest.mark.parametrize(
    "text", ["NaN", "sNaN", "-NaN", "inf", "-Infinity", "0", "-0", "0e5", "-1.5", "-1e-9"]
)
def test_what_is_no_positive_number_is_refused(text: str) -> None:
    assert refused(text).code == "invalid_amount"


@pytest.mark.parametrize(
    "text", ["", "abc", "1,5", "1_000", "٣", "1.5.2", "0x10", "1" * 101, "1e1000000000000000000000"]
)
def test_what_does_not_read_as_a_number_is_refused(text: str) -> None:
    assert refused(text).code in ("invalid_amount", "amount_too_large")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1e999999999", "amount_too_large"),
        ("1e-999999", "too_many_decimals"),
        ("1e-999999999", "too_many_decimals"),
    ],
)
def test_a_huge_exponent_is_refused_without_computing_it(text: str, code: str) -> None:
    assert refused(text).code == code


def test_an_exponent_that_fits_is_taken() -> None:
    assert units(read_decimal("1.5e3", "amount"), USDC, "amount") == 1_500_000_000


def test_an_amount_that_a_float_would_bend_is_kept() -> None:
    assert units(read_decimal("123456789.123456789", "amount"), SOL, "amount") == 123_456_789_123_456_789
    assert SOL.text(123_456_789_123_456_789) == "123456789.123456789"


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
def test_a_decimals_text_is_plain_and_means_the_same(value: Decimal) -> None:
    text = decimal_text(value)
    assert Decimal(text) == value
    assert "E" not in text and "e" not in text


@pytest.mark.parametrize("token", TOKENS.values(), ids=lambda t: t.symbol)
def test_every_mint_is_a_key_of_32_bytes(token: Token) -> None:
    assert len(bytes(Pubkey.from_string(token.mint))) == 32
    assert str(Pubkey.from_string(token.mint)) == token.mint


def test_symbols_and_mints_are_unique_and_every_token_has_a_reference_price() -> None:
    assert (
        len({t.symbol.lower() for t in TOKENS.values()})
        == len({t.mint for t in TOKENS.values()})
        == len(TOKENS)
    )
    assert set(REFERENCE_USD) == set(TOKENS)

"""Which token a name means: one, or it is refused."""

from __future__ import annotations

import pytest

from oee_daemon.errors import InvalidInput
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.orders.tokens import TOKENS, Token

BONK = TOKENS["BONK"]
COPY = Token("bonk", "Copy1111111111111111111111111111111111111111", 9)
NAMELESS = Token(
    "Mint1111111111111111111111111111111111111111", "Mint1111111111111111111111111111111111111111", 3
)
BOOK = TokenBook("test", [*TOKENS.values(), COPY, NAMELESS])
LISTED = TokenBook("test", TOKENS.values())


@pytest.mark.parametrize("token", TOKENS.values(), ids=lambda t: t.symbol)
def test_a_token_is_found_by_its_symbol_in_any_case_and_by_its_mint(token: Token) -> None:
    symbol = token.symbol
    for name in (symbol, symbol.lower(), symbol.upper(), symbol.swapcase(), token.mint):
        assert LISTED.find(name, "inputToken") is token
    assert LISTED.by_mint(token.mint) is token


def test_the_listed_come_in_their_order() -> None:
    assert list(LISTED) == list(TOKENS.values())


def test_a_symbol_of_two_tokens_is_refused_with_their_mints() -> None:
    for name in ("BONK", "bonk"):
        with pytest.raises(InvalidInput) as caught:
            BOOK.find(name, "inputToken")
        error = caught.value
        assert (error.code, error.field) == ("ambiguous_token", "inputToken")
        assert error.hint == f"Name it by its mint: {BONK.mint}, {COPY.mint}."
    assert BOOK.find(BONK.mint, "x") is BONK and BOOK.find(COPY.mint, "x") is COPY


def test_a_token_without_a_symbol_is_found_by_its_mint() -> None:
    assert BOOK.find(NAMELESS.mint, "x") is NAMELESS


def test_a_mint_that_is_not_listed_any_more_is_shown_as_it_is() -> None:
    gone = LISTED.by_mint("gone")
    assert (gone.symbol, gone.mint, gone.text(1500)) == ("gone", "gone", "1500")


def test_a_mint_in_another_case_is_another_mint() -> None:
    with pytest.raises(InvalidInput):
        LISTED.find(BONK.mint.lower(), "inputToken")


@pytest.mark.parametrize(("name", "meant"), [("SOLL", "SOL"), ("usdcc", "USDC"), ("jitosool", "JitoSOL")])
def test_an_unknown_token_is_told_what_there_is_and_what_was_meant(name: str, meant: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        LISTED.find(name, "outputToken")
    error = caught.value
    assert (error.code, error.field) == ("unknown_token", "outputToken")
    assert error.message == f"{name!r} is not a token that the test network knows."
    assert error.hint is not None
    assert all(symbol in error.hint for symbol in TOKENS)
    assert error.hint.endswith(f"Did you mean {meant}?")


def test_a_name_like_no_token_gets_no_suggestion_and_is_shortened() -> None:
    with pytest.raises(InvalidInput) as caught:
        LISTED.find("q" * 1000, "inputToken")
    assert caught.value.hint is not None and "Did you mean" not in caught.value.hint
    assert len(caught.value.message) < 120

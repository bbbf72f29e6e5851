"""Which symbols a person would take for another token's, and which may be given."""

from __future__ import annotations

import pytest

from oee_daemon.errors import InvalidInput
from oee_daemon.networks.network_token_symbols import alike, must_be_free
from oee_daemon.orders.tokens import TOKENS, Token

LISTED = TOKENS.values()
MINE = "Mine111111111111111111111111111111111111111"


@pytest.mark.parametrize(
    ("symbol", "taken_for"),
    [
        ("USDC", "USDC"), ("usdc", "USDC"), ("U5DC", "USDC"), ("USD-C", "USDC"), ("$USDC", "USDC"),
        ("ＵＳＤＣ", "USDC"), ("UЅDС", "USDC"), ("USDT\u200b", "USDT"), ("ÚSDC", "USDC"), ("S0L", "SOL"),
        ("50L", "SOL"), ("SO1", "SOL"), ("SOI", "SOL"), ("ЅОL", "SOL"), ("B0NK", "BONK"), ("8ONK", "BONK"),
        ("ΒΟΝΚ", "BONK"), ("W1F", "WIF"), ("WlF", "WIF"), ("VVIF", "WIF"), ("rnSOL", "mSOL"),
        ("J1toSOL", "JitoSOL"), ("σ", None), ("J1TO", None), ("FEE", None), ("PULL", None), ("USD", None),
        ("SOLX", None), ("PEPE", None),
    ],
)  # fmt: skip
def test_a_symbol_that_looks_like_a_listed_one_is_found_out(symbol: str, taken_for: str | None) -> None:
    found = alike(symbol, LISTED)
    assert (found and found.symbol) == taken_for


@pytest.mark.parametrize("symbol", ["", " ", "A B", "A" * 21, "ΒΟΝΚ", "a\n", "--", "$", "A/B", "ＵＳＤＣ"])
def test_a_symbol_is_of_plain_letters(symbol: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        must_be_free(symbol, MINE, LISTED)
    assert (caught.value.code, caught.value.field) == ("invalid_symbol", "symbol")


def test_a_symbol_is_given_once_and_its_own_token_keeps_it() -> None:
    must_be_free("MINE", MINE, [*LISTED, Token("MINE", MINE, 6)])
    for symbol in ("MINE", "mine", "M1NE", "USDC"):
        with pytest.raises(InvalidInput) as caught:
            must_be_free(symbol, "Another", [*LISTED, Token("MINE", MINE, 6)])
        assert caught.value.code == "symbol_taken"

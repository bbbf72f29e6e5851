"""The order's table of moves, its pair and its price."""

from __future__ import annotations

from decimal import Decimal

import pytest

from oee_daemon.contract.order_types import Side
from oee_daemon.contract.status import FINAL, LIVE, MOVES, UNSENT, IllegalMove, Status, check
from oee_daemon.orders.order import price_text
from oee_daemon.orders.terms import pair_of
from oee_daemon.orders.tokens import TOKENS

#: Written by hand from the contract, not derived from `MOVES`. Rows: from; columns: to; x: allowed.
TABLE = """
             waiting pending routing building submitted confirmed failed cancelled expired
waiting         x       x       -       -         -         -       -        x        x
pending         x       -       x       -         -         -       x        x        x
routing         x       x       -       x         -         -       x        x        x
building        x       x       -       -         x         -       x        x        x
submitted       x       x       -       -         -         x       x        -        -
confirmed       -       -       -       -         -         -       -        -        -
failed          -       -       -       -         -         -       -        -        -
cancelled       -       -       -       -         -         -       -        -        -
expired         -       -       -       -         -         -       -        -        -
"""


def _pairs() -> list[tuple[str, str, bool]]:
    head, *rows = [line.split() for line in TABLE.strip().splitlines()]
    return [(row[0], to, mark == "x") for row in rows for to, mark in zip(head, row[1:], strict=True)]


def test_the_hand_written_table_names_every_pair_once() -> None:
    pairs = [(a, b) for a, b, _ in _pairs()]
    assert len(pairs) == len(set(pairs)) == 81
    assert {a for a, _ in pairs} == {b for _, b in pairs} == {s.value for s in Status} == set(MOVES)


@pytest.mark.parametrize(("current", "wanted", "allowed"), _pairs())
def test_an_order_moves_only_along_the_table(current: str, wanted: str, allowed: bool) -> None:
    if allowed:
        check(Status(current), Status(wanted))
    else:
        with pytest.raises(IllegalMove, match=f"^{current} -> {wanted}$"):
            check(Status(current), Status(wanted))


def test_final_live_and_unsent_are_what_the_contract_says() -> None:
    assert {s.value for s in FINAL} == {"confirmed", "failed", "cancelled", "expired"}
    assert {s.value for s in LIVE} == {"waiting", "pending", "routing", "building", "submitted"}
    assert {s.value for s in UNSENT} == {"waiting", "pending", "routing", "building"}


@pytest.mark.parametrize(
    ("given", "taken", "side", "pair", "natural"),
    [
        ("USDC", "SOL", None, "SOL/USDC", Side.BUY),
        ("SOL", "USDC", None, "SOL/USDC", Side.SELL),
        ("USDT", "BONK", Side.BUY, "BONK/USDT", Side.BUY),
        ("BONK", "USDT", Side.SELL, "BONK/USDT", Side.SELL),
        # Between two of a kind the output is the quote, unless the side says otherwise.
        ("USDC", "USDT", None, "USDC/USDT", Side.SELL),
        ("USDC", "USDT", Side.SELL, "USDC/USDT", Side.SELL),
        ("USDC", "USDT", Side.BUY, "USDT/USDC", Side.BUY),
        ("SOL", "JUP", None, "SOL/JUP", Side.SELL),
        ("SOL", "JUP", Side.BUY, "JUP/SOL", Side.BUY),
    ],
)
def test_the_pair_and_the_side_follow_from_the_tokens(
    given: str, taken: str, side: Side | None, pair: str, natural: Side
) -> None:
    mints = "/".join(TOKENS[symbol].mint for symbol in pair.split("/"))
    assert pair_of(TOKENS[given], TOKENS[taken], side) == (mints, natural)


@pytest.mark.parametrize(
    ("given", "taken", "side", "natural"),
    [("USDC", "SOL", Side.SELL, "buy"), ("SOL", "USDT", Side.BUY, "sell")],
)
def test_a_side_that_contradicts_the_tokens_is_refused_with_the_right_one(
    given: str, taken: str, side: Side, natural: str
) -> None:
    with pytest.raises(ValueError, match=f"^{natural}$"):
        pair_of(TOKENS[given], TOKENS[taken], side)


@pytest.mark.parametrize(
    ("side", "amount_in", "amount_out", "price"),
    [
        (Side.BUY, "213.27", "1.5", "142.18"),
        (Side.SELL, "1.5", "213.27", "142.18"),
        (Side.SELL, "3", "1", "0.333333333333"),
        (Side.BUY, "2", "3", "0.666666666667"),
        (Side.SELL, "42.5", "4250", "100"),
        # Never an exponent, however small or large.
        (Side.SELL, "1000000000", "0.000001", "0.000000000000001"),
        (Side.BUY, "18446744073709.551615", "0.000000001", "18446744073700000000000"),
    ],
)
def test_a_price_is_quote_per_base_to_twelve_digits(
    side: Side, amount_in: str, amount_out: str, price: str
) -> None:
    assert price_text(side, Decimal(amount_in), Decimal(amount_out)) == price

"""How orders that wait are told: the list, one of them live, its story, history; at each width."""

from __future__ import annotations

from typing import Any

import pytest

from oee_cli.output import Output
from oee_cli.text.condition_text import condition_sentence, condition_text, market_words
from oee_cli.text.order_text import ending_text, order_header, repeat_command
from oee_cli.text.time_text import parse_moment
from oee_cli.waiting.waiting_condition_request import TypedCondition
from oee_cli.waiting.waiting_placement import clock_words, placed_lines, same_terms
from oee_cli.waiting.waiting_table import waiting_lines
from oee_daemon.contract.shapes import Order
from tests.unit.order_views import at, drawn, fits, order

MARKET = {"price": "142.18", "awayBps": 153, "at": at(0), "stale": False}
UNWAITED = {
    "targetPrice": None, "limitPrice": None, "trailBps": None, "confirmMs": None, "launchTime": None,
    "expiresAt": None, "firedAt": None, "firings": 0, "groupId": None, "venue": None, "filledIn": None,
    "filledOut": None, "price": None, "fee": None, "signature": None, "finishedAt": None, "attempt": 1,
}  # fmt: skip


def waiting(**changes: Any) -> Order:
    terms = {"type": "limit", "status": "waiting", "targetPrice": "140", "maxSpend": "210", "market": MARKET}
    return order(**{**UNWAITED, **terms, **changes})


LIMIT = waiting()
SOLD = {"side": "sell", "swapMode": "ExactIn", "inputToken": "SOL", "outputToken": "USDC", "maxSpend": None}
STOP = waiting(**SOLD, type="stop", targetPrice="130", limitPrice="104", minReceive="156", slippageBps=100)
TRAIL = waiting(**SOLD, type="stop", targetPrice=None, trailBps=500)
WIDTHS = (60, 80, 120)


def feeds(**changes: Any) -> dict[str, Any]:
    feed = {"pair": "SOL/USDC", "state": "live", "ageMs": 400, "waiting": 2104}
    return {
        "at": at(0),
        "leader": {"owner": "desk:4312"},
        "waiting": 2104,
        "feeds": [feed],
        "halt": None,
        **changes,
    }


@pytest.mark.parametrize(
    ("one", "when", "sentence"),
    [
        (LIMIT, "≤ 140", "at 140 or less (net)"),
        (waiting(**SOLD, targetPrice="160"), "≥ 160", "at 160 or more (net)"),
        (STOP, "≤ 130", "once the price is 130 or less, at 104 or better"),
        (waiting(type="stop", targetPrice="150"), "≥ 150", "once the price is 150 or more"),
        (
            waiting(**SOLD, type="stop", targetPrice="130", limitPrice="none", slippageBps=100),
            "≤ 130",
            "once the price is 130 or less, at any price, each try within 1% of its quote",
        ),
        (
            TRAIL,
            "trails 5%",
            "once the price is 5% under its best since it was placed, at worst 20% past that",
        ),
        (
            waiting(type="sniper", targetPrice=None, launchTime="2030-12-01T09:00:00Z", slippageBps=500),
            "from 2030-12-01 09:00 UTC",
            "in one moment, each try within 5% of its quote, from 2030-12-01 09:00 UTC on",
        ),
        (
            waiting(
                type="sniper", targetPrice=None, tokenAddress="M1nt", minLiquidity=500, accept=["lp", "fee"]
            ),
            "listed, ≥ 500 USD",
            "once it is listed with 500 USD and passes every check but lp, fee, each try within 0.5% of its "
            "quote",
        ),
    ],
)
def test_a_condition_says_which_way_the_price_has_to_go(one: Order, when: str, sentence: str) -> None:
    assert (condition_text(one), condition_sentence(one)) == (when, sentence)


def test_what_is_said_when_it_was_placed() -> None:
    name = "0c2f0b8e"
    assert placed_lines(LIMIT) == [
        "waits to buy 1.5 SOL at 140 or less (net), at most 210 USDC; now 142.18, 1.5% away",
        f"until cancelled, and while this daemon runs · oee watch {name} · oee edit {name} --at …"
        f" · oee cancel {name}",
    ]
    assert f" · oee edit {name} --trail … · " in placed_lines(TRAIL)[1]
    # Of one that a live view is drawn of, whose header says the terms.
    assert placed_lines(LIMIT, terms=False) == placed_lines(LIMIT)[1:]
    stop = placed_lines(STOP, turned=True)
    assert stop[0] == "the pair is SOL/USDC: this is to sell SOL"
    assert stop[1].startswith(
        "waits to sell 1.5 SOL once the price is 130 or less, at 104 or better, at least 156"
    )


@pytest.mark.parametrize(
    ("sent", "answered", "told"),
    [
        (0.0, 0.02, "agree within 10 ms"),
        (1.5, 1.52, "is 1.5 s ahead of the engine's, by which it begins (± 10 ms)"),
        (-0.3, -0.28, "is 290 ms behind the engine's, by which it begins (± 10 ms)"),
    ],
)
def test_a_moment_that_is_near_tells_whose_clock_it_goes_by(sent: float, answered: float, told: str) -> None:
    near, far = "2026-11-23T10:09:59.000000Z", "2026-11-23T10:10:01.000000Z"
    one = waiting(type="sniper", targetPrice=None, launchTime=near, createdAt=at(0))
    begun = parse_moment(at(0)).timestamp()
    assert told in (clock_words(one, begun + sent, begun + answered) or "")
    for other in ({"launchTime": far}, {"type": "limit"}, {"launchTime": None}):
        assert clock_words(waiting(**{**one, **other}), begun, begun) is None


@pytest.mark.parametrize(
    ("market", "told"),
    [
        (MARKET, "now 142.18, 1.5% away"),
        (MARKET | {"awayBps": 0}, "now 142.18, met"),
        (MARKET | {"stale": True}, "now 142.18, 1.5% away, stale"),
        (MARKET | {"price": None}, ""),
        (None, ""),
    ],
)
def test_how_far_away_the_price_is(market: Any, told: str) -> None:
    assert market_words(waiting(market=market)) == told


@pytest.mark.parametrize("width", WIDTHS)
def test_the_list_of_what_waits(width: int) -> None:
    met = waiting(
        market=MARKET | {"awayBps": 0, "stale": True}, groupId="x", expiresAt="2026-11-29T12:00:00Z"
    )
    lines = drawn(list(waiting_lines([met, STOP, waiting(market=None)], feeds(), width)), width)
    fits(lines, width)
    text = "\n".join(lines)
    for words in ("0c2f0b8e", "1.5 SOL", "≤ 140 (oco)", "≤ 130", "met", "1.5%", "3 of 2,104"):
        assert words in text
    assert ("in 6 d" in text) == (width >= 80)
    assert "prices 400 ms old, 1 pair, watched by desk:4312" in text


@pytest.mark.parametrize(
    ("changes", "told", "style"),
    [
        ({"leader": None}, "nobody watches", "yellow"),
        ({"feeds": [feeds()["feeds"][0] | {"state": "stale"}]}, "no fresh price of SOL/USDC", "yellow"),
        ({"feeds": []}, "no pair is watched", "dim"),
        ({}, "watched by desk:4312", "dim"),
    ],
)
def test_who_watches_is_said_loudly_where_nobody_does(changes: Any, told: str, style: str) -> None:
    last = list(waiting_lines([LIMIT], feeds(**changes), 200))[-1]
    assert told in last[0].text
    assert last[0].style == style


@pytest.mark.parametrize("width", WIDTHS)
def test_under_a_halt_the_list_says_that_nothing_fires(width: int) -> None:
    halt = {"since": at(0), "reason": None, "by": "me"}
    lines = drawn(list(waiting_lines([STOP], feeds(halt=halt), width)), width)
    fits(lines, width)
    assert "nothing fires. To go on: oee resume" in " ".join(" ".join(lines).split())


def test_headers_commands_and_ends() -> None:
    assert order_header(LIMIT) == "buy 1.5 SOL, limit ≤ 140, at most 210 USDC (slippage 0.5%)"
    assert order_header(STOP) == "sell 1.5 SOL, stop ≤ 130, at least 156 USDC (slippage 1%)"
    assert order_header(TRAIL) == "sell 1.5 SOL for USDC, stop trails 5% (slippage 0.5%)"
    unbounded = waiting(**SOLD, type="stop", targetPrice="130", limitPrice="none", minReceive="0.000001")
    assert order_header(unbounded) == "sell 1.5 SOL, stop ≤ 130, at any price (slippage 0.5%)"
    assert repeat_command(LIMIT) == "oee limit buy SOL USDC 1.5 --at 140"
    assert repeat_command(STOP) == "oee stop sell SOL USDC 1.5 --at 130 --limit 104"
    assert repeat_command(TRAIL) == "oee stop sell SOL USDC 1.5 --trail 5% --slippage 0.5%"
    new = {
        "targetPrice": None,
        "tokenAddress": "M1nt",
        "minLiquidity": 500,
        "accept": ["lp"],
        "limitPrice": "2",
    }
    pair = {"inputToken": "USDC", "outputToken": "M1nt", "pair": "M1nt/USDC", "swapMode": "ExactIn"}
    ended = {"amount": "9", "slippageBps": 500, "status": "expired", "firedAt": at(5)}
    sniper = waiting(**new, **pair, **ended, type="sniper")
    again = (
        "oee snipe M1nt USDC --spend 9 --min-liquidity 500 --accept lp --max-price 2 --at 10s --within 24h"
    )
    assert repeat_command(sniper) == again
    assert ending_text(sniper).hint == f"try: {again} --valid-for 600"
    waits = ending_text(LIMIT, waited=60)
    assert waits.text == (
        "not bought yet: it waits to buy at 140 or less (net); now 142.18, 1.5% away. "
        "It waits until cancelled."
    )
    assert "(exit 124)" in (waits.hint or "")
    over = ending_text(waiting(status="expired", expiresAt="2026-12-01T17:00:00Z"))
    assert "its condition was not met. Nothing left the wallet." in over.text
    late = waiting(type="sniper", status="expired", expiresAt="2026-12-01T17:00:00Z", tokenAddress=None)
    assert "it was not begun by then. Nothing left the wallet." in ending_text(late).text


def test_history_tells_the_condition_where_the_price_would_be() -> None:
    from oee_cli.lists.list_tables import order_lines as listed

    _, row, ended = listed(Output(), [[LIMIT, waiting(status="cancelled")]])
    assert "≤ 140" in row and "waiting" in row
    assert "≤ 140" not in ended


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        ({"minLiquidity": 500}, True),
        ({"minLiquidity": 600}, False),
        ({"accept": ["lp", "fee"]}, True),
        ({"accept": ["lp"]}, False),
        ({"amount": "1.50", "validForS": 300}, True),
        # From now: another one each time that it is typed.
        ({"expiresAt": at(9)}, True),
    ],
)
def test_a_repeat_finds_its_order_where_all_that_is_said_is_the_same(
    typed: dict[str, Any], same: bool
) -> None:
    placed = waiting(type="sniper", targetPrice=None, minLiquidity=500, accept=["fee", "lp"])
    assert same_terms(placed, TypedCondition(typed, ("SOL", "USDC"), False, None, None)) is same

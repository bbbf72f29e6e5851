"""`oee show`: the figures of an order, and the one screen that tells them, at each width, in each state."""

from __future__ import annotations

import copy
import json
import re
from datetime import datetime
from typing import Any, cast

import pytest

from oee_cli.orders.show_explained import Explained, explain_order
from oee_cli.orders.show_story import order_lines
from oee_cli.text.layout_text import draw_line
from oee_cli.text.time_text import parse_moment
from oee_daemon.contract.shapes import Event, Order
from tests.unit.order_views import ID, QUOTES, SIGNATURE, WIDTHS, at, events, fits, order

MOVED = {"code": "slippage_exceeded", "message": "The price moved.", "retryable": True}
SWAPS: list[dict[str, Any]] = [
    {"attempt": n, "signature": SIGNATURE, "state": state, "lastValidHeight": 1, "signedAt": at(0)}
    for n, state in ((1, "rejected"), (2, "landed"))
]


def whole(count: int = 9, **changes: Any) -> Order:
    """The order of `events` after so many of them."""
    told = events()[:count]
    last = told[-1]
    if count < 9:
        unfilled = ("filledIn", "filledOut", "price", "fee", "finishedAt", "venue")
        changes = {"status": last["status"], "attempt": last["attempt"], **dict.fromkeys(unfilled), **changes}
    swaps = [s for s in copy.deepcopy(SWAPS) if s["attempt"] <= last["attempt"]]
    if count in (4, 8):
        swaps[-1]["state"] = "signed"
    elif count in (1, 2, 3, 5, 6, 7):
        swaps = swaps[: last["attempt"] - 1]
    return cast(Order, {**order(**changes), "events": told, "swaps": swaps})


def ended(status: str, count: int, **changes: Any) -> Order:
    """Ended so after that many events, with nothing filled."""
    found = whole(count, status=status, finishedAt=at(3000), **changes)
    error = changes.get("error")
    event = {"orderId": ID, "seq": count + 1, "status": status, "attempt": found["attempt"], "at": at(3000)}
    found["events"].append(cast(Event, {**event, "data": {"error": error} if error else {}}))
    return found


def now(ms: int) -> datetime:
    return parse_moment(at(ms))


def test_where_the_milliseconds_went() -> None:
    told = explain_order(whole())
    assert told["totalMs"] == 2610
    assert told["timing"] == {
        "queue": 2,
        "routing": 412,
        "building": 2,
        "chain": 1494,
        "betweenAttempts": 700,
    }
    assert [step["ms"] for step in told["attempts"][0]["steps"]] == [2, 206, 1, 402]
    assert [step["kind"] for step in told["attempts"][1]["steps"]] == [
        "betweenAttempts",
        "routing",
        "building",
        "chain",
    ]
    assert [a["ms"] for a in told["attempts"]] == [611, 1999]
    assert sum(told["timing"].values()) == told["totalMs"]


def test_how_each_attempt_ended_and_why() -> None:
    first, second = explain_order(whole())["attempts"]
    assert (first["ended"], first["signature"], first["venue"]) == ("rejected", SIGNATURE, "raydium")
    assert first["error"] is not None and first["error"]["code"] == "slippage_exceeded"
    assert (second["ended"], second["error"]) == ("landed", None)
    unsent = explain_order(ended("cancelled", 6))["attempts"]
    assert [a["ended"] for a in unsent] == ["rejected", "never_sent"]
    assert unsent[1]["signature"] is None


def test_why_the_loser_lost_in_parts_that_add_up() -> None:
    quotes = {q["venue"]: q for q in explain_order(whole())["attempts"][0]["quotes"]}
    assert (quotes["raydium"]["result"], quotes["raydium"]["behindBps"]) == ("chosen", 0)
    assert (quotes["orca"]["result"], quotes["orca"]["behind"]) == ("no_price", None)
    loser = quotes["meteora"]
    assert (loser["result"], loser["behind"], loser["behindBps"]) == ("lost", "4.629641", 217.1)
    # The fees are the same amount of different prices: 24.5 and 25 bps.
    assert loser["because"] == {"price": 217.6, "fee": -0.5, "impact": 0}
    parts = loser["because"]
    assert parts["price"] + parts["fee"] + parts["impact"] == pytest.approx(loser["behindBps"])
    assert loser["pastBoundBps"] == 166.2
    assert json.loads(json.dumps(loser))["amountIn"] == "217.901234"


def test_a_quote_that_would_get_less_is_behind_too() -> None:
    quotes = [
        {**QUOTES[0], "amountIn": "200", "amountOut": "1.38", "fee": "0.4"},
        {**QUOTES[1], "amountIn": "200", "amountOut": "1.4", "fee": "0.5", "priceImpactBps": 3},
    ]
    told = events()[:4]
    told[2]["data"]["quotes"] = quotes
    spend = whole(4, swapMode="ExactIn", amount="200", maxSpend=None, minReceive="1.393")
    spend["events"] = told
    figures = explain_order(spend, now(1000))
    worse, best = figures["attempts"][0]["quotes"]
    assert (best["result"], worse["behind"], worse["behindBps"]) == ("chosen", "0.02", 142.9)
    assert worse["because"] == {"price": 149.9, "fee": -5, "impact": -2}
    bound = figures["bound"]
    assert bound is not None
    assert (bound["name"], bound["token"], bound["overFirstQuoteBps"]) == ("minReceive", "SOL", 50)
    assert (bound["room"], bound["roomBps"]) == ("0.007", 50)


def test_the_fill_against_its_quote_and_the_room_to_the_worst() -> None:
    told = explain_order(whole(filledIn="213.484865"))
    assert told["fill"] == {
        "quotedIn": "213.271593",
        "quotedOut": "1.5",
        "againstQuoteBps": 10,
        "againstFirstQuoteBps": 10,
    }
    bound = told["bound"]
    assert bound is not None
    assert (bound["amount"], bound["overFirstQuoteBps"]) == ("214.33795", 50)
    assert (bound["room"], bound["roomBps"]) == ("0.853085", 40)
    assert explain_order(whole(2, maxSpend=None))["bound"] is None


def test_a_best_quote_that_was_past_the_worst_price() -> None:
    told = ended("failed", 6, error=MOVED, maxSpend="210")
    told["events"][-1]["data"]["quotes"] = QUOTES
    quotes = {q["venue"]: q for q in explain_order(told)["attempts"][1]["quotes"]}
    assert (quotes["raydium"]["result"], quotes["raydium"]["pastBoundBps"]) == ("past_bound", 155.8)


@pytest.mark.parametrize(
    ("count", "waits_for", "words"),
    [
        (1, "worker", "waiting for a worker"),
        (2, "venues", "waiting for the venues' quotes"),
        (3, "signing", "building and signing"),
        (4, "chain", "the chain has not answered"),
        (5, "retry", "attempt 2 is due at "),
        (8, "chain", "may still be bought"),
    ],
)
@pytest.mark.parametrize("width", WIDTHS)
def test_an_order_in_flight_says_what_it_waits_for(
    count: int, waits_for: str, words: str, width: int
) -> None:
    found = whole(count)
    begun = found["events"][-1]["at"]
    waiting = explain_order(found, parse_moment(begun))["waiting"]
    assert waiting is not None
    assert (waiting["waitsFor"], waiting["since"], waiting["ms"]) == (waits_for, begun, 0)
    assert (waiting["expiresAt"] is None) == (waits_for == "chain")
    assert waiting["until"] == ("2026-11-23T10:00:01.311000Z" if count == 5 else None)
    lines = shown(found, width)
    said = " ".join(" ".join(lines).split())
    assert words in said
    assert f"follow: oee watch {ID[:8]}" in said
    assert ("oee cancel" in said) == (waits_for != "chain")
    assert "exit" not in said


STATES = {
    "confirmed": whole(),
    "failed": ended("failed", 8, error=MOVED),
    "never routed": ended("failed", 2, error={"code": "no_route", "message": "None.", "retryable": False}),
    "cancelled": ended("cancelled", 5),
    "expired": ended("expired", 1),
}


def shown(found: Order, width: int, *, colors: bool = False) -> list[str]:
    return [draw_line(line, width, colors=colors) for line in order_lines(found, explain_order(found), width)]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", STATES)
def test_every_end_on_one_screen(name: str, width: int) -> None:
    found = STATES[name]
    lines = shown(found, width)
    fits(lines, width)
    text = "\n".join(lines)
    assert lines[0].startswith("buy 1.5 SOL")
    assert ID in text
    assert "kkkkkkkk" in text
    assert len(lines) <= 45
    status = found["status"]
    assert f"  {status}" in text and "in all" in text
    assert ("attempt 2" in text) == (found["attempt"] == 2)
    ending = {"confirmed": "✓ bought 1.5 SOL", "failed": "✗ not bought"}.get(status, f"✗ {status}")
    assert any(line.startswith(ending) for line in lines)
    assert "why: oee show" not in text


@pytest.mark.parametrize("width", WIDTHS)
def test_what_a_retried_order_shows(width: int) -> None:
    lines = shown(whole(filledIn="213.484865"), width)
    said = " ".join(" ".join(lines).split())
    for words in (
        "attempt 1 ✗ rejected on the chain: ",
        "slippage_exceeded",
        "attempt 2 ✓ landed",
        "217 bps behind",
        "4.6296 USDC more: price +217, fee +0, impact +0",
        "orca It did not answer within 1 s (venue_late)",
        "1 bps",
        "10 bps worse than quoted",
        "at most 214.33795 USDC, 50 bps from the first quote; room left 0.853085 USDC, 40 bps",
        "between attempts 700 ms (27%)",
        "paid 213.484865 USDC, 0.533178 of it the venue's fee",
    ):
        assert words in said, words
    # Each step's bar begins where the one before it ended.
    bars = [line for line in lines if "━" in line or "╸" in line]
    assert len(bars) == 8
    begins = [line.index("━") if "━" in line else line.index("╸") for line in bars]
    assert begins == sorted(begins)


@pytest.mark.parametrize("width", [20, 26, 30, 31, 34, 40])
def test_no_figure_and_no_word_of_the_facts_is_cut_where_it_is_narrow(width: int) -> None:
    """A network's name in front of each line leaves 31 cells of 40."""
    found = whole()
    lines = shown(found, width)
    at = next(n for n, line in enumerate(lines) if line.startswith("  paid "))
    facts = [line for line in lines[at:] if line[:2] == "  "]
    assert len(facts) > 8 and not any("…" in line for line in facts), facts
    told = "".join(line[12:] for line in facts)
    assert found["orderId"] in told.replace(" ", ""), "it can be put together again"
    steps = [line for line in lines[:at] if "routing" in line or "confirmed " in line]
    assert steps and all(re.search(r"\d (ms|s)\b", line) for line in steps), steps


@pytest.mark.parametrize("colors", [True, False])
def test_only_colors_that_show_on_white_and_on_black(colors: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for found in STATES.values():
        text = "\n".join(shown(found, 120, colors=colors))
        codes = {part.split("m")[0] for part in text.split("\x1b[")[1:]}
        assert codes <= {"0", "1", "2", "31", "32", "36"}
        assert bool(codes) == colors


def test_what_an_order_comes_to_is_json() -> None:
    told = explain_order(whole())
    assert set(told) == set(Explained.__annotations__)
    assert json.loads(json.dumps(told)) == told


def test_what_the_network_took_is_told_where_it_took_something() -> None:
    told = whole()
    assert "network" not in "\n".join(said(told))
    told["events"][-1]["data"]["networkFee"] = "0.000005"
    assert "  network   took 0.000005 SOL, beside what was paid" in said(told)


def said(told: Order) -> list[str]:
    return [
        draw_line(line, None, colors=False).rstrip() for line in order_lines(told, explain_order(told), 100)
    ]

"""The drill's judge of orders that wait: what is honest passes, and each lie and each omission is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from oee_cli.drill.drill_asked import Asked, Cancel, Edit, Halt, Look
from oee_cli.drill.drill_market import SLOT_MS, Market, Shift, path_of
from oee_cli.drill.drill_orders import DrillOrders, Pair, Placed, Wait
from oee_cli.drill.drill_turns import judge_pair, turns_of
from oee_cli.drill.drill_verdict import Verdict
from oee_cli.drill.drill_watch_verdict import Judge, Seen

BEGUN = datetime(2026, 11, 1, tzinfo=UTC)
#: All prices fall by 3 % from the end of slot 50 on.
FELL_MS = BEGUN.timestamp() * 1000 + 50 * SLOT_MS + 300
FELL = Shift("market", -300, FELL_MS, float("inf"), (FELL_MS, float("inf")))
MARKET = Market(
    7, 0, genesis_ms=int(BEGUN.timestamp() * 1000), begun={path_of("SOL", "USDC"): 0}, shifts=[FELL]
)
BID, ASK = MARKET.prices("SOL", "USDC", 40, {})
#: Half-way between before and after.
UNDER = Decimal("0.985")


def at(slot: float) -> str:
    return (BEGUN + timedelta(milliseconds=slot * SLOT_MS)).isoformat()


def text(price: Fraction) -> str:
    return f"{Decimal(price.numerator) / Decimal(price.denominator):.22f}"


def under(price: Fraction) -> Decimal:
    return round(Decimal(text(price)) * UNDER, 6)


def trigger(wait: Wait, slot: int, **more: Any) -> dict[str, Any]:
    bid, ask = MARKET.prices("SOL", "USDC", slot, {} if slot < 50 else {"market": -300})
    basis = "executable" if wait.kind == "limit" else "marginal"
    said = {"bid": text(bid), "ask": text(ask), "slot": slot, "target": str(wait.target), "basis": basis}
    return said | {"heldMs": None if wait.kind == "limit" else 1200, "fence": 3} | more


#: Buys once the price has fallen; sells once it has; follows it.
LIMIT = Wait(
    kind="limit", base="SOL", quote="USDC", sells=False, units=10**9, target=under(ASK), lapse_s=60.0
)
STOP = replace(LIMIT, kind="stop", sells=True, target=under(BID), confirm_ms=800, worst=under(BID) / 2)
TRAIL = replace(STOP, kind="trail", target=None, worst=None, trail_bps=200)


def verdict(
    wait: Wait, slot: int, said: dict[str, Any] | None, *, placed_ms: tuple[float, float] = (0, 60_000),
    seen: Seen | None = None, filled: str = "100",
) -> Verdict:  # fmt: skip
    """Of one order, placed at slot 10, that fired, or ended, at that slot."""
    genesis = MARKET.genesis_ms
    placed = Placed(wait, placed_ms[0] and genesis + placed_ms[0], genesis + placed_ms[1])
    after = (
        {"status": "expired", "data": {}}
        if said is None
        else {"status": "pending", "data": {"trigger": said}}
    )
    order = {
        "orderId": "one", "status": "confirmed", "createdAt": at(10), "limitPrice": None, "finishedAt": None,
        "filledIn": filled if not wait.sells else "1", "filledOut": "1" if not wait.sells else filled,
        "events": [
            {"status": "waiting", "at": at(10), "data": {"market": {"at": at(10)}}},
            after | {"at": at(slot + 0.5)},
        ],
    }  # fmt: skip
    found = Verdict([], [], [], [])
    Judge(MARKET, replace(seen or Seen({}), placed={"one": placed}), found).judge([order])
    return found


def trailed(share: str) -> str:
    return text(BID * Fraction(share))


@pytest.mark.parametrize(
    ("wait", "slot", "more"),
    [
        (LIMIT, 50, {}),
        (STOP, 53, {}),
        # Its price came late: it was met for so long by the clock, not by slots.
        (STOP, 52, {"heldMs": 2000, "ageMs": 1200}),
        (TRAIL, 53, {"target": trailed("0.98")}),
        # It only saw a worse one.
        (TRAIL, 53, {"target": trailed("0.975")}),
    ],
)
def test_what_fired_at_its_price_is_no_reproach(wait: Wait, slot: int, more: dict[str, Any]) -> None:
    found = verdict(wait, slot, trigger(wait, slot, **more))
    assert found.kept, found


LIES: dict[str, Callable[[], Verdict]] = {
    "the market had no such price": lambda: verdict(LIMIT, 52, trigger(LIMIT, 52, ask=text(ASK / 2))),
    "does not meet its": lambda: verdict(LIMIT, 45, trigger(LIMIT, 45)),
    "and fired by": lambda: verdict(LIMIT, 52, trigger(LIMIT, 52, target="999")),
    "ms old": lambda: verdict(LIMIT, 60, trigger(LIMIT, 52)),
    "when the feed was blind": lambda: verdict(
        LIMIT, 52, trigger(LIMIT, 52), seen=Seen({}, blind=[(MARKET.genesis_ms, MARKET.genesis_ms + 10**6)])
    ),
    "not met over two slots": lambda: verdict(STOP, 52, trigger(STOP, 52, heldMs=700)),
    "its stop was not met": lambda: verdict(STOP, 50, trigger(STOP, 50)),
    "the best there was allows": lambda: verdict(TRAIL, 53, trigger(TRAIL, 53, target=trailed("0.99"))),
    "before its launch": lambda: verdict(LIMIT, 52, trigger(LIMIT, 52), placed_ms=(60_000, 90_000)),
    "after its time was over": lambda: verdict(LIMIT, 52, trigger(LIMIT, 52), placed_ms=(0, 9_000)),
    "when fence 4 led": lambda: verdict(
        LIMIT, 52, trigger(LIMIT, 52), seen=Seen({}, fences=[(MARKET.genesis_ms + 51 * SLOT_MS, 4)])
    ),
}  # fmt: skip


@pytest.mark.parametrize("said", LIES)
def test_each_lie_is_seen(said: str) -> None:
    found = LIES[said]()
    assert len(found.unfounded) == 1 and said in found.unfounded[0], found


def test_a_feed_that_stayed_behind_may_show_an_old_slot_after_a_fall() -> None:
    """Slot 46 as it was before the fall, and as it was told after it."""
    bought = replace(TRAIL, sells=False)
    judge = Judge(MARKET, Seen({}), Verdict([], [], [], []))
    assert len(judge._possible(bought, 46)) == 1
    assert len(judge._possible(bought, 46, 2000)) == 2


def test_all_of_it_has_to_have_the_price() -> None:
    """Of so much the price is far worse than of a little."""
    large = replace(LIMIT, units=3_000 * 10**9)
    assert "all of it never" in verdict(large, 52, trigger(large, 52)).unfounded[0]


@pytest.mark.parametrize("wait", [LIMIT, STOP])
def test_what_should_have_fired_is_missed_unless_nobody_could_see(wait: Wait) -> None:
    """Its price was there from slot 50 on; it ended in slot 90."""
    found = verdict(wait, 90, None)
    assert len(found.missed) == 1 and "did not fire" in found.missed[0], found
    assert verdict(wait, 60, None).kept
    away = [(MARKET.genesis_ms + 55 * SLOT_MS, MARKET.genesis_ms + 80 * SLOT_MS)]
    assert verdict(wait, 90, None, seen=Seen({}, hidden=away)).kept


def test_a_launch_that_never_came_is_missed() -> None:
    launch = replace(LIMIT, kind="launch", target=None)
    assert "its launch" in verdict(launch, 100, None, placed_ms=(6_000, 60_000)).missed[0]


def test_a_fill_is_held_to_what_was_asked_for() -> None:
    honest = trigger(LIMIT, 52)
    assert verdict(LIMIT, 52, honest, filled=str(LIMIT.target)).kept
    assert verdict(LIMIT, 52, honest, filled=str(Decimal("1000"))).wrong


def leg(name: str, *steps: tuple[str, int], by: str | None = None) -> dict[str, Any]:
    """An order of two, by its statuses and their slots; pending is a firing."""
    events = [
        {"status": status, "at": at(slot), "data": {"trigger": {}} if status == "pending" else {}}
        for status, slot in (("waiting", 10), *steps)
    ]
    events[-1]["data"] = {"by": by} if by else events[-1]["data"]
    ended = events[-1]["at"] if steps else None
    return {"orderId": name, "status": events[-1]["status"], "events": events, "finishedAt": ended}


FILLED = ("pending", 20), ("submitted", 21), ("confirmed", 22)


@pytest.mark.parametrize(
    ("one", "two", "kind"),
    [
        (leg("a", *FILLED), leg("b", ("cancelled", 22), by="oco"), None),
        (leg("a", ("pending", 12), ("waiting", 15), ("cancelled", 22), by="oco"), leg("b", *FILLED), None),
        (leg("a", ("expired", 15)), leg("b", ("expired", 15)), None),
        (leg("a", *FILLED), leg("b", ("pending", 30), ("confirmed", 32)), "doubled"),
        (leg("a", *FILLED), leg("b", ("pending", 21), ("expired", 22)), "unfounded"),
        (leg("a", ("failed", 20)), leg("b", ("cancelled", 20), by="oco"), "lost"),
        (leg("a", *FILLED), leg("b", ("expired", 40)), "missed"),
    ],
)
def test_of_two_that_exclude_each_other(one: dict[str, Any], two: dict[str, Any], kind: str | None) -> None:
    found = Verdict([], [], [], [])
    judge_pair(found, one, two)
    judge_pair(found, two, one)
    assert found.kept if kind is None else getattr(found, kind), found


def test_a_floor_keeps_the_turn() -> None:
    stopped = leg("a", ("pending", 12), ("waiting", 15), ("pending", 18), ("confirmed", 19))
    stopped["events"][2]["data"] = {"why": {"code": "under_floor"}}
    assert len(turns_of(stopped)) == 1
    stopped["events"][2]["data"] = {"why": {"code": "moved_away"}}
    assert len(turns_of(stopped)) == 2


def ms(slot: float) -> float:
    return MARKET.genesis_ms + slot * SLOT_MS


#: At slot 20 it is asked to buy at once instead: at what it costs before the fall.
OTHER = replace(LIMIT, target=round(Decimal(text(ASK)) * 2, 6))


def edit(done: bool | None = True, told: float = 21, wait: Wait = OTHER) -> Asked:
    terms = Placed(wait, 0, MARKET.genesis_ms + 60_000)
    return Asked(edits={"one": Edit(terms, {"targetPrice": f"{wait.target}"}, ms(20), ms(told), done)})


def story(*steps: tuple[str, float, dict[str, Any]], filled: str = "100") -> dict[str, Any]:
    """The order of `verdict`, placed at slot 10; each step with its slot and what it says."""
    said = [("waiting", 10, {"market": {"at": at(10)}}), *steps]
    events = [{"status": status, "at": at(slot), "data": data} for status, slot, data in said]
    ended = said[-1][0] in ("confirmed", "cancelled", "expired")
    return {
        "orderId": "one", "status": said[-1][0], "createdAt": at(10), "limitPrice": None,
        "pair": "SOL/USDC", "side": "buy", "type": "limit", "filledIn": filled, "filledOut": "1",
        "finishedAt": events[-1]["at"] if ended else None, "events": events,
    }  # fmt: skip


def judged(order: dict[str, Any], asked: Asked) -> Verdict:
    found = Verdict([], [], [], [])
    placed = {"one": Placed(LIMIT, 0, MARKET.genesis_ms + 60_000)}
    Judge(MARKET, Seen(placed, asked=asked), found).judge([order])
    return found


EDITED = ("waiting", 20.5, {"edited": {"targetPrice": [str(LIMIT.target), str(OTHER.target)]}})
ENDED: tuple[str, float, dict[str, Any]] = ("confirmed", 54.0, {})


def fires(slot: int, wait: Wait) -> tuple[str, float, dict[str, Any]]:
    return "pending", slot + 0.5, {"trigger": trigger(wait, slot)}


def cancelled(left: frozenset[str] | None = frozenset(), slot: float = 30, **which: Any) -> Asked:
    which = which or {"ids": frozenset(("one",))}
    return Asked(cancels=[Cancel(sent_ms=ms(slot), told_ms=ms(slot + 1), left=left, **which)])


STOPPED: tuple[str, float, dict[str, Any]] = ("cancelled", 30.5, {})
ALL: dict[str, Any] = {"pair": "SOL/USDC", "side": "buy", "type": "limit"}
QUIET = Look(5, 4, 3, 2)


def halted(after: Look = QUIET, *, sure: bool = True) -> Asked:
    return Asked(halts=[Halt(ms(49), ms(50), sure, QUIET, after, ms(60))])


LATE = story(fires(60, LIMIT), ("submitted", 61, {}), ("confirmed", 62, {}))
HONEST: dict[str, tuple[dict[str, Any], Asked]] = {
    "edited, and fired by its new price": (story(EDITED, fires(25, OTHER), ENDED), edit()),
    "not known, and not done": (story(fires(52, LIMIT), ENDED), edit(None)),
    "not known, and done": (story(EDITED, fires(25, OTHER), ENDED), edit(None)),
    "refused": (story(fires(52, LIMIT), ENDED), edit(done=False)),
    "cancelled": (story(STOPPED), cancelled()),
    "cancelled with all": (story(STOPPED), cancelled(**ALL)),
    "another pair was cancelled": (story(fires(52, LIMIT), ENDED), cancelled(**ALL | {"pair": "JUP/USDT"})),
    "sent before all were cancelled": (
        story(fires(52, LIMIT), ENDED), cancelled(frozenset(("one",)), slot=51, **ALL)
    ),
    "fired after a halt": (LATE, halted()),
    "sent by who did not say that it is quiet": (LATE, halted(Look(5, 4, 3, 9), sure=False)),
}  # fmt: skip


@pytest.mark.parametrize("what", HONEST)
def test_what_was_asked_for_and_done_is_no_reproach(what: str) -> None:
    found = judged(*HONEST[what])
    assert found.kept, found


UNASKED: dict[str, tuple[dict[str, Any], Asked]] = {
    "though nobody asked for it": (story(EDITED), Asked()),
    "and said that it was not": (story(EDITED), edit(done=False)),
    "edited 0 times": (story(), edit()),
    "edited 2 times": (story(EDITED, EDITED), edit()),
    "at another time": (story(("waiting", 40, EDITED[2])), edit()),
    "edited while it did not wait": (story(("pending", 15, {}), EDITED), edit()),
    "asked for {": (story(("waiting", 20.5, {"edited": {"targetPrice": ["1", "2"]}})), edit()),
    "fired by what it was before": (story(fires(52, LIMIT), ("waiting", 20.5, EDITED[2])), edit()),
    "it waited for": (story(EDITED, fires(52, LIMIT), ENDED), edit()),
    "went on after": (story(fires(52, LIMIT), ENDED), cancelled(**ALL)),
    "was said to be cancelled": (story(("expired", 30.5, {})), cancelled()),
    "cancelled, though nobody": (story(STOPPED), cancelled(slot=12, **ALL | {"side": "sell"})),
    "1 more accepted": (story(), halted(Look(6, 4, 3, 2))),
    "1 more signed": (story(), halted(Look(5, 5, 3, 2))),
    "1 more fired": (story(), halted(Look(5, 4, 4, 2))),
    "1 more taken by the chain": (story(), halted(Look(5, 4, 3, 3))),
    "submitted under the halt": (story(("submitted", 55, {})), halted()),
    "pending under the halt": (story(fires(52, LIMIT)), halted()),
}  # fmt: skip


@pytest.mark.parametrize("said", UNASKED)
def test_each_lie_of_an_edit_a_cancel_or_a_halt_is_seen(said: str) -> None:
    found = judged(*UNASKED[said])
    assert any(said in each for each in found.unfounded), found


def test_a_fill_is_held_to_the_terms_in_force() -> None:
    order = story(EDITED, fires(25, OTHER), ENDED, filled=f"{OTHER.target}")
    assert judged(order, edit()).kept
    assert judged(order, Asked()).wrong
    half = replace(OTHER, units=OTHER.units // 2)
    assert "not 1/2" in judged(story(EDITED, fires(25, OTHER), ENDED), edit(wait=half)).wrong[0]


def drawn(seed: int) -> list[Any]:
    orders = DrillOrders(301, [{}], seed, 60, 25)
    return [orders.draw(n) for n in range(301)]


def test_the_same_seed_asks_for_the_same() -> None:
    found = drawn(907)
    assert found == drawn(907) != drawn(908)
    assert {wait.kind for wait in found if isinstance(wait, Wait)} == {"limit", "stop", "trail", "launch"}
    pairs = [one for one in found if isinstance(one, Pair)]
    assert len(pairs) == found.count(None) > 10
    waits = [one for one in found if isinstance(one, Wait)] + [leg for pair in pairs for leg in pair.legs]
    edits = [wait for wait in waits if wait.edit is not None]
    assert all(wait.edited() != replace(wait, edit=None) for wait in edits) and len(edits) > 20
    assert {field for wait in edits if wait.edit for field in wait.edit.what} == {
        "target", "worst", "trail_bps", "launch_s", "lapse_s", "units",
    }  # fmt: skip
    assert any(pair.cancel_s for pair in pairs) and any(wait.cancel_s for wait in waits)

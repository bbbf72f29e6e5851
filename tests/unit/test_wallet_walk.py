"""One walk over the wallet's landings serves all orders in doubt, and says of none what it can't know."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from oee_daemon.engine import engine_wallet_walk
from oee_daemon.engine.engine_wallet_walk import StillInDoubt, WalletWalk
from oee_daemon.errors import BadCursor
from oee_daemon.networks.chain import FillPage
from oee_daemon.orders.swap import Fill

NEWEST = datetime(2026, 11, 26, tzinfo=UTC)
#: Landings a page.
PAGE = 50


def order_of(days: int = 25) -> Any:
    """Placed so many days before the newest landing."""
    placed = NEWEST - timedelta(days=days)
    return SimpleNamespace(id=uuid4(), created_at=placed, input_mint="in", output_mint="out")


class Wallet:
    """A history of landings, the oldest first, one a minute until the newest: each of an order, or of a
    stranger's. Those of `dusty` orders are read by their mints alone."""

    def __init__(self, landings: int) -> None:
        self.landed: list[UUID | None] = [None] * landings
        self.dusty: set[UUID] = set()
        self.height = 100
        self.asked: list[str | None] = []
        self.lost = False

    async def fills(self, *, before: str | None, mints: Any = (), **_: Any) -> FillPage:
        self.asked.append(before)
        if self.lost and before is not None:
            self.lost = False
            raise BadCursor
        end = len(self.landed) if before is None else int(before)
        begin = max(0, end - PAGE)
        named = {n: one for n in reversed(range(begin, end)) if (one := self.landed[n]) is not None}
        unread = [one for one in named.values() if one in self.dusty and not mints]
        fills = [fill(n, one) for n, one in named.items() if one not in unread]
        back_to = NEWEST - timedelta(minutes=len(self.landed) - begin)
        return FillPage(fills, str(begin) if begin else None, self.height, unread, back_to=back_to)


def fill(n: int, order_id: UUID) -> Fill:
    return Fill(
        signature=str(n), input_mint="in", output_mint="out", amount_in=1, amount_out=1, fee=None, slot=n,
        at=NEWEST, order_id=order_id,
    )  # fmt: skip


def searched(walk: WalletWalk, order: Any, past: int | None, **group: Any) -> Any:
    """As it is asked about again and again."""
    for _ in range(10):
        try:
            found, another, height = asyncio.run(walk.search(order, group.get("group", {}), past))
        except StillInDoubt:
            continue
        return another if found is None and another else found and found.signature, height
    raise AssertionError("still in doubt")


def walker(wallet: Any) -> WalletWalk:
    return WalletWalk(wallet)


def test_a_thousand_orders_in_doubt_cost_one_walk_of_a_long_history() -> None:
    wallet = Wallet(50_000)
    walk, orders = walker(wallet), [order_of(36 + n % 3) for n in range(1000)]
    for n in range(0, 1000, 10):
        wallet.landed[40 * n] = orders[n].id
    assert [searched(walk, one, 90)[0] for one in orders] == [
        None if n % 10 else str(40 * n) for n in range(1000)
    ]
    assert len(wallet.asked) == len(set(wallet.asked)) <= 50_000 // PAGE


def test_a_walk_that_began_too_early_is_no_word_on_what_landed_since() -> None:
    wallet, late = Wallet(200), order_of()
    walk = walker(wallet)
    assert searched(walk, late, None) == (None, 100)
    # Its swap can land until a height that the walk has not seen: only the newest page is looked at.
    read = len(wallet.asked)
    assert searched(walk, late, 150) == (None, 100) and len(wallet.asked) == read + 1
    wallet.landed += [late.id, *[None] * 80]
    assert searched(walk, late, 150)[1] <= 150
    wallet.height = 151
    assert searched(walk, late, 150) == ("200", 151)
    # Whoever is as far on counts on the same walk; it goes on where a page more is needed.
    read = len(wallet.asked)
    assert searched(walk, order_of(0), 150) == (None, 151) and len(wallet.asked) == read
    assert searched(walk, order_of(), 150) == (None, 151)
    assert len(wallet.asked) < read + 281 / PAGE + 1


def test_what_landed_just_now_is_found_before_a_walk_can_say_that_nothing_did() -> None:
    wallet, late = Wallet(10), order_of()
    walk = walker(wallet)
    assert searched(walk, late, None) == (None, 100)
    wallet.landed.append(late.id)
    assert searched(walk, late, 150) == ("10", 100)


def test_a_walk_on_which_others_count_is_not_left_for_a_newer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_wallet_walk, "SEARCH_S", 0.0)
    wallet, one, other = Wallet(400), order_of(), order_of()
    walk = walker(wallet)
    for past in (90, 120, 90, 120):
        with pytest.raises(StillInDoubt):
            asyncio.run(walk.search(one if past == 90 else other, {}, past))
        wallet.height += 30
    assert searched(walk, one, 90) == (None, 100)
    assert wallet.asked.count(None) == 1


def test_where_a_place_is_lost_the_walk_begins_anew() -> None:
    wallet, old = Wallet(200), order_of()
    wallet.landed[0], wallet.lost = old.id, True
    assert searched(walker(wallet), old, 90) == ("0", 100)
    assert wallet.asked.count(None) == 2


def test_a_landing_with_dust_is_read_by_the_mints_of_its_order_where_it_was_seen() -> None:
    wallet, dusty = Wallet(200), order_of()
    wallet.landed[80], wallet.dusty = dusty.id, {dusty.id}
    walk = walker(wallet)
    assert searched(walk, order_of(), 90) == (None, 100)
    assert searched(walk, dusty, 90) == ("80", 100)
    assert len(wallet.asked) == 5
    # Of a group its landing is enough, whatever it moved.
    beside = order_of()
    assert searched(walk, beside, 90, group={dusty.id: beside.created_at}) == (dusty.id, 100)


def test_where_many_are_in_doubt_nobody_waits_for_who_takes_the_walk_on() -> None:
    class Slow(Wallet):
        async def fills(self, **what: Any) -> FillPage:
            begun.set()
            await go_on.wait()
            return await super().fills(**what)

    async def run() -> None:
        first = asyncio.create_task(walk.search(order_of(), {}, 90))
        await begun.wait()
        with pytest.raises(StillInDoubt) as caught:
            await walk.search(order_of(), {}, 90)
        assert caught.value.pause == engine_wallet_walk.PAUSE[1]
        go_on.set()
        await first

    begun, go_on = asyncio.Event(), asyncio.Event()
    walk = walker(Slow(10))
    walk.are_many()
    asyncio.run(run())


def test_who_needs_little_does_not_begin_anew_the_walk_of_who_needs_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_wallet_walk, "SEARCH_S", 0.0)
    monkeypatch.setattr(engine_wallet_walk, "_STALE_S", -1.0)
    wallet = Wallet(2000)
    walk, deep, young = walker(wallet), order_of(36), order_of(0)
    answer = None
    for _ in range(60):
        with suppress(StillInDoubt):
            answer = answer or asyncio.run(walk.search(deep, {}, 50))
        with suppress(StillInDoubt):
            asyncio.run(walk.search(young, {}, None))
    assert answer == (None, None, 100)
    assert wallet.asked[:40].count(None) == 1

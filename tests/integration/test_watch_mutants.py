"""Each way in which a change could break the watch, and what shows it.

Every scenario runs twice: with the engine as it is, which has to keep what was promised, and with the break
in it, which must not. What is kept is read from the order, its events and the chain's ledger.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from oee_daemon.contract.order_types import OrderType, SwapMode
from oee_daemon.contract.status import Status
from oee_daemon.engine import engine_price_ticks, engine_watcher
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import QuoteRequest
from oee_daemon.orders.tokens import TOKENS
from tests.integration import watch_mutants
from tests.integration.watch_mutants import (
    believe_any_jump,
    bound_by_the_quote,
    compare_a_limit_by_a_little,
    compare_a_stop_by_its_own_size,
    confirm_a_stop_at_once,
    fire_later_than_looked,
    fire_on_what_the_feed_repeats,
    fire_past_its_time,
    fire_under_a_halt,
    fire_without_comparing_again,
    fire_without_the_fence,
    forget_the_guard,
    keep_what_another_did_not_see,
    lapse_by_our_own_clock,
    look_at_one_venue,
    ring_before_the_commit,
)
from tests.kit.engine import Bench
from tests.kit.now import now

Patch = pytest.MonkeyPatch


def probed(bench: Bench, *, sell: bool) -> Decimal:
    """USDC for one SOL, of a tenth of one."""
    prices = bench.network(bench.chain()).prices
    assert prices is not None
    given, taken = ("SOL", "USDC") if sell else ("USDC", "SOL")
    mode = SwapMode.EXACT_IN if sell else SwapMode.EXACT_OUT
    asked = QuoteRequest(
        input_token=TOKENS[given], output_token=TOKENS[taken], amount=10**8, mode=mode, number=0, attempt=1
    )
    quote = now(prices.firm(asked))
    assert quote is not None
    return Decimal(quote.amount_out if sell else quote.amount_in) / 10**5


def limit(bench: Bench, **what: Any) -> Order:
    """Buys at 2 % less."""
    target = round(probed(bench, sell=False) * Decimal("0.98"), 6)
    return bench.buy(type=OrderType.LIMIT, target_price=target, **what)


def stop(bench: Bench, away: str = "0.97", **what: Any) -> Order:
    """Sells once it is 3 % less."""
    target = round(probed(bench, sell=True) * Decimal(away), 6)
    return bench.place(type=OrderType.STOP, target_price=target, **{"confirm_ms": 1} | what)


def fired(bench: Bench, order: Order) -> bool:
    return bench.order(order.id).firings > 0


def edited_meanwhile(bench: Bench, monkeypatch: Patch) -> bool:
    """Between the look and the fire its price is changed."""
    order, lead = limit(bench), bench.watcher()
    now(lead.beat())
    bench.move_market(-300)
    meanwhile(lead, monkeypatch, lambda: bench.set(order.id, arm_price=Decimal(1)))
    now(lead.tick())
    return not fired(bench, order)


def over_meanwhile(bench: Bench, monkeypatch: Patch) -> bool:
    """Between the look and the fire its time ends."""
    order, lead = limit(bench, good_until=datetime.now(UTC) + timedelta(hours=1)), bench.watcher()
    now(lead.beat())
    bench.move_market(-300)
    meanwhile(lead, monkeypatch, lambda: bench.set(order.id, expires_at=bench.ago(seconds=1)))
    now(lead.tick())
    return not fired(bench, order)


def halted_meanwhile(bench: Bench, monkeypatch: Patch) -> bool:
    order, lead = limit(bench), bench.watcher()
    now(lead.beat())
    bench.move_market(-300)
    halt = "INSERT INTO halt (one, halted, number, at) VALUES (1, true, 1, clock_timestamp())"
    with bench.db.connect() as conn:
        meanwhile(lead, monkeypatch, lambda: conn.execute(text(halt)))
        now(lead.tick())
    return not fired(bench, order)


def meanwhile(lead: engine_watcher.Watcher, monkeypatch: Patch, what: Callable[[], object]) -> None:
    """Happens between the next look and its fire."""
    assert lead.ticks is not None
    probe = lead.ticks._probe

    async def and_then(reached: Any) -> Any:
        found = await probe(reached)
        what()
        return found

    monkeypatch.setattr(lead.ticks, "_probe", and_then)


def frozen_between_look_and_fire(bench: Bench, monkeypatch: Patch) -> bool:
    """For longer than a price is good for, and shorter than its lease."""
    order, lead = limit(bench), bench.watcher()
    now(lead.beat())
    bench.move_market(-300)
    # All that it reads of its own clock from here on is what it read 2.5 s ago.
    back = SimpleNamespace(monotonic=lambda: time.monotonic() - 2.5)
    monkeypatch.setattr(engine_price_ticks, "time", back)
    now(lead.tick())
    return not fired(bench, order)


def told_an_old_price(bench: Bench, _monkeypatch: Patch) -> bool:
    """The feed stays 60 s behind a market that has fallen since and come back."""
    order, lead = limit(bench), bench.watcher()
    now(lead.beat())
    bench.clock.wind(s=70)
    bench.feed_fault("lag", ms=60_000)
    bench.move_market(-300)
    now(lead.tick())
    return not fired(bench, order)


def woken_after_another_led(bench: Bench, _monkeypatch: Patch) -> bool:
    """A leader that was frozen wakes up while its price is young, and another leads."""
    order = limit(bench)
    one, two = bench.watcher(owner="one"), bench.watcher(owner="two")
    now(one.beat())
    with bench.db.connect() as conn:
        conn.exec_driver_sql("UPDATE watch SET lease_until = now() - interval '1 s'")
    now(two.beat())
    bench.move_market(-300)
    now(one.tick())
    return not fired(bench, order)


def lapses_by_whose_clock(bench: Bench, _monkeypatch: Patch) -> bool:
    """It waits for half an hour yet. Another one that is over makes the watcher look."""
    order = limit(bench, good_until=datetime.now(UTC) + timedelta(minutes=30))
    over = limit(bench, good_until=datetime.now(UTC) + timedelta(minutes=30))
    bench.set(over.id, expires_at=bench.ago(seconds=1))
    from oee_daemon.store.engine_row import where

    with bench.db.connect() as conn:
        here = where(conn)
    now(bench.watcher(where=here).beat())
    assert bench.order(over.id).status is Status.EXPIRED
    return bench.order(order.id).status is Status.WAITING


def jumps_once(bench: Bench, _monkeypatch: Patch) -> bool:
    """One look shows 12 % less, and the next one what it was."""
    order, lead = stop(bench, confirm_ms=0), bench.watcher()
    looks(bench, lead)
    bench.move_market(-1200)
    looks(bench, lead)
    bench.move_market(0)
    looks(bench, lead)
    return not fired(bench, order)


def has_a_wick(bench: Bench, _monkeypatch: Patch) -> bool:
    """For one slot only it is low enough."""
    order, lead = stop(bench), bench.watcher()
    for bps in (-500, 0, -500, 0):
        bench.move_market(bps)
        looks(bench, lead)
    return not fired(bench, order)


def leads_again(bench: Bench, _monkeypatch: Patch) -> bool:
    """What the first saw, another found gone; then the first leads again, and sees a wick."""
    order = stop(bench)
    one, two = bench.watcher(owner="one"), bench.watcher(owner="two")
    bench.move_market(-500)
    looks(bench, one)
    with bench.db.connect() as conn:
        conn.exec_driver_sql("UPDATE watch SET lease_until = now() - interval '1 s'")
    bench.move_market(0)
    looks(bench, two)
    now(two.leave())
    bench.move_market(-500)
    looks(bench, one)
    return not fired(bench, order)


def one_venue_falls(bench: Bench, _monkeypatch: Patch) -> bool:
    """Each in turn, to under the stop, which the other one is not."""
    order, lead = stop(bench, "0.94"), bench.watcher()
    looks(bench, lead)
    bench.move_market(-900, venue="raydium")
    looks(bench, lead, 3)
    bench.move_market(0, venue="raydium")
    bench.move_market(-900, venue="meteora")
    looks(bench, lead, 3)
    return not fired(bench, order)


def is_large(bench: Bench, _monkeypatch: Patch) -> bool:
    """3,000 SOL would move the price by more than a tenth; it has not moved."""
    order, lead = stop(bench, amount=3_000 * 10**9, far=True), bench.watcher()
    looks(bench, lead, 4)
    return not fired(bench, order)


def is_large_and_not_met(bench: Bench, _monkeypatch: Patch) -> bool:
    """A little has its price, all of it would be worse by far: it does not fire, over and over."""
    order, lead = limit(bench, amount=2_000 * 10**9), bench.watcher()
    looks(bench, lead)
    bench.move_market(-300)
    looks(bench, lead, 2)
    return not fired(bench, order)


def goes_back_after_it_fired(bench: Bench, _monkeypatch: Patch) -> bool:
    """What lands, if anything does, is judged by the chain's ledger and what was asked for."""
    order, lead = limit(bench), bench.watcher()
    now(lead.beat())
    bench.move_market(-300)
    now(lead.tick())
    bench.move_market(0)
    bench.execution().run(order.id)
    with bench.ledger.connect() as conn:
        row = conn.execute(
            text("SELECT amount_in, amount_out FROM sim_ledger WHERE state = 'landed'")
        ).first()
    assert order.target_price is not None
    return row is None or Decimal(row[0]) / 10**6 <= order.target_price * Decimal(row[1]) / 10**9


def gaps_through(bench: Bench, _monkeypatch: Patch) -> bool:
    """The price is 5 % better than asked for: the chain allows a little less than the quote, not all that."""
    order, lead = limit(bench), bench.watcher()
    now(lead.beat())
    bench.move_market(-700)
    now(lead.tick())
    done = bench.run_to_end(bench.execution(), order.id)
    assert done.quote_in is not None
    return bench.limit_of(order.id) <= done.quote_in * 101 // 100


def rings(bench: Bench, monkeypatch: Patch) -> bool:
    """Whoever is handed it finds it due."""
    seen: list[Status] = []

    def hand(order_id: Any) -> bool:
        seen.append(bench.order(order_id).status)
        return True

    monkeypatch.setattr(bench.broker, "hand", hand)
    monkeypatch.setattr(watch_mutants, "hands", [hand])
    limit(bench)
    lead = bench.watcher()
    now(lead.beat())
    bench.move_market(-300)
    now(lead.tick())
    assert seen
    return set(seen) == {Status.PENDING}


def looks(bench: Bench, lead: engine_watcher.Watcher, times: int = 1) -> None:
    for _ in range(times):
        now(lead.beat())
        now(lead.tick())
        bench.clock.wind(ms=400)


MUTANTS: dict[Callable[[Patch], None], Callable[[Bench, Patch], bool]] = {
    fire_without_comparing_again: edited_meanwhile,
    fire_later_than_looked: frozen_between_look_and_fire,
    fire_on_what_the_feed_repeats: told_an_old_price,
    fire_without_the_fence: woken_after_another_led,
    fire_past_its_time: over_meanwhile,
    fire_under_a_halt: halted_meanwhile,
    lapse_by_our_own_clock: lapses_by_whose_clock,
    believe_any_jump: jumps_once,
    confirm_a_stop_at_once: has_a_wick,
    keep_what_another_did_not_see: leads_again,
    look_at_one_venue: one_venue_falls,
    compare_a_stop_by_its_own_size: is_large,
    compare_a_limit_by_a_little: is_large_and_not_met,
    bound_by_the_quote: goes_back_after_it_fired,
    forget_the_guard: gaps_through,
    ring_before_the_commit: rings,
}


@pytest.mark.parametrize("broken", [False, True], ids=["as it is", "broken"])
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_watch_keeps_what_a_broken_one_does_not(
    bench: Bench, mutant: Callable[[Patch], None], broken: bool, monkeypatch: Patch
) -> None:
    if broken:
        mutant(monkeypatch)
    kept = MUTANTS[mutant](bench, monkeypatch)
    assert kept is not broken, f"the mutant {mutant.__name__} lives" if broken else "the promise is broken"

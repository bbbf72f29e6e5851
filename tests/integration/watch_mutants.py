"""Ways in which a change could break the watch, each a patch of the engine in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from oee_daemon.engine import engine_conditions_met, engine_price_ticks, engine_quotes
from oee_daemon.networks.prices import probe
from oee_daemon.networks.simulated import simulated_prices
from oee_daemon.store import watch_sql
from oee_daemon.store.predicates import HALTED
from oee_daemon.store.sql_statement import Statement

Patch = pytest.MonkeyPatch


def rewritten(monkeypatch: Patch, name: str, *changes: tuple[str, str]) -> None:
    """A statement of the watch, with parts of it written anew."""
    old = getattr(watch_sql, name)
    said = old.text
    for part, instead in changes:
        assert part in said, f"{name} no longer says {part}"
        said = said.replace(part, instead)
    monkeypatch.setattr(watch_sql, name, Statement(said, old._rows))


def fire_without_comparing_again(monkeypatch: Patch) -> None:
    rewritten(monkeypatch, "FIRE", ("AND CASE o.arm_rule", "AND true OR CASE o.arm_rule"))


def fire_later_than_looked(monkeypatch: Patch) -> None:
    rewritten(monkeypatch, "FIRE", ("> clock_timestamp() - %(max_age)s::interval", "IS NOT NULL"))


def fire_on_what_the_feed_repeats(monkeypatch: Patch) -> None:
    """A price is as young as the answer that it came with."""
    prices = simulated_prices.SimulatedPrices.prices

    async def young(self: Any, pairs: Any) -> Any:
        return {name: replace(price, age_s=0.0) for name, price in (await prices(self, pairs)).items()}

    monkeypatch.setattr(simulated_prices.SimulatedPrices, "prices", young)


def fire_without_the_fence(monkeypatch: Patch) -> None:
    rewritten(
        monkeypatch,
        "FIRE",
        ("AND fence = %(fence)s AND lease_until > clock_timestamp()", "AND %(fence)s IS NOT NULL"),
    )


def fire_past_its_time(monkeypatch: Patch) -> None:
    rewritten(monkeypatch, "FIRE", ("AND (o.expires_at IS NULL OR o.expires_at > clock_timestamp())", ""))


def fire_under_a_halt(monkeypatch: Patch) -> None:
    rewritten(monkeypatch, "FIRE", (f"AND NOT {HALTED}", ""))


def lapse_by_our_own_clock(monkeypatch: Patch) -> None:
    rewritten(monkeypatch, "LAPSE", ("expires_at <= clock_timestamp()", "expires_at <= %(now)s::timestamptz"))
    old = watch_sql.LAPSE
    monkeypatch.setattr(
        watch_sql,
        "LAPSE",
        SimpleNamespace(all=lambda conn, values: old.all(conn, values | {"now": watcher_clock()})),
    )


def watcher_clock() -> datetime:
    """An hour fast, as this machine's clock may be and Postgres's is not."""
    return datetime.now(UTC) + timedelta(hours=1)


def believe_any_jump(monkeypatch: Patch) -> None:
    monkeypatch.setattr(engine_conditions_met, "believable", lambda *price: True)


def confirm_a_stop_at_once(monkeypatch: Patch) -> None:
    monkeypatch.setattr(engine_conditions_met.Held, "ms", lambda *asked: 0)


def keep_what_another_did_not_see(monkeypatch: Patch) -> None:
    monkeypatch.setattr(engine_price_ticks.PriceTicks, "confirm_anew", lambda self: None)


def look_at_one_venue(monkeypatch: Patch) -> None:
    """The price of whoever is the first venue."""
    first = "oee_daemon.networks.prices.standing"
    monkeypatch.setattr(first, lambda mode, venue, paid, got: (0, -ord(venue[0])))


def compare_a_stop_by_its_own_size(monkeypatch: Patch) -> None:
    monkeypatch.setattr(
        "oee_daemon.networks.simulated.simulated_prices.probe",
        lambda pair, side, usd: replace(probe(pair, side, usd), amount=3_000 * 10**9),
    )


def compare_a_limit_by_a_little(monkeypatch: Patch) -> None:
    monkeypatch.setattr(engine_conditions_met, "is_met", lambda order, quote: True)


def bound_by_the_quote(monkeypatch: Patch) -> None:
    """The worst price of a limit comes from the quote of the moment instead of the order."""
    choose = engine_quotes.choose
    monkeypatch.setattr(engine_quotes, "choose", lambda answers, mode, bound: choose(answers, mode, None))
    monkeypatch.setattr(engine_quotes, "guarded", lambda quote, order: quote.amount_in * 101 // 100)


def forget_the_guard(monkeypatch: Patch) -> None:
    monkeypatch.setattr(engine_quotes, "guarded", lambda quote, order: order.bound)


def ring_before_the_commit(monkeypatch: Patch) -> None:
    fire = engine_price_ticks.PriceTicks._fire_orders

    async def rung(self: Any, lead: Any, price: Any, price_at: Any, ready: Any) -> Any:
        for candidate, _ in ready:
            hands[0](candidate.order.id)
        return await fire(self, lead, price, price_at, ready)

    monkeypatch.setattr(engine_price_ticks.PriceTicks, "_fire_orders", rung)


#: Who is handed what has fired, while a scenario listens.
hands: list[Callable[[Any], object]] = [lambda order_id: None]

"""Orders that wait at the bench: placed by how far their price is, alone or as a group, and looked at."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text

from oee_daemon.contract.order_types import OrderType
from oee_daemon.engine.engine_watcher import Watcher
from oee_daemon.engine.group_intake import Group, GroupIntake
from oee_daemon.engine.placing import Placing
from oee_daemon.networks.prices import Watched
from oee_daemon.orders.order import Order
from oee_daemon.orders.terms import Terms, terms_of
from oee_daemon.orders.tokens import TOKENS
from oee_daemon.store import doubt_sql
from tests.kit.engine import Bench
from tests.kit.now import now

#: How long a slot of the chain takes, in milliseconds.
SLOT_MS = 400
#: One SOL for USDC.
SALE: dict[str, Any] = {"input_token": TOKENS["SOL"], "output_token": TOKENS["USDC"], "amount": 10**9}


def price(bench: Bench, *, sell: bool) -> Decimal:
    """What the probe says, by a look of its own."""
    network = bench.network(bench.chain())
    assert network.prices is not None
    base, quote = network.tokens.find("SOL", "x"), network.tokens.find("USDC", "x")
    pair = Watched(f"{base.mint}/{quote.mint}", base, quote)
    found = now(network.prices.prices([pair]))[pair.name]
    return found.bid if sell else found.ask


def limit(bench: Bench, away: str, *, sell: bool = False, **what: Any) -> Order:
    """Waits for a price that is `away` of today's, as in "0.98"."""
    target = round(price(bench, sell=sell) * Decimal(away), 6)
    place = bench.place if sell else bench.buy
    return place(type=OrderType.LIMIT, target_price=target, **what)


def stop(bench: Bench, away: str, **what: Any) -> Order:
    target = round(price(bench, sell=True) * Decimal(away), 6)
    return bench.place(type=OrderType.STOP, target_price=target, **{"confirm_ms": 1} | what)


def looked(bench: Bench, watcher: Watcher, times: int = 1) -> list[Any]:
    """A beat, and a look a slot."""
    fired: list[Any] = []
    for _ in range(times):
        now(watcher.beat())
        fired += [*now(watcher.tick()), *now(watcher.look_for_tokens())]
        bench.clock.wind(ms=SLOT_MS)
    return fired


def legs(bench: Bench, *, profit: str = "1.02", loss: str = "0.97", **stop: Any) -> list[Terms]:
    """A sale at a profit, or else at a loss, each at that part of today's price."""
    bid = price(bench, sell=True)
    at = [round(bid * Decimal(part), 6) for part in (profit, loss)]
    return [
        terms_of(SALE | {"type": OrderType.LIMIT, "target_price": at[0]}),
        terms_of(SALE | {"type": OrderType.STOP, "target_price": at[1], "confirm_ms": 1} | stop),
    ]


def grouped(bench: Bench, terms: Sequence[Terms], key: str | None = None, **what: Any) -> Group:
    placing = Placing(bench.network(bench.chain()))
    asked = []
    for each in terms:
        armed = now(placing.armed(each))
        assert armed is not None
        asked.append((each, armed))
    return now(GroupIntake(bench.db, bench.feed, network="simulated", **what).accept(asked, key))


def pair(bench: Bench, **what: Any) -> tuple[Order, Order]:
    profit, loss = grouped(bench, legs(bench, **what)).orders
    return profit, loss


def turn(bench: Bench, order: Order) -> tuple[UUID | None, UUID | None]:
    """Whose turn it is in the order's group, and who was filled."""
    with bench.db.connect() as conn:
        asked = text("SELECT turn, filled FROM order_groups WHERE id = :id")
        found = conn.execute(asked, {"id": order.group_id}).one()
    return found[0], found[1]


def fired(bench: Bench, **what: Any) -> tuple[Order, Order]:
    """The sale at a profit has fired."""
    profit, loss = pair(bench, **what)
    bench.move_market(300)
    assert looked(bench, bench.watcher(), 2) == [profit.id]
    assert turn(bench, profit) == (profit.id, None)
    return profit, loss


def in_doubt(bench: Bench) -> None:
    with bench.db.connect() as conn:
        doubt_sql.doubt(conn, now(bench.chain().identity()), elsewhere=False)


def resolved(bench: Bench, order_id: UUID) -> Order:
    execution = bench.execution()
    for _ in range(8):
        bench.wake(order_id)
        execution.run(order_id)
        bench.clock.wind(s=120)
    return bench.order(order_id)

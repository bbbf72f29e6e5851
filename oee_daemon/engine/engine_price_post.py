"""What the leader knows of a pair between two ticks: the nearest price of each rule, and the prices that it
saw last. Only a hint: Postgres decides what fires.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.networks.prices import Price, PriceSource, Watched
from oee_daemon.orders.conditions import PRICED, Rule, is_reached

#: One look is made for so many where the nearest price is further away than so many hundredths of a per cent.
_FAR = ((300, 4), (50, 2))
#: Where what is nearest by each rule stands in a row.
_COLUMNS = [(rule, rule.name.lower()) for rule in PRICED]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """The right to fire: the fence of the lease, and what Postgres's clock said when ours said `at`."""

    fence: int
    now: datetime
    at: float

    def moment(self, at: float, age_s: float = 0.0) -> datetime:
        """What Postgres's clock said at that moment of ours, or `age_s` before."""
        return self.now + timedelta(seconds=at - self.at - age_s)


@dataclass(slots=True)
class Post:
    """What is nearest of a pair, by rule; none where nothing is."""

    pair: Watched
    nearest: Mapping[Rule, Decimal | None]
    trails: bool
    #: The last price, and the last that may fire anything.
    last: Price | None = None
    good: Price | None = None
    #: The slot of a jump that no other slot has shown yet.
    jumped: int | None = None
    #: By the clock of the leader, when its price was last fresh.
    fresh_at: float = field(default_factory=time.monotonic)
    #: When trailing stops last followed an estimate.
    followed_at: float = 0.0

    def note(self, price: Price, believable: bool) -> bool:
        """Whether the price is good: one slot that shows a jump twice is one observation of it."""
        good = believable and self.jumped != price.slot
        self.jumped, self.last = None if good else price.slot, price
        return good

    def reached(self, price: Price) -> bool:
        return any(
            near is not None and is_reached(rule, near, price.bid, price.ask)
            for rule, near in self.nearest.items()
        )


def post_of(row: Any, tokens: TokenBook, old: Post | None) -> Post | None:
    """Of a row of `watch_sql.POSTS`; none of a token that is not known. What is known of the pair's price, by
    the `old` one, stays known."""
    mints = row.pair.split("/")
    if not all(mint in tokens for mint in mints):
        return None
    base, quote = map(tokens.by_mint, mints)
    nearest = {rule: getattr(row, column) for rule, column in _COLUMNS}
    if old is not None:
        return replace(old, pair=Watched(row.pair, base, quote), nearest=nearest, trails=row.trails)
    return Post(Watched(row.pair, base, quote), nearest, row.trails)


def one_look_for(posts: Collection[Post], source: PriceSource) -> int:
    """One look for how many is made now. All pairs are asked for at once, so the nearest decides."""
    most = max(1, int(source.max_age_s / 3 / source.cadence_s))
    return 1 if most == 1 else min(most, min(map(looks_between, posts), default=1))


def looks_between(post: Post) -> int:
    """For how many looks one is enough while the nearest price of the pair is as far away as it is."""
    if post.trails or post.good is None:
        return 1
    near = [(rule, price) for rule, price in post.nearest.items() if price is not None]
    away = min((_away_bps(rule, price, post.good) for rule, price in near), default=0)
    return next((looks for bps, looks in _FAR if away > bps), 1)


def _away_bps(rule: Rule, near: Decimal, price: Price) -> Decimal:
    now = price.ask if rule in (Rule.BUY_LIMIT, Rule.BUY_STOP) else price.bid
    return Decimal(0) if is_reached(rule, near, price.bid, price.ask) else abs(near - now) / now * 10_000


def told(post: Post, source: PriceSource, lead: Lead, live: bool, cadence_ms: int) -> dict[str, Any]:
    """What is stored of a pair's price. `live`: it is fresh."""
    price = post.last
    row: dict[str, Any] = {"pair": post.pair.name, "source": source.name}
    row["state"] = "live" if live and price is not None else "blind" if price is None else "stale"
    fresh_at = lead.moment(post.fresh_at).isoformat()
    if price is not None:
        row |= {"bid": str(price.bid), "ask": str(price.ask), "slot": price.slot, "priced_at": fresh_at}
    max_age_ms = round(source.max_age_s * 1000)
    return row | {"cadence_ms": cadence_ms, "gap_begun": fresh_at, "max_age_ms": max_age_ms}

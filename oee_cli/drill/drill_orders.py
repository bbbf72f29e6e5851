"""What the orders of a drill are: those that trade at once, in turn, and among them those that wait.

Which order waits, for what and until when is drawn by the drill's seed and the order's number alone. Prices
are near those at which the market begins, as `drill_market` reckons them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from oee_cli.drill.drill_market import TOKENS, Market

#: What is waited on: base, quote, and how much base.
PAIRS = (("SOL", "USDC", "1.5"), ("JUP", "USDT", "800"), ("JTO", "SOL", "40"))
#: How often each kind is drawn, relative to the others: a limit, a stop, a stop that trails, a launch time,
#: and a limit and a stop of which at most one is filled.
KINDS = {"limit": 5, "stop": 4, "trail": 2, "launch": 2, "oco": 4}
#: Seconds until an order's launch, until a waiting one is over, and until it is cancelled, if it is.
LAUNCH_S, LAPSE_S, CANCEL_S = (1.0, 15.0), (18.0, 60.0), (1.0, 30.0)
#: Seconds until an order is edited, if it is.
EDIT_S = (0.5, 15.0)
#: Of a hundred limits those that are looked at from a time on; of a hundred of all those cancelled, and those
#: edited; of a hundred pairs to cancel those cancelled as a group.
_LATER, _CANCELLED, _EDITED, _AS_GROUP = 20, 8, 25, 50
#: How the request names what an edit changes.
_SAID = {
    "target": "targetPrice", "worst": "limitPrice", "trail_bps": "trailBps", "confirm_ms": "confirmMs",
    "units": "amount", "launch_s": "launchTime", "lapse_s": "expiresAt",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """What one order waits for. `target`, `worst`: quote per base; none where it has none, or the usual."""

    kind: str
    base: str
    quote: str
    sells: bool
    #: Of the base token, in its base units.
    units: int
    target: Decimal | None = None
    worst: Decimal | None = None
    trail_bps: int | None = None
    confirm_ms: int = 0
    launch_s: float | None = None
    lapse_s: float
    cancel_s: float | None = None
    edit: Change | None = None

    @property
    def tokens(self) -> tuple[str, str]:
        """What is given and what is taken."""
        return (self.base, self.quote) if self.sells else (self.quote, self.base)

    def edited(self) -> Wait:
        """As it is after its edit."""
        return self if self.edit is None else replace(self, edit=None, **self.edit.what)

    def body(self, now: datetime) -> dict[str, Any]:
        """The request, its times counted from `now`."""
        amount = Decimal(self.units).scaleb(-TOKENS[self.base][2])
        type_of = {"trail": "stop", "launch": "market"}
        given, taken = self.tokens
        said: dict[str, Any] = {"type": type_of.get(self.kind, self.kind), "amount": f"{amount:f}"}
        said |= {"inputToken": given, "outputToken": taken, "side": "sell" if self.sells else "buy"}
        if not self.sells:
            said["swapMode"] = "ExactOut"
        prices = {"targetPrice": self.target, "limitPrice": self.worst}
        said |= {name: f"{price:f}" for name, price in prices.items() if price is not None}
        if self.kind in ("stop", "trail"):
            said["confirmMs"] = self.confirm_ms
        if self.trail_bps is not None:
            said["trailBps"] = self.trail_bps
        elif self.target is not None:
            # It is meant, whatever the market has become.
            said["far"] = True
        for name, away_s in (("launchTime", self.launch_s), ("expiresAt", self.lapse_s)):
            if away_s is not None:
                said[name] = (now + timedelta(seconds=away_s)).isoformat(timespec="milliseconds")
        return said


@dataclass(frozen=True, slots=True)
class Change:
    """An edit after `after_s` seconds. `what`: the fields of a `Wait` that it changes, never to what they
    were."""

    after_s: float
    what: Mapping[str, Any]

    def body(self, edited: Wait, now: datetime) -> dict[str, Any]:
        """The request; times count from `now`."""
        whole = edited.body(now)
        names = [_SAID[field] for field in self.what] + (["far"] if "target" in self.what else [])
        return {name: whole[name] for name in names}


@dataclass(frozen=True, slots=True)
class Pair:
    """Of two at most one is filled. `cancel_s`: seconds until both are cancelled as a group, if they are."""

    legs: tuple[Wait, Wait]
    cancel_s: float | None = None

    def body(self, now: datetime) -> dict[str, Any]:
        return {"rule": "oco", "orders": [leg.body(now) for leg in self.legs]}


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that waits, as it was asked for; times in ms since the epoch. `other`: the one that excludes
    it, if one does."""

    wait: Wait
    launch_ms: float
    lapse_ms: float
    other: str | None = None

    @classmethod
    def read(cls, wait: Wait, body: Mapping[str, Any], other: str | None = None) -> Placed:
        return cls(wait, _ms(body, "launchTime"), _ms(body, "expiresAt"), other)

    def edited(self, body: Mapping[str, Any]) -> Placed:
        """As it is after the edit of that request."""
        launch_ms = _ms(body, "launchTime") or self.launch_ms
        return Placed(self.wait.edited(), launch_ms, _ms(body, "expiresAt") or self.lapse_ms, self.other)


def _ms(body: Mapping[str, Any], name: str) -> float:
    """Since the epoch; 0 where the request has no such time."""
    return datetime.fromisoformat(body[name]).timestamp() * 1000 if name in body else 0.0


class DrillOrders:
    """`count` of them. `bodies`: what trades at once; `percent` of all wait, on the market of that seed and
    volatility."""

    def __init__(
        self, count: int, bodies: Sequence[Mapping[str, Any]], seed: int, percent: int, volatility: int
    ) -> None:
        self._count = count
        self._bodies = bodies
        self._seed = seed
        self._percent = percent
        self._market = Market(seed, volatility)

    def draw(self, number: int) -> Wait | Pair | Mapping[str, Any] | None:
        """What waits, or the request of what does not; none of a number that the one before it has taken."""
        if number % 2 and self._kind(number - 1)[0] == "oco":
            return None
        kind, draw = self._kind(number)
        if kind is None:
            return self._bodies[number % len(self._bodies)]
        base, quote, amount = draw.choice(PAIRS)
        units = int(Decimal(amount).scaleb(TOKENS[base][2]))
        what: dict[str, Any] = {"base": base, "quote": quote, "units": units, "sells": draw.random() < 0.5}
        what["lapse_s"] = draw.uniform(*LAPSE_S)
        if draw.randrange(100) < _CANCELLED:
            what["cancel_s"] = draw.uniform(*CANCEL_S)
        if kind != "oco":
            return self._wait(kind, what, draw)
        cancel_s = what.pop("cancel_s") if draw.randrange(100) < _AS_GROUP and "cancel_s" in what else None
        return Pair((self._wait("limit", what, draw), self._wait("stop", what, draw)), cancel_s)

    def _kind(self, number: int) -> tuple[str | None, random.Random]:
        """None: it trades at once. Of two numbers the second may be the first one's."""
        draw = random.Random(f"{self._seed} order {number}")  # noqa: S311
        if draw.randrange(100) >= self._percent:
            return None, draw
        (kind,) = draw.choices(list(KINDS), weights=list(KINDS.values()))
        alone = number % 2 == 1 or number + 1 == self._count
        return "limit" if kind == "oco" and alone else kind, draw

    def _wait(self, kind: str, what: Mapping[str, Any], draw: random.Random) -> Wait:
        more, sells = dict(what), what["sells"]
        if kind == "launch" or (kind == "limit" and draw.randrange(100) < _LATER):
            more["launch_s"] = draw.uniform(*LAUNCH_S)
        if kind == "trail":
            more["trail_bps"] = draw.randint(40, 200)
        elif kind != "launch":
            more["target"] = self._target(kind, what, draw)
        if kind == "stop" and draw.random() < 0.5:
            more["worst"] = _price_past(more["target"], sells, draw)
        if kind in ("stop", "trail"):
            more["confirm_ms"] = draw.choice((400, 800, 2000))
        wait = Wait(kind=kind, **more)
        if draw.randrange(100) >= _EDITED:
            return wait
        return replace(wait, edit=Change(draw.uniform(*EDIT_S), self._change(wait, what, draw)))

    def _target(self, kind: str, what: Mapping[str, Any], draw: random.Random) -> Decimal:
        """A limit waits for a better price than now, a stop for a worse one; a few are met at once."""
        bid, ask = self._market.prices(what["base"], what["quote"], 0, {})
        better = draw.randint(-30, 250) * (1 if kind == "limit" else -1)
        away = better if what["sells"] else -better
        return _price((bid if what["sells"] else ask) * (10_000 + away) / 10_000)

    def _change(self, wait: Wait, what: Mapping[str, Any], draw: random.Random) -> dict[str, Any]:
        """Another price or time, and of some another amount or end beside it."""
        if wait.kind == "launch":
            return {"launch_s": draw.uniform(*LAUNCH_S)}
        if wait.kind == "trail":
            changed: dict[str, Any] = {"trail_bps": (wait.trail_bps or 0) + draw.randint(1, 100)}
        else:
            # One ten-thousandth more, so that it is never the same.
            drawn = self._target(wait.kind, what, draw)
            changed = {"target": _price(Fraction(drawn) * 10_001 / 10_000) if drawn == wait.target else drawn}
        if wait.worst is not None:
            changed["worst"] = _price_past(changed["target"], wait.sells, draw)
        if draw.random() < 0.3:
            changed["units"] = wait.units // 2
        if draw.random() < 0.3:
            changed["lapse_s"] = draw.uniform(*LAPSE_S)
        return changed


def _price_past(target: Decimal, sells: bool, draw: random.Random) -> Decimal:
    """The worst price of a stop, a little past its target."""
    away = draw.randint(20, 150) * (-1 if sells else 1)
    return _price(Fraction(target) * (10_000 + away) / 10_000)


def _price(exact: Fraction) -> Decimal:
    """Eight digits of it."""
    return Decimal(f"{Decimal(exact.numerator) / Decimal(exact.denominator):.8g}")

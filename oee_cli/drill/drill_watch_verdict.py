"""The judge of orders that wait: whether each fired for a reason that the market gives, and none was missed.

It holds what was asked for, and what the engine says of each firing, against the market's own path: pure
functions, and no code of the engine. What nobody could see (a feed that was blind, a leader that was frozen)
is no reproach; what the engine claims to have seen then is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any

from oee_cli.drill.drill_asked import Asked
from oee_cli.drill.drill_asked_verdict import OFF_MS, judge_cancels, judge_halt, terms_at
from oee_cli.drill.drill_market import SLOT_MS, TOKENS, Ask, Market
from oee_cli.drill.drill_orders import Placed, Wait
from oee_cli.drill.drill_turns import Spans, crowded_times, judge_pair, moment_ms, turns_of
from oee_cli.drill.drill_verdict import Verdict

#: Milliseconds after which a price is too old.
MAX_AGE_MS = 2000
#: How long a condition may hold in plain sight without a firing; a rest after a return is at most this long.
PATIENT_MS, MOST_REST_MS = 10_000, 60_000
#: The same, whatever was done to those who look.
ENDLESS_MS = 45_000
#: For how long the daemon tries to store an order.
MOST_STORING_MS = 10_000
#: Prices that the engine tells are rounded to 18 digits.
_NEAR = Fraction(1, 10**15)


@dataclass
class Seen:
    """What the drill itself knows of its run, in ms since the epoch. `hidden`: when nobody may have looked;
    `blind`: when nobody can have; `fences`: when the leader of which fence was seen; `unsure`: when a process
    may have stood still between a look and its commit; `asked`: edits, cancels and halts."""

    placed: Mapping[str, Placed]
    hidden: Spans = ()
    blind: Spans = ()
    unsure: Spans = ()
    fences: Sequence[tuple[float, int]] = ()
    asked: Asked = field(default_factory=Asked)


@dataclass
class Judge:
    """Adds to `verdict` what fired without a reason (`unfounded`) and what should have fired (`missed`)."""

    market: Market
    seen: Seen
    verdict: Verdict
    figures: Counter[str] = field(default_factory=Counter)
    _prices: dict[Any, Any] = field(default_factory=dict)

    def judge(self, orders: Sequence[Mapping[str, Any]]) -> Counter[str]:
        """How many fired, of each kind, and what else was looked at."""
        fired: list[tuple[float, int, str]] = []
        crowded, known = list(crowded_times(orders)), {order["orderId"]: order for order in orders}
        for order in orders:
            placed = self.seen.placed.get(order["orderId"])
            if placed is None:
                continue
            self.figures["waited"] += 1
            terms = terms_at(self.verdict, order, placed, self.seen.asked.edits.get(order["orderId"]))
            self.figures["edited"] += int(terms[-1] is not placed)
            self.figures["cancelled"] += int(judge_cancels(self.verdict, order, self.seen.asked.cancels))
            fired += self._judge_firings(order, terms)
            self._judge_fill(order, terms)
            other = known.get(placed.other or "")
            self._judge_waits(order, terms, crowded, turns_of(other) if other else ())
            if other is not None:
                judge_pair(self.verdict, order, other)
        self._judge_fences(fired)
        for halt in self.seen.asked.halts:
            self.figures["halts"] += 1
            judge_halt(self.verdict, halt, orders)
        return self.figures

    def _judge_firings(
        self, order: Mapping[str, Any], terms: Sequence[Placed]
    ) -> list[tuple[float, int, str]]:
        """When it was fired, and by which fence."""
        fired = []
        for event, placed in zip(order["events"], terms, strict=True):
            trigger = event["data"].get("trigger")
            if event["status"] == "pending" and trigger is not None:
                self.figures[f"fired {placed.wait.kind}"] += 1
                self._judge_firing(order, placed, event, trigger)
                if "fence" in trigger:
                    fired.append((moment_ms(event["at"]), int(trigger["fence"]), order["orderId"]))
        return fired

    def _judge_firing(
        self, order: Mapping[str, Any], placed: Placed, event: Mapping[str, Any], trigger: Mapping[str, Any]
    ) -> None:
        at_ms, wait = moment_ms(event["at"]), placed.wait
        if placed.launch_ms and at_ms < placed.launch_ms - 1:
            self._accuse_unfounded(order, f"fired {placed.launch_ms - at_ms:.0f} ms before its launch")
        if at_ms > placed.lapse_ms + OFF_MS and not _within(at_ms, self.seen.unsure):
            self._accuse_unfounded(order, f"fired {at_ms - placed.lapse_ms:.0f} ms after its time was over")
        if wait.kind == "launch":
            return
        slot = int(trigger["slot"])
        begun_ms = self.market.genesis_ms + slot * SLOT_MS
        age_ms = at_ms - begun_ms - SLOT_MS
        if age_ms > MAX_AGE_MS + OFF_MS and not _within(at_ms, self.seen.unsure):
            self._accuse_unfounded(order, f"fired on a price that was {age_ms:.0f} ms old")
        if any(a < begun_ms and begun_ms + SLOT_MS < b for a, b in self.seen.blind):
            self._accuse_unfounded(order, f"fired on a price of slot {slot}, when the feed was blind")
        told = Fraction(trigger["bid"]), Fraction(trigger["ask"])
        shifts = self.market.moved(begun_ms - OFF_MS, at_ms + OFF_MS)
        if not any(_alike(told, self._at(wait, slot, shift)) for shift in shifts):
            self._accuse_unfounded(order, f"the market had no such price in slot {slot}: {trigger}")
            return
        self.figures["prices found on the path"] += 1
        self._judge_condition(order, wait, slot, at_ms, told, trigger)

    def _judge_condition(
        self,
        order: Mapping[str, Any],
        wait: Wait,
        slot: int,
        at_ms: float,
        told: tuple[Fraction, Fraction],
        trigger: Mapping[str, Any],
    ) -> None:
        latched = trigger["basis"] == "executable" and wait.kind != "limit"
        target = self._target(order, wait, slot, trigger, latched)
        if target is None:
            return
        limit = latched or wait.kind == "limit"
        price = told[0] if wait.sells else told[1]
        if not _is_met(price, target, limit, wait.sells):
            self._accuse_unfounded(order, f"{float(price):.8g} does not meet its {float(target):.8g}")
            return
        slots = range(slot, self.market.slot_at(at_ms) + 2)
        if limit:
            asked = _ask(wait)
            if not any(
                _is_met(p, target, True, wait.sells) for n in slots for p in self._own(wait, asked, n)
            ):
                self._accuse_unfounded(order, "all of it never had that price")
            return
        held_ms = int(trigger["heldMs"])
        # By the clock, not by slots: the first price, or this one, may have come late.
        first = slot - held_ms // SLOT_MS
        since = first - 2 - MAX_AGE_MS // SLOT_MS
        until = min(first + 3 + int(trigger.get("ageMs", 0)) // SLOT_MS, slot)
        if held_ms < wait.confirm_ms or not any(
            _is_met(p[0] if wait.sells else p[1], target, False, wait.sells)
            for n in range(since, until)
            for p in self._possible(wait, n)
        ):
            self._accuse_unfounded(order, f"its stop was not met over two slots: {trigger}")

    def _target(
        self, order: Mapping[str, Any], wait: Wait, slot: int, trigger: Mapping[str, Any], latched: bool
    ) -> Fraction | None:
        """What it has to be met by; none, and said so, where it can't be what the engine says."""
        told = Fraction(trigger["target"])
        if latched:
            return Fraction(order["limitPrice"])
        if wait.kind != "trail":
            target = Fraction(wait.target or 0)
            if told != target:
                self._accuse_unfounded(order, f"it waited for {target}, and fired by {told}")
            return target
        # It followed the best price that there may have been, and no better one.
        # What it first went by was asked for just before it was stored, or longer where Postgres hung.
        asked_ms = moment_ms(order["events"][0]["data"]["market"]["at"])
        first = self.market.slot_at(max(asked_ms, moment_ms(order["createdAt"]) - MOST_STORING_MS)) - 1
        best = [p for n in range(first, slot + 1) for p in self._possible(wait, n, MAX_AGE_MS)]
        farthest = max(p[0] for p in best) if wait.sells else min(p[1] for p in best)
        most = farthest * (10_000 + (-1 if wait.sells else 1) * (wait.trail_bps or 0)) / 10_000
        if told > most * (1 + _NEAR) if wait.sells else told < most * (1 - _NEAR):
            self._accuse_unfounded(
                order, f"it trails {float(told):.8g}, the best there was allows {float(most):.8g}"
            )
            return None
        return told

    def _judge_fill(self, order: Mapping[str, Any], terms: Sequence[Placed]) -> None:
        """By what was asked for when it fired: the ledger's amounts were compared with the order's before."""
        if order["status"] != "confirmed":
            return
        wait = terms[-1].wait
        worst = wait.target if wait.kind == "limit" else wait.worst
        base, quote = ("filledIn", "filledOut") if wait.sells else ("filledOut", "filledIn")
        asked = Fraction(wait.units, 10 ** TOKENS[wait.base][2])
        if Fraction(order[base]) != asked:
            self.verdict.wrong.append(f"{order['orderId']}: {order[base]} was filled, not {asked}")
        if worst is None:
            return
        price = Fraction(order[quote]) / Fraction(order[base])
        if price < worst if wait.sells else price > worst:
            self.verdict.wrong.append(f"{order['orderId']}: filled at {float(price):.8g}, asked for {worst}")

    def _judge_waits(
        self, order: Mapping[str, Any], terms: Sequence[Placed], crowded: Spans, turns: Spans
    ) -> None:
        """Whether it was met for long, in plain sight, while it waited. `turns`: when the one that excludes
        it was being executed."""
        returns = 0
        for (event, after), placed in zip(pairwise([*order["events"], None]), terms, strict=True):
            wait = placed.wait
            if event["status"] != "waiting":
                returns += 1 if "trigger" in event["data"] else 0
                continue
            begun = max(moment_ms(event["at"]), placed.launch_ms)
            until = moment_ms(after["at"]) if after is not None else placed.lapse_ms
            if wait.kind == "launch":
                if until - begun > PATIENT_MS and not self._is_excused(begun, until):
                    self._accuse_missed(order, f"its launch was {(until - begun) / 1000:.1f} s ago")
                continue
            rest = min(MOST_REST_MS, 1000 * 2**returns) if returns else 0
            latched = wait.kind != "limit" and returns > 0
            self._judge_wait(order, wait, (begun, until), PATIENT_MS + rest, latched, (crowded, turns))

    def _judge_wait(
        self,
        order: Mapping[str, Any],
        wait: Wait,
        span: tuple[float, float],
        patient_ms: int,
        latched: bool,
        others: tuple[Spans, Spans],
    ) -> None:
        crowded, turns = others
        limit = latched or wait.kind == "limit"
        if wait.kind == "trail" and not latched:
            return
        target = Fraction(order["limitPrice"] or 0) if latched else Fraction(wait.target or 0)
        asked, run_ms, met_ms = _ask(wait), 0, 0
        for slot in range(self.market.slot_at(span[0]) + 1, self.market.slot_at(span[1])):
            begun = self.market.genesis_ms + slot * SLOT_MS
            hidden = _within(begun, self.seen.hidden) or (limit and _within(begun, crowded))
            found = self._own(wait, asked, slot) if limit else self._marginal(wait, slot)
            met = all(_is_met(price, target, limit, wait.sells) for price in found)
            met = met and not _within(begun, turns)
            run_ms = run_ms + (0 if hidden else SLOT_MS) if met else 0
            met_ms = met_ms + SLOT_MS if met else 0
            self.figures["slots in which a price was met and nobody hidden"] += int(met and not hidden)
            if run_ms > patient_ms + wait.confirm_ms or met_ms > patient_ms + ENDLESS_MS:
                self._accuse_missed(order, f"its price was there for {met_ms / 1000:.0f} s until slot {slot}")
                return

    def _judge_fences(self, fired: list[tuple[float, int, str]]) -> None:
        """Nobody fires once another leads, or has fired."""
        self.figures["leaders"] = len({fence for _, fence in self.seen.fences} | {f for _, f, _ in fired})
        newest = sorted([(at, fence) for at, fence, _ in fired] + list(self.seen.fences))
        times = [at for at, _ in newest]
        most = list(accumulate((fence for _, fence in newest), max))
        for at, fence, order_id in fired:
            before = bisect_left(times, at - OFF_MS)
            if before and most[before - 1] > fence and not _within(at, self.seen.unsure):
                self.verdict.unfounded.append(
                    f"{order_id}: fired by fence {fence}, when fence {most[before - 1]} led"
                )

    def _is_excused(self, begun: float, until: float) -> bool:
        """Whether less than `PATIENT_MS` of a time was in plain sight."""
        moments = range(int(begun), int(until), SLOT_MS)
        hidden = sum(_within(ms, self.seen.hidden) for ms in moments)
        return until - begun - hidden * SLOT_MS <= PATIENT_MS

    def _possible(self, wait: Wait, slot: int, late_ms: int = 0) -> list[tuple[Fraction, Fraction]]:
        """The prices that somebody who looked in that slot, or a little beside it, may have found; or up to
        `late_ms` after it, by a feed that stayed behind, at whose prices venues stood as they did by then."""
        begun = self.market.genesis_ms + slot * SLOT_MS
        shifts = self.market.moved(begun - OFF_MS, begun + SLOT_MS + OFF_MS + late_ms)
        return [self._at(wait, slot, shift) for shift in shifts]

    def _marginal(self, wait: Wait, slot: int) -> list[Fraction]:
        return [bid if wait.sells else ask for bid, ask in self._possible(wait, slot)]

    def _at(self, wait: Wait, slot: int, shift: Mapping[str, int]) -> tuple[Fraction, Fraction]:
        key = (wait.base, wait.quote, slot, *sorted(shift.items()))
        if key not in self._prices:
            self._prices[key] = self.market.prices(wait.base, wait.quote, slot, shift)
        found: tuple[Fraction, Fraction] = self._prices[key]
        return found

    def _own(self, wait: Wait, asked: Ask, slot: int) -> list[Fraction]:
        """The prices of all of it in that slot, or a little beside it."""
        begun = self.market.genesis_ms + slot * SLOT_MS
        found = []
        for shift in self.market.moved(begun - OFF_MS, begun + SLOT_MS + OFF_MS):
            key = (asked, slot, *sorted(shift.items()))
            if key not in self._prices:
                self._prices[key] = self.market.price(asked, wait.base, slot, shift)
            found.append(self._prices[key])
        return found

    def _accuse_unfounded(self, order: Mapping[str, Any], what: str) -> None:
        self.verdict.unfounded.append(f"{order['orderId']}: {what}")

    def _accuse_missed(self, order: Mapping[str, Any], what: str) -> None:
        self.verdict.missed.append(f"{order['orderId']}: {what}, and it did not fire")


def _ask(wait: Wait) -> Ask:
    return Ask(*wait.tokens, wait.units, not wait.sells)


def _is_met(price: Fraction, target: Fraction, limit: bool, sells: bool) -> bool:
    """A limit is met by a better price, a stop by a worse one."""
    return price >= target if limit is sells else price <= target


def _alike(one: tuple[Fraction, Fraction], other: tuple[Fraction, Fraction]) -> bool:
    return all(abs(a - b) <= b * _NEAR for a, b in zip(one, other, strict=True))


def _within(ms: float, spans: Spans) -> bool:
    return any(begun <= ms <= ended for begun, ended in spans)

"""What is known of the addresses by which a network's chain is asked, for whoever asks if they are good.

Nothing here decides about an order: an endpoint that misleads is found out look by look, in `verdict`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointReport:
    """One endpoint as it was found. What it did not say is none; `name` is its host, and may be shown.

    `transport`: `https`, `http`, or `local` where nothing leaves this machine. `history`: `full`, `pruned`
    with how many slots it reaches back, or `none`. `lag`: slots behind the furthest. `problems`: stable
    codes, the gravest first; those that make it useless leave `good` false. `maybe_same`: the names of
    others that may be of its operator, whose word would then count once. `clock_ahead_ms`: by how much this
    machine's clock is ahead of the one by which it dates its answers, at least and at most. `simulates`:
    whether it tells what a swap would do as the guard has to know it; `largest_batch`: the most calls that it
    takes in one request, of those that it is ever asked.
    """

    name: str
    transport: str
    good: bool
    problems: Sequence[str] = ()
    fault: str | None = None
    version: str | None = None
    genesis: str | None = None
    slot: int | None = None
    height: int | None = None
    lag: int | None = None
    history: str | None = None
    reaches_back: int | None = None
    batches: bool | None = None
    largest_batch: int | None = None
    simulates: bool | None = None
    latency_ms: int | None = None
    clock_ahead_ms: tuple[int, int] | None = None
    maybe_same: Sequence[str] = ()


class Endpoints(Protocol):
    """Looks at all of them, in whatever state they are."""

    async def examine(self, deadline_s: float) -> Sequence[EndpointReport]:
        """A report of each, in the settings' order, within `deadline_s` seconds. Never raises for them."""
        ...

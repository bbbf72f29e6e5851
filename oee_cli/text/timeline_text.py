"""What an order's events add up to: its attempts, how long each step took, and the quotes it was routed on.

Pure bookkeeping over the event objects; every view of an order reads from here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from oee_cli.text.time_text import seconds_between
from oee_daemon.contract.shapes import Event, Quote
from oee_daemon.contract.status import FINAL


@dataclass(slots=True)
class Step:
    """One status of one attempt; `seconds` is `None` while it lasts."""

    status: str
    at: str
    event: Event
    seconds: float | None = None


@dataclass(slots=True)
class Attempt:
    number: int
    steps: list[Step] = field(default_factory=list)
    quotes: list[Quote] = field(default_factory=list)
    #: The `pending` event that opened the attempt after this one: it says why this one ended.
    retry: Event | None = None


class Timeline:
    """The story of one order so far."""

    def __init__(self, events: list[Event] | None = None) -> None:
        self.attempts: list[Attempt] = []
        self.final: Event | None = None
        for event in events or []:
            self.add(event)

    @property
    def current(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None

    @property
    def quotes(self) -> list[Quote]:
        """The newest quotes there are."""
        return next((a.quotes for a in reversed(self.attempts) if a.quotes), [])

    def add(self, event: Event) -> None:
        last = self.current
        if last and event["data"].get("edited"):
            # What it waits for is another; that it waits, and since when, is not.
            return
        if last and last.steps:
            step = last.steps[-1]
            step.seconds = seconds_between(step.at, event["at"])
        if last and event["data"].get("quotes"):
            last.quotes = event["data"]["quotes"]
        if event["status"] in FINAL:
            self.final = event
            return
        if last is None or event["attempt"] > last.number:
            if last is not None:
                last.retry = event
            last = Attempt(event["attempt"])
            self.attempts.append(last)
        last.steps.append(Step(event["status"], event["at"], event))

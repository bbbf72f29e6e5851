"""How far this machine's clock is from the one that an endpoint's answers are dated by. Pure.

A date is of whole seconds, and of some moment between a request and its answer: each bounds the difference on
both sides, and several narrow it. No answer is asked for to know it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from math import ceil, floor

#: Seconds that a date may be older than its answer: it has no fractions (RFC 9110, 5.6.7), and some servers
#: make it anew once a second
#: (https://github.com/encode/uvicorn/blob/master/uvicorn/server.py, `on_tick`).
_OLD_S = 2.0


@dataclass(frozen=True, slots=True)
class Dated:
    """An answer's `Date` as it came, and this machine's clock before and after: seconds since 1970."""

    date: str
    asked: float
    answered: float


def ahead_ms(answers: Iterable[Dated | None]) -> tuple[int, int] | None:
    """By how many milliseconds this machine's clock is ahead of theirs, at least and at most; behind is less
    than 0. None where no answer says it, and where they contradict each other."""
    told = [(one, at) for one in answers if one is not None and (at := _seconds(one.date)) is not None]
    if not told:
        return None
    least = max(one.asked - at - _OLD_S for one, at in told)
    most = min(one.answered - at for one, at in told)
    return (floor(1000 * least), ceil(1000 * most)) if least <= most else None


def _seconds(text: str) -> float | None:
    try:
        at = parsedate_to_datetime(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None

"""Moments to come, as people write them and are told them: `24h`, `2030-12-01T18:00`, `…T18:00+01:00`.

A moment is resolved where it is typed, by the zone of this machine or the one that it names, and is an
instant from then on. What could mean two instants, or none, is refused with both ways to write it.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from oee_cli.cli_errors import UsageFault
from oee_cli.text.time_text import first_moment
from oee_daemon.contract.moments import rfc3339

_AHEAD = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*(s|m|min|h|d|w)", re.ASCII)
#: Seconds. A day is 24 hours, whatever clocks do on it.
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?", re.ASCII)
_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
_FORMS = "From now: 24h, 7d. A time: 2030-12-01T18:00 (here), 2030-12-01T18:00Z, 2030-12-01T18:00+01:00."


def read_future(
    text: str, option: str, *, now: datetime | None = None, zone: tzinfo | None = None
) -> datetime:
    """The instant that was typed, in UTC. `zone`: where no zone is typed; without it the machine's.

    Raises `UsageFault` with the code `invalid_time`, `ambiguous_time`, `no_such_time` or `expired_already`.
    """
    now = (now or datetime.now(UTC)).astimezone(UTC)
    typed = text.strip()
    try:
        found = _read_instant(typed, option, now, zone)
    except (ValueError, OverflowError):
        raise UsageFault(
            f"{option} can't be {text[:40]!r}: it is a time to come.", hint=_FORMS, code="invalid_time"
        ) from None
    if found <= now:
        raise UsageFault(
            f"{option} {typed} is past: {instant_text(found, zone=zone)}.",
            hint=_FORMS,
            code="expired_already",
        )
    return found


def future_wire(moment: datetime) -> str:
    """The instant as it is sent."""
    return rfc3339(moment, "auto" if moment.microsecond else "seconds")


def _read_instant(typed: str, option: str, now: datetime, zone: tzinfo | None) -> datetime:
    ahead = _AHEAD.fullmatch(typed.lower())
    if ahead is not None:
        return now + timedelta(seconds=float(ahead[1]) * _UNITS[ahead[2]])
    day = _read_day(typed.lower(), now, zone)
    if day is not None:
        if day < now.astimezone(zone).date():
            return datetime.combine(day, datetime.max.time(), zone).astimezone(UTC)
        ends = (datetime.combine(day + timedelta(days=n), time()) for n in (0, 1))
        start, end = (first_moment(end, zone) for end in ends)
        both = (start, end - timedelta(minutes=1))
        readings = " or ".join(f"{option} {_wall_reading(at, zone)}" for at in both if at > now)
        raise UsageFault(
            f"{option} {typed} is a day: does its start or its end count?",
            hint=f"Write {readings}" if readings else _FORMS,
            code="ambiguous_time",
        )
    if not _TIME.fullmatch(typed.upper()):
        raise ValueError(typed)
    found = datetime.fromisoformat(typed.upper())
    return _resolve_wall(found, typed, option, zone) if found.tzinfo is None else found.astimezone(UTC)


def _read_day(typed: str, now: datetime, zone: tzinfo | None) -> date | None:
    if typed in _DAYS:
        return now.astimezone(zone).date() + timedelta(days=_DAYS[typed])
    return date.fromisoformat(typed) if _DATE.fullmatch(typed) else None


def _resolve_wall(wall: datetime, typed: str, option: str, zone: tzinfo | None) -> datetime:
    """The one instant at which clocks here show `wall`.

    A time that clocks skip does not survive the way to UTC and back; one that comes twice has two offsets.
    """
    first, second = (wall.replace(fold=fold, tzinfo=zone).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return first
    if first.astimezone(zone).replace(tzinfo=None) != wall:
        readings = " or ".join(f"{option} {_utc_reading(at)}" for at in (first, second))
        raise UsageFault(
            f"{option} {typed} is no time here: the clocks skip it.",
            hint=f"Write {readings}",
            code="no_such_time",
        )
    offsets = (wall.replace(fold=fold, tzinfo=zone).astimezone(zone).isoformat()[-6:] for fold in (0, 1))
    readings = " or ".join(
        f"{option} {typed}{offset} ({_utc_reading(at)})"
        for offset, at in zip(offsets, (first, second), strict=True)
    )
    raise UsageFault(
        f"{option} {typed} comes twice here: the clocks go back.",
        hint=f"Write {readings}",
        code="ambiguous_time",
    )


def _wall_reading(at: datetime, zone: tzinfo | None) -> str:
    """The instant as clocks here show it, with its offset where they show that twice."""
    here = at.astimezone(zone)
    first, second = (here.replace(fold=fold, tzinfo=zone).astimezone(UTC) for fold in (0, 1))
    return f"{here:%Y-%m-%dT%H:%M}{'' if first == second else here.isoformat()[-6:]}"


def _utc_reading(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M}Z"


def instant_text(at: datetime, *, zone: tzinfo | None = None, exact: bool = False) -> str:
    """`2030-12-01 18:00 CET (17:00 UTC)`: the instant here, and in UTC where that is another clock. `exact`:
    with parts of a second, where it has any."""
    here, there = at.astimezone(zone), at.astimezone(UTC)
    parts = exact and at.microsecond
    clock = "%H:%M:%S" if at.second or parts else "%H:%M"
    if parts:
        clock += f".{at.microsecond:06}".rstrip("0")
    if here.utcoffset() == timedelta(0):
        return f"{there:%Y-%m-%d} {there:{clock}} UTC"
    day = "" if here.date() == there.date() else f"{there:%Y-%m-%d} "
    return f"{here:%Y-%m-%d} {here:{clock}} {here:%Z} ({day}{there:{clock}} UTC)"


def until_text(seconds: float) -> str:
    """How long it is until then, short: `in 40 s`, `in 12 min`, `in 23 h`, `in 6 d`."""
    for unit, size, most in (("s", 1, 90), ("min", 60, 90), ("h", 3600, 48)):
        if seconds < size * most:
            return f"in {max(0, seconds) // size:.0f} {unit}"
    return f"in {seconds // 86_400:.0f} d"

"""Durations and moments: from what people type to what is sent, and from RFC 3339 to what they read.

Seconds are floats here: they are how long to wait, never money.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, tzinfo

from oee_cli.cli_errors import UsageFault
from oee_daemon.contract.moments import rfc3339

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*(ms|s|m|min|h|d|w)?", re.ASCII)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
#: The longest that a price may have to hold before a stop fires, milliseconds.
MAX_HOLD_MS = 600_000
_DAYS_BACK = {"today": 0, "yesterday": 1}
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?", re.ASCII)
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INSTANT = timedelta(microseconds=1)
_MOMENTS = (
    "Ago: 90s, 30m, 2h, 3d, 1w. A day's start: today, yesterday, monday, 2026-11-23.\n"
    "A time: 10:30 (today), 2026-11-23T10:30 (here), 2026-11-23T10:30:00Z."
)


def read_duration(text: str, name: str) -> float:
    """`60`, `1.5`, `90s`, `5m`, `1h` as seconds. Raises `UsageFault`, naming the option."""
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None:
        raise UsageFault(
            f"{name} can't be {text[:40]!r}: it is a time.", hint="Seconds, or for example 90s, 5m or 1h."
        )
    return float(found[1]) * _UNITS[found[2] or "s"]


def read_whole_seconds(text: str, name: str, most_days: int = 7) -> int:
    """Like `read_duration`, for what the daemon counts in whole seconds; `most_days`: the most it takes."""
    seconds = read_duration(text, name)
    if seconds < 1 or seconds != int(seconds):
        raise UsageFault(f"{name} takes whole seconds, at least 1.", hint="For example 90s, 5m or 1h.")
    if seconds > most_days * _UNITS["d"]:
        raise UsageFault(
            f"{name} can't be {text.strip()}: it takes 1s to {most_days}d.",
            hint=f"For example {name} 1h",
            code="out_of_range",
        )
    return int(seconds)


def read_hold(text: str) -> int:
    """`--confirm`: how long a price has to hold, as milliseconds. Raises `UsageFault`."""
    ms = round(read_duration(text, "--confirm") * 1000)
    if ms > MAX_HOLD_MS:
        raise UsageFault(
            f"--confirm can't be {text.strip()}: it takes 0s to 10m.",
            hint="For example --confirm 3s",
            code="out_of_range",
        )
    return ms


def read_moment(text: str, name: str, now: datetime | None = None) -> str:
    """`2h`, `today`, `monday`, `10:30` or an ISO date or moment as RFC 3339 in UTC. Raises `UsageFault`.

    What names no time zone is local; what names no time of day begins at midnight.
    """
    zone = None if now is None else now.tzinfo
    now = now or datetime.now().astimezone()
    word = text.strip().lower()
    try:
        found = _DURATION.fullmatch(word)
        if found and found[2]:
            return rfc3339(now.astimezone(UTC) - timedelta(seconds=float(found[1]) * _UNITS[found[2]]))
        local = _read_local(word, now)
        return rfc3339(first_moment(local, zone) if local.tzinfo is None else local)
    except (ValueError, OverflowError):
        raise UsageFault(f"{name} can't be {text[:40]!r}.", hint=_MOMENTS) from None


def read_period(
    since: str | None, until: str | None, hint: str, moments: str = ""
) -> tuple[str | None, str | None]:
    """What `--since` and `--until` name, as RFC 3339.

    Raises `UsageFault`; with `hint` where nothing is between them. `moments`: what else `--since` takes.
    """
    try:
        first = None if since is None else read_moment(since, "--since")
    except UsageFault as fault:
        fault.hint = f"{fault.hint}\n{moments}".rstrip()
        raise
    last = None if until is None else read_moment(until, "--until")
    if first is not None and last is not None and parse_moment(first) >= parse_moment(last):
        raise UsageFault(
            f"--since {since} is not before --until {until}: nothing is between them.", hint=hint
        )
    return first, last


def first_moment(wall: datetime, zone: tzinfo | None) -> datetime:
    """The first moment at which clocks here show `wall`, or more where it is skipped when they are set.

    By the zone's own rules: midnight can be before such a change, and now after it.
    """
    read = (wall.replace(fold=fold, tzinfo=zone).astimezone(UTC) for fold in (0, 1))
    early, late = sorted(read)
    if early.astimezone(zone).replace(tzinfo=None) == wall:
        return early
    # Skipped. Before the change clocks show less, after it more.
    while (between := (late - early) // 2) >= _INSTANT:
        if (early + between).astimezone(zone).replace(tzinfo=None) < wall:
            early += between
        else:
            late -= between
    return late.replace(microsecond=0) + timedelta(seconds=late.microsecond > 0)


def _read_local(word: str, now: datetime) -> datetime:
    """A moment that is not counted from now. Raises `ValueError` for what is none."""
    days = _DAYS_BACK.get(word)
    if days is None and word in _WEEKDAYS:
        days = (now.weekday() - _WEEKDAYS.index(word)) % 7
    if days is not None:
        return datetime.combine(now.date() - timedelta(days=days), time())
    if word == "now":
        return now
    if _CLOCK.fullmatch(word):
        return datetime.combine(now.date(), time.fromisoformat(word.zfill(5)))
    # fromisoformat also reads weeks and bare digits, which here are more likely something mistyped.
    if not _ISO.match(word):
        raise ValueError(word)
    return datetime.fromisoformat(word.upper())


def parse_moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def seconds_between(start: str, end: str) -> float:
    """Seconds from one RFC 3339 moment to another."""
    return max(0.0, (parse_moment(end) - parse_moment(start)).total_seconds())


def span_text(seconds: float) -> str:
    """How long something took, short: `2 ms`, `0.6 s`, `4 min`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"


def took_text(seconds: float) -> str:
    """A whole order's time: `0.61 s` where that says more."""
    return f"{seconds:.2f} s" if seconds < 10 else span_text(seconds)


def ago_text(text: str, now: datetime | None = None) -> str:
    """A moment as people say it: `just now`, `2 min ago`, `yesterday`, `12 Nov`."""
    then, now = parse_moment(text).astimezone(), now or datetime.now().astimezone()
    seconds = (now - then).total_seconds()
    if seconds < 10:
        return "just now"
    if seconds < 60:
        return f"{seconds:.0f} s ago"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min ago"
    days = (now.date() - then.date()).days
    if days == 0:
        return f"{seconds // 3600:.0f} h ago"
    if days == 1:
        return "yesterday"
    return _format_day(then, now)


def period_text(first: str, last: str, now: datetime | None = None) -> str:
    """When things were done: `today at 10:12`, `on 12 Nov`, `from 12 Nov to 14 Nov`."""
    now = now or datetime.now().astimezone()
    begin, end = (parse_moment(text).astimezone(now.tzinfo) for text in (first, last))
    if begin.date() != end.date():
        return f"from {_format_day(begin, now)} to {_format_day(end, now)}"
    return f"today at {end:%H:%M}" if end.date() == now.date() else f"on {_format_day(end, now)}"


def _format_day(then: datetime, now: datetime) -> str:
    return f"{then.day} {then:%b}" if then.year == now.year else f"{then:%Y-%m-%d}"


def stamp_text(text: str) -> str:
    """A moment here, to the second."""
    return f"{parse_moment(text).astimezone():%Y-%m-%d %H:%M:%S}"


def minute_text(text: str) -> str:
    """A moment here, as in `26 Nov 14:05`."""
    return f"{parse_moment(text).astimezone():%d %b %H:%M}"


def clock_text(text: str) -> str:
    """The time of day here, to the millisecond."""
    return f"{parse_moment(text).astimezone():%H:%M:%S.%f}"[:-3]

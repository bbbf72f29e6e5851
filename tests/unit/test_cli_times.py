"""Moments that are typed, where clocks are set: a day's first moment, in every zone and on every day."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oee_cli.text.time_text import period_text, read_moment

#: Midnight is skipped, or comes twice; changes of half an hour, of a day, of none; far from Greenwich.
ZONES = (
    "America/Santiago", "Africa/Cairo", "Asia/Beirut", "America/Havana", "America/Asuncion",
    "America/Scoresbysund", "Atlantic/Azores", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
    "Pacific/Apia", "Asia/Kathmandu", "Africa/Casablanca", "America/Sao_Paulo", "Asia/Tehran", "UTC",
)  # fmt: skip


def read(text: str, zone: str, now: datetime = datetime(2026, 11, 25, 12, tzinfo=UTC)) -> datetime:
    return datetime.fromisoformat(read_moment(text, "--since", now.astimezone(ZoneInfo(zone))))


def shown(moment: datetime, zone: str) -> datetime:
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@given(st.sampled_from(ZONES), st.dates(date(2005, 1, 1), date(2030, 12, 31)))
@example("America/Santiago", date(2026, 9, 6))
@example("America/Santiago", date(2026, 4, 5))
@example("Africa/Cairo", date(2026, 4, 24))
@example("America/Havana", date(2026, 11, 1))
@example("America/Sao_Paulo", date(2018, 11, 4))
@example("America/Scoresbysund", date(2024, 3, 31))
def test_a_day_begins_with_its_first_moment(zone: str, day: date) -> None:
    begin = read(day.isoformat(), zone)
    before = shown(begin - timedelta(seconds=1), zone).date()
    if (zone, day) != ("Pacific/Apia", date(2011, 12, 30)):
        assert shown(begin, zone).date() == day
    # A day that was there already is not begun by its second midnight.
    assert before < day
    assert begin.microsecond == 0


@given(st.sampled_from(ZONES), st.datetimes(datetime(2005, 1, 1), datetime(2030, 12, 31)))
@example("America/Santiago", datetime(2026, 9, 6, 0, 30))
@example("Europe/Berlin", datetime(2026, 3, 29, 2, 30))
@example("Europe/Berlin", datetime(2026, 10, 25, 2, 30))
@example("Australia/Lord_Howe", datetime(2026, 10, 4, 2, 15))
def test_a_time_of_day_is_its_first_or_where_it_is_skipped_the_first_after_it(
    zone: str, wall: datetime
) -> None:
    wall = wall.replace(microsecond=0)
    found = read(wall.isoformat(), zone)
    # Nobody's clock shows it earlier, and where one shows it at all it is that moment.
    exact = [
        moment
        for fold in (0, 1)
        if shown(moment := wall.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC), zone) == wall
    ]
    if exact:
        assert found == min(exact)
    else:
        assert shown(found, zone) > wall > shown(found - timedelta(seconds=1), zone)


@pytest.mark.parametrize("word", ["today", "2026-09-06", "00:00", "00:30", "sunday", "2026-09-06T00:00"])
def test_every_way_to_say_a_skipped_midnight(word: str) -> None:
    now = datetime(2026, 9, 6, 15, tzinfo=UTC)
    assert read(word, "America/Santiago", now) == datetime(2026, 9, 6, 4, tzinfo=UTC)
    assert read("yesterday", "America/Santiago", now + timedelta(days=1)) == datetime(
        2026, 9, 6, 4, tzinfo=UTC
    )
    # Hours are hours, whatever the clocks did meanwhile.
    assert read("24h", "America/Santiago", now) == now - timedelta(hours=24)


@pytest.mark.parametrize(
    ("zone", "word", "begin"),
    [
        ("America/Santiago", "2026-09-06", "2026-09-06T04:00:00Z"),
        ("America/Santiago", "2026-04-05", "2026-04-05T04:00:00Z"),
        ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z"),
        ("America/Havana", "2026-11-01", "2026-11-01T04:00:00Z"),
    ],
)
def test_the_machines_own_zone_is_read_alike(zone: str, word: str, begin: str) -> None:
    """By the C library's rules, where no zone is named to us."""
    program = "import sys; from oee_cli.text import time_text as t; print(t.read_moment(sys.argv[1], 'now'))"
    done = subprocess.run(
        [sys.executable, "-c", program, word], env={"TZ": zone}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == begin


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("2026-11-25T10:12:00Z", "2026-11-25T10:13:00Z", "today at 10:13"),
        ("2026-11-24T10:12:00Z", "2026-11-24T10:13:00Z", "on 24 Nov"),
        ("2026-11-23T10:12:00Z", "2026-11-24T10:13:00Z", "from 23 Nov to 24 Nov"),
        ("2025-11-24T10:12:00Z", "2025-11-24T10:13:00Z", "on 2025-11-24"),
    ],
)
def test_when_orders_were_placed(first: str, last: str, said: str) -> None:
    assert period_text(first, last, datetime(2026, 11, 25, 12, tzinfo=UTC)) == said

"""Prices, trails and moments to come, as people type them: what is sent, and every way to be refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oee_cli.cli_errors import UsageFault
from oee_cli.text.amount_text import read_trail
from oee_cli.text.condition_text import condition_sentence
from oee_cli.text.future_text import future_wire, instant_text, read_future, until_text
from oee_cli.text.price_text import read_limit, read_price
from oee_cli.text.time_text import read_hold

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("140", "140"),
        ("140.50", "140.50"),
        (".85", "0.85"),
        ("0.0000123", "0.0000123"),
        ("-2%", "137.2"),
        ("+1.5%", "142.1"),
        ("+300%", "560"),
        ("-0.25%", "139.65"),
    ],
)
def test_a_price_is_a_number_or_a_step_from_now(typed: str, meant: str) -> None:
    assert read_price(typed, "--at", "SOL", "USDC").at(Decimal(140)) == meant


def test_a_step_from_now_is_counted_to_eight_figures() -> None:
    assert read_price("-2%", "--at", "SOL", "USDC").at(Decimal("142.183274512")) == "139.33961"


@pytest.mark.parametrize(
    ("typed", "sentence", "hint"),
    [
        ("140USDC", "a price is a number, USDC for one SOL", "--at 140"),
        ("1e3x", "a price is a number, USDC for one SOL", "--at 140"),
        ("1e", "a price is a number", "--at 140"),
        ("0", "has to be more than 0", "-5% is 5 % under now"),
        ("0.00", "has to be more than 0", "-5% is 5 % under now"),
        ("-5", "has to be more than 0", "--at -5% is 5 % under now"),
        ("-.5", "has to be more than 0", "--at -.5% is .5 % under now"),
        ("2%", "has no sign", "+2% or -2%"),
        ("-0%", "is no step from now", "-2%"),
        ("-100%", "leaves no price", "-2%"),
        ("1" * 19, "more than 18 digits", "Leave out"),
        ("", "a price is a number", "--at 140"),
        ("١", "a price is a number", "--at 140"),
    ],
)
def test_what_is_no_price_is_refused_with_what_is_one(typed: str, sentence: str, hint: str) -> None:
    with pytest.raises(UsageFault) as e:
        read_price(typed, "--at", "SOL", "USDC")
    assert (e.value.code, e.value.exit_code) == ("invalid_price", 2)
    assert sentence in e.value.message
    assert hint in (e.value.hint or "")


@pytest.mark.parametrize(("typed", "bps"), [("5%", 500), ("10bps", 10), ("50%", 5000), ("0.5 %", 50)])
def test_a_trail_in_either_unit(typed: str, bps: int) -> None:
    assert read_trail(typed) == bps


@pytest.mark.parametrize("typed", ["5", "0.05%", "51%", "0.005%", "-5%", "", "5USDC"])
def test_what_is_no_trail(typed: str) -> None:
    with pytest.raises(UsageFault, match="--trail") as e:
        read_trail(typed)
    assert e.value.hint


@pytest.mark.parametrize(("typed", "ms"), [("3s", 3000), ("0", 0), ("800ms", 800), ("10m", 600_000)])
def test_how_long_a_price_has_to_hold(typed: str, ms: int) -> None:
    assert read_hold(typed) == ms


@pytest.mark.parametrize("typed", ["11m", "-1s", "soon"])
def test_what_is_no_time_to_hold(typed: str) -> None:
    with pytest.raises(UsageFault, match="--confirm"):
        read_hold(typed)


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("24h", "2026-09-02T12:00:00Z"),
        # 168 hours, although a clock is set between them.
        ("8w", "2026-10-27T12:00:00Z"),
        ("90s", "2026-09-01T12:01:30Z"),
        ("2026-12-01T18:00", "2026-12-01T17:00:00Z"),
        ("2026-12-01 18:00:30", "2026-12-01T17:00:30Z"),
        ("2026-10-01T18:00", "2026-10-01T16:00:00Z"),
        ("2026-12-01T18:00Z", "2026-12-01T18:00:00Z"),
        ("2026-12-01t18:00:00.25z", "2026-12-01T18:00:00.250000Z"),
        ("2026-12-01T18:00+05:30", "2026-12-01T12:30:00Z"),
        # With an offset the hour that comes twice can be written both ways.
        ("2026-10-25T02:30+02:00", "2026-10-25T00:30:00Z"),
        ("2026-10-25T02:30+01:00", "2026-10-25T01:30:00Z"),
        ("2027-03-28T01:59", "2027-03-28T00:59:00Z"),
        ("2027-03-28T03:00", "2027-03-28T01:00:00Z"),
    ],
)
def test_a_moment_to_come(typed: str, sent: str) -> None:
    assert future_wire(read_future(typed, "--expires", now=NOW, zone=BERLIN)) == sent


@pytest.mark.parametrize(
    ("typed", "code", "sentence", "hint"),
    [
        (
            "2026-12-01",
            "ambiguous_time",
            "start or its end",
            "2026-12-01T00:00 or --expires 2026-12-01T23:59",
        ),
        ("tomorrow", "ambiguous_time", "start or its end", "2026-09-02T00:00"),
        ("yesterday", "expired_already", "is past", "24h"),
        ("2026-08-01", "expired_already", "is past", "24h"),
        ("2026-09-01T13:59", "expired_already", "2026-09-01 13:59 CEST (11:59 UTC)", "24h"),
        ("0s", "expired_already", "is past", "24h"),
        ("2027-03-28T02:30", "no_such_time", "skip", "2027-03-28T01:30Z or --expires 2027-03-28T00:30Z"),
        ("2026-10-25T02:30", "ambiguous_time", "twice", "2026-10-25T02:30+02:00 (2026-10-25T00:30Z) or"),
        ("2026-10-25T02:30", "ambiguous_time", "twice", "2026-10-25T02:30+01:00 (2026-10-25T01:30Z)"),
        ("24", "invalid_time", "a time to come", "24h"),
        ("soon", "invalid_time", "a time to come", "24h"),
        ("", "invalid_time", "a time to come", "24h"),
        ("2026-13-01T00:00", "invalid_time", "a time to come", "24h"),
        ("20261201T1800", "invalid_time", "a time to come", "24h"),
        ("2026-12-01T25:00", "invalid_time", "a time to come", "24h"),
        ("999999999w", "invalid_time", "a time to come", "24h"),
    ],
)
def test_a_moment_that_is_none_or_could_be_two(typed: str, code: str, sentence: str, hint: str) -> None:
    with pytest.raises(UsageFault) as e:
        read_future(typed, "--expires", now=NOW, zone=BERLIN)
    assert (e.value.code, e.value.exit_code) == (code, 2)
    assert sentence in e.value.message
    assert hint in (e.value.hint or "")


@pytest.mark.parametrize(
    ("zone", "typed", "hint"),
    [
        # Midnight is skipped; comes twice; 23:59 comes twice; and of a day of which some is past.
        ("America/Santiago", "2027-09-05", "2027-09-05T01:00 or --expires 2027-09-05T23:59"),
        ("America/Havana", "2026-11-01", "2026-11-01T00:00-04:00 or --expires 2026-11-01T23:59"),
        ("America/Santiago", "2027-04-03", "2027-04-03T00:00 or --expires 2027-04-03T23:59-04:00"),
        ("Europe/Berlin", "today", "2026-09-01T23:59"),
    ],
)
def test_what_is_proposed_for_a_day_is_taken(zone: str, typed: str, hint: str) -> None:
    with pytest.raises(UsageFault) as e:
        read_future(typed, "--expires", now=NOW, zone=ZoneInfo(zone))
    assert e.value.hint == f"Write --expires {hint}"
    read = [
        read_future(text, "--expires", now=NOW, zone=ZoneInfo(zone)) for text in hint.split(" or --expires ")
    ]
    assert read == sorted(read)


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("2026-12-01T18:00", "2026-12-01T17:00:00Z"),
        ("2026-10-25T02:30", "ambiguous_time"),
        ("2027-03-28T02:30", "no_such_time"),
    ],
)
@pytest.mark.usefixtures("in_berlin")
def test_without_a_zone_it_is_this_machines(typed: str, told: str) -> None:
    try:
        found = future_wire(read_future(typed, "--expires", now=NOW))
    except UsageFault as e:
        found = e.code
    assert found == told


@given(
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "UTC"]),
    st.datetimes(datetime(2026, 10, 1), datetime(2028, 12, 31)),
)
@example("Australia/Lord_Howe", datetime(2026, 10, 4, 2, 15))
@example("America/Santiago", datetime(2027, 4, 3, 23, 30))
def test_a_local_time_is_taken_only_where_it_is_one_instant(zone: str, wall: datetime) -> None:
    wall = wall.replace(microsecond=0)
    minutes = range(-26 * 60, 26 * 60, 15)
    near = {wall.replace(tzinfo=UTC) + timedelta(minutes=m) for m in minutes}
    shown = {at for at in near if at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == wall}
    try:
        found = {read_future(wall.isoformat(), "--expires", now=NOW, zone=ZoneInfo(zone))}
    except UsageFault as e:
        assert e.code == ("ambiguous_time" if shown else "no_such_time")
        assert len(shown) != 1
    else:
        assert found == shown


@pytest.mark.parametrize(
    ("at", "zone", "told"),
    [
        ("2026-12-01T17:00:00+00:00", BERLIN, "2026-12-01 18:00 CET (17:00 UTC)"),
        ("2026-12-01T23:30:00+00:00", BERLIN, "2026-12-02 00:30 CET (2026-12-01 23:30 UTC)"),
        ("2026-12-01T17:00:05+00:00", UTC, "2026-12-01 17:00:05 UTC"),
    ],
)
def test_a_moment_is_told_here_and_in_utc(at: str, zone: ZoneInfo, told: str) -> None:
    assert instant_text(datetime.fromisoformat(at), zone=zone) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(-1, "in 0 s"), (40, "in 40 s"), (720, "in 12 min"), (83_000, "in 23 h"), (550_000, "in 6 d")],
)
def test_how_long_it_is_until_then(seconds: float, told: str) -> None:
    assert until_text(seconds) == told


def test_a_stop_may_have_no_worst_price() -> None:
    assert read_limit(" None ", "SOL", "USDC").at(Decimal(0)) == "none"
    assert read_limit("125", "SOL", "USDC") == read_price("125", "--limit", "SOL", "USDC")
    order = {"type": "stop", "side": "sell", "targetPrice": "130", "limitPrice": "none", "slippageBps": 100}
    assert condition_sentence(order) == (
        "once the price is 130 or less, at any price, each try within 1% of its quote"
    )

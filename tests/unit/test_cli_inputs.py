"""What people type: amounts, slippage, durations, moments, and the body that an order becomes."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from oee_cli.cli_errors import UsageFault
from oee_cli.settings.settings_load import load_settings
from oee_cli.text.amount_text import (
    SLIPPAGE_BPS,
    TRAIL_BPS,
    exact_amount,
    percent_text,
    read_amount,
    read_slippage,
    short_amount,
    short_ends,
)
from oee_cli.text.key_text import read_key
from oee_cli.text.nearest_word_text import nearest
from oee_cli.text.request_text import TradeRequest, make_order_body
from oee_cli.text.terms_text import Terms
from oee_cli.text.time_text import ago_text, read_duration, read_moment, read_whole_seconds
from oee_cli.text.topic_text import TOPICS
from oee_daemon.contract.fields import BY_NAME


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("1.5", "1.5"),
        ("1.50", "1.50"),
        (".5", "0.5"),
        ("123456789.123456789", "123456789.123456789"),
        ("007", "007"),
        ("1e-05", "1e-05"),
    ],
)
def test_an_amount_is_sent_as_it_was_typed(typed: str, sent: str) -> None:
    assert read_amount(typed, "The amount") == sent


@pytest.mark.parametrize(
    "typed", ["", "0", "0.0", "-1", "+1", "1e", "1,5", "1_000", "NaN", "inf", "١", "1.", " 1", "0x1"]
)
def test_what_is_no_positive_plain_number_is_refused_by_name(typed: str) -> None:
    with pytest.raises(UsageFault, match="--spend") as e:
        read_amount(typed, "--spend")
    assert e.value.exit_code == 2
    assert e.value.hint


@pytest.mark.parametrize(
    ("typed", "bps"), [("0.5%", 50), ("50bps", 50), ("1 %", 100), ("0%", 0), ("50BPS", 50), ("50%", 5000)]
)
def test_slippage_in_either_unit(typed: str, bps: int) -> None:
    assert read_slippage(typed) == bps


@pytest.mark.parametrize(
    "typed", ["1", "0.5", "50", "", "x%", "-1%", "0.001%", "0.5bps", "101%", "1%%", "bps"]
)
def test_slippage_without_or_with_a_strange_unit_is_refused(typed: str) -> None:
    with pytest.raises(UsageFault, match="--slippage"):
        read_slippage(typed)


def test_a_bare_slippage_is_said_to_be_ambiguous() -> None:
    with pytest.raises(UsageFault, match="ambiguous") as e:
        read_slippage("1")
    assert e.value.hint == "Write 1% or 1bps."


@pytest.mark.parametrize(
    ("typed", "seconds"), [("60", 60), ("1.5", 1.5), ("90s", 90), ("5m", 300), ("1h", 3600), ("0", 0)]
)
def test_durations(typed: str, seconds: float) -> None:
    assert read_duration(typed, "--timeout") == seconds


@pytest.mark.parametrize("typed", ["", "x", "-1", "1y", "inf", "1 2"])
def test_what_is_no_duration(typed: str) -> None:
    with pytest.raises(UsageFault, match="--timeout"):
        read_duration(typed, "--timeout")


def test_valid_for_counts_whole_seconds() -> None:
    assert read_whole_seconds("5m", "--valid-for") == 300
    for typed in ("0", "0.5", "1500ms", "8d", "604801"):
        with pytest.raises(UsageFault, match="--valid-for"):
            read_whole_seconds(typed, "--valid-for")


def test_what_is_typed_is_bounded_as_what_the_daemon_takes() -> None:
    """In the words of who typed it: the daemon counts basis points and seconds."""
    assert BY_NAME["slippageBps"].bounds == SLIPPAGE_BPS
    assert BY_NAME["trailBps"].bounds == TRAIL_BPS
    assert BY_NAME["validForS"].bounds == (1, read_whole_seconds("7d", "--valid-for"))
    with pytest.raises(UsageFault, match=r"--slippage can't be 60%: it takes 0% to 50%\."):
        read_slippage("60%")


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("2h", "2026-11-25T06:00:00Z"),
        ("3d", "2026-11-22T08:00:00Z"),
        ("1w", "2026-11-18T08:00:00Z"),
        ("90s", "2026-11-25T07:58:30Z"),
        ("now", "2026-11-25T08:00:00Z"),
        ("today", "2026-11-24T22:00:00Z"),
        ("Yesterday", "2026-11-23T22:00:00Z"),
        # 2026-11-25 is a Wednesday: the day itself, the day before, and almost a week back.
        ("wednesday", "2026-11-24T22:00:00Z"),
        ("tuesday", "2026-11-23T22:00:00Z"),
        ("Thursday", "2026-11-18T22:00:00Z"),
        ("9:30", "2026-11-25T07:30:00Z"),
        ("09:30:15", "2026-11-25T07:30:15Z"),
        ("2026-11-01", "2026-10-31T22:00:00Z"),
        ("2026-11-01 12:30", "2026-11-01T10:30:00Z"),
        ("2026-11-01T00:00:00z", "2026-11-01T00:00:00Z"),
        ("2026-11-01T02:00:00+02:00", "2026-11-01T00:00:00Z"),
    ],
)
def test_a_moment_in_every_way_of_saying_it(typed: str, sent: str) -> None:
    now = datetime(2026, 11, 25, 10, 0, tzinfo=timezone(timedelta(hours=2)))
    assert read_moment(typed, "--until", now) == sent


@pytest.mark.parametrize(
    "typed", ["2", "soon", "", "999999999w", "25:00", "2026-13-01", "2026-11", "20261101", "mon day", "-1h"]
)
def test_what_is_no_moment_is_told_what_is_one(typed: str) -> None:
    with pytest.raises(UsageFault, match="--until") as e:
        read_moment(typed, "--until")
    for example in ("2h", "today", "monday", "2026-11-23T10:30:00Z"):
        assert example in (e.value.hint or "")


def test_midnight_is_the_one_of_the_zone_on_that_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the one that today's difference to UTC would give."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert read_moment("2026-07-01", "--since") == "2026-06-30T22:00:00Z"
        assert read_moment("2026-12-01", "--since") == "2026-11-30T23:00:00Z"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("213.271593", "213.27"),
        ("219.7", "219.70"),
        ("0.89356496375", "0.89356"),
        ("6151988.51234", "6,151,988.51"),
        ("1.5", "1.50"),
        ("2", "2"),
        ("0.00000016255", "0.00000016255"),
        ("0", "0"),
        # More digits than Python's own context rounds to.
        ("99999999999999999999999999.995", "100,000,000,000,000,000,000,000,000"),
    ],
)
def test_what_is_shown_keeps_the_figures_that_count(text: str, shown: str) -> None:
    assert short_amount(text) == shown


def test_exact_amounts_are_never_rounded() -> None:
    assert exact_amount("123456789.123456789") == "123,456,789.123456789"
    assert exact_amount("1.50") == "1.5"
    assert percent_text(50) == "0.5%"
    assert short_ends("abcdefghij", 5) == "ab…ij"


def test_ago() -> None:
    now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    assert ago_text("2026-11-23T11:58:00Z", now.astimezone()) == "2 min ago"
    assert ago_text("2026-11-23T11:59:57Z", now.astimezone()) == "just now"


@pytest.mark.parametrize(
    ("wanted", "body"),
    [
        (
            TradeRequest(side="buy", base="SOL", quote="USDC", amount="1.5"),
            {"inputToken": "USDC", "outputToken": "SOL", "amount": "1.5", "swapMode": "ExactOut"},
        ),
        (
            TradeRequest(side="buy", base="SOL", quote="USDC", spend="200"),
            {"inputToken": "USDC", "outputToken": "SOL", "amount": "200", "swapMode": "ExactIn"},
        ),
        (
            TradeRequest(side="sell", base="SOL", quote="USDC", amount="1.5"),
            {"inputToken": "SOL", "outputToken": "USDC", "amount": "1.5", "swapMode": "ExactIn"},
        ),
        (
            TradeRequest(side="sell", base="SOL", quote="USDC", receive="200"),
            {"inputToken": "SOL", "outputToken": "USDC", "amount": "200", "swapMode": "ExactOut"},
        ),
        (
            TradeRequest(
                side="buy",
                base="BONK",
                quote="SOL",
                amount="9",
                terms=Terms(slippage="1%"),
                valid_for="1m",
                max_spend="2",
            ),
            {
                "inputToken": "SOL",
                "outputToken": "BONK",
                "amount": "9",
                "swapMode": "ExactOut",
                "side": "buy",
                "maxSpend": "2",
                "slippageBps": 100,
                "validForS": 60,
            },
        ),
        (
            # The stable token is the quote, whatever is called the base: no side is sent.
            TradeRequest(side="buy", base="usdc", quote="SOL", amount="100"),
            {"inputToken": "SOL", "outputToken": "usdc", "amount": "100", "swapMode": "ExactOut"},
        ),
        (
            TradeRequest(side="sell", base="USDC", quote="USDT", amount="1"),
            {
                "inputToken": "USDC",
                "outputToken": "USDT",
                "amount": "1",
                "swapMode": "ExactIn",
                "side": "sell",
            },
        ),
    ],
)
def test_the_body_of_a_command(wanted: TradeRequest, body: dict[str, object]) -> None:
    assert make_order_body(wanted) == body


@pytest.mark.parametrize(
    "wanted",
    [
        TradeRequest(side="buy", base="SOL", quote="USDC"),
        TradeRequest(side="buy", base="SOL", quote="USDC", amount="1", spend="2"),
        TradeRequest(side="buy", base="SOL", quote="USDC", amount="1", receive="2"),
        TradeRequest(side="buy", base="SOL", quote="USDC", amount="1", min_receive="1"),
        TradeRequest(side="sell", base="SOL", quote="USDC", amount="1", max_spend="1"),
        TradeRequest(side="buy", base="SOL/USDC", quote="1.5"),
    ],
)
def test_contradictions_are_refused_before_anything_is_sent(wanted: TradeRequest) -> None:
    with pytest.raises(UsageFault) as e:
        make_order_body(wanted)
    assert e.value.hint


def test_keys_have_to_fit_a_header() -> None:
    assert read_key(None) is None
    assert read_key("12345678") == "12345678"
    for key in ("1234567", "x" * 256, "schlüssel-1", "with\nnewline", " padded-key"):
        with pytest.raises(UsageFault):
            read_key(key)


def test_settings_come_from_the_environment_then_the_file(tmp_path: object) -> None:
    from pathlib import Path

    config = Path(str(tmp_path)) / "config.toml"
    config.write_text('home = "/from/file"\nno_autostart = true\nurl = "http://a/"\n')
    stored = load_settings({}, config)
    assert (str(stored.home), stored.autostart, stored.url) == ("/from/file", False, "http://a")
    assert str(load_settings({"OEE_HOME": "/from/env"}, config).home) == "/from/env"
    for name, typed in (("OEE_HOME", "relative"), ("OEE_NO_AUTOSTART", "maybe"), ("OEE_NETWORK", "moon")):
        with pytest.raises(UsageFault, match=f"{name} can't be '{typed}': it takes "):
            load_settings({name: typed}, Path("/nonexistent"))
    # An address may hold a password.
    with pytest.raises(UsageFault, match="OEE_URL can't be what it is set to: it takes "):
        load_settings({"OEE_URL": "ftp://me:secret@x"}, Path("/nonexistent"))
    for rest in ("", "h:abc", "h:70000", "h:0", "[::1", "h/p?x", "h/#x", "h x"):
        with pytest.raises(UsageFault, match=r"it takes an address as https://desk\.example:3000"):
            load_settings({"OEE_URL": f"http://{rest}"}, Path("/nonexistent"))
    found = load_settings({"OEE_URL": "https://h:443/behind/", "OEE_HOME": "/h"}, Path("/nonexistent"))
    assert found.url == "https://h:443/behind"


def test_a_word_that_is_like_nothing_here_suggests_nothing() -> None:
    assert nearest("nothing", TOPICS) is None
    assert nearest("scriptng", TOPICS) == "scripting"

"""Every view at 60 and at 120 columns: no line wider than the screen, and the words that matter are there."""

from __future__ import annotations

import io
import sys
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from oee_cli.output import Output, clean
from oee_cli.text.amount_text import short_signature
from oee_cli.text.left_wallet_text import left_wallet
from oee_cli.text.order_text import ending_text, order_header, repeat_command
from oee_cli.text.timeline_text import Timeline
from oee_daemon.contract.moments import rfc3339
from oee_daemon.contract.shapes import Event, Order
from tests.unit.order_views import ID, QUOTES, SIGNATURE, WIDTHS, at, drawn, events, fits, order


@pytest.mark.parametrize("width", WIDTHS)
def test_the_trace_that_stays(width: int) -> None:
    from oee_cli.text.order_lines_text import folded_lines

    lines = drawn(folded_lines(order(), Timeline(events()), width), width)
    fits(lines, width)
    text = "\n".join(lines)
    assert "buy 1.5 SOL, at most 214.34 USDC" in lines[0]
    assert "0c2f0b8e" in lines[0]
    assert lines[1].split()[0] == "raydium"
    assert lines[1].rstrip().endswith("best")
    assert "+217 bps" in lines[2]
    assert lines[3].split()[0] == "orca"
    assert "attempt 2 in 700 ms" in text
    assert "slippage_exceeded" in text
    assert text.count("submitted") == 2
    assert ("simulated" in text) == (width >= 80)


@pytest.mark.parametrize("width", WIDTHS)
def test_every_frame_of_the_live_view(width: int) -> None:
    from oee_cli.text.live_order_text import LiveScreen

    screen = LiveScreen(Output(), order(maxSpend=None), ask_max_attempts=lambda: 3)
    fits(drawn(screen.lines(width), width), width)
    for event in events():
        screen.event(event)
        lines = drawn(screen.lines(width), width)
        fits(lines, width)
        assert len(lines) <= 16
        assert sum("●" in line for line in lines) == (event["status"] != "confirmed")
    assert any("attempt 2 of 3 in" in line for line in lines)
    screen.close(order())


def test_a_step_that_takes_long_has_its_time_and_no_bar_that_stands_still() -> None:
    from oee_cli.text.live_order_text import LiveScreen

    now = datetime.now(UTC)
    for ago, bar in ((1, True), (14, False)):
        sent = events()[3]
        sent["at"] = rfc3339(now - timedelta(seconds=ago))
        screen = LiveScreen(Output(), order(status="submitted"))
        for event in (*events()[:3], sent):
            screen.event(event)
        line = drawn(screen.lines(80), 80)[-1]
        screen.close(None)
        assert "submitted" in line and short_signature(SIGNATURE) in line
        assert ("━" in line, " 14." in line) == (bar, not bar), line


def test_a_key_is_never_cut_where_the_screen_is_narrow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from oee_cli.orders.show_explained import explain_order
    from oee_cli.orders.show_story import order_lines
    from oee_cli.text.live_order_text import LiveScreen

    monkeypatch.setenv("COLUMNS", "40")
    LiveScreen(Output(), order(), note=f"key {ID}").close(order())
    assert f"  key {ID}\n" in capsys.readouterr().err
    told = order(idempotencyKey=ID, events=[], swaps=[])
    lines = drawn(list(order_lines(told, explain_order(told), 40)), 40)
    fits(lines, 40)
    at = next(n for n, line in enumerate(lines) if line.startswith("  key "))
    assert "".join(line[12:].strip() for line in lines[at : at + 2]) == ID


@pytest.mark.parametrize("width", (40, 60, 80))
def test_why_an_attempt_ended_is_told_in_words(width: int) -> None:
    from oee_cli.text.order_lines_text import retry_lines

    moved, no_price = Timeline(events()[:5]).attempts[0], Timeline(events()[:5]).attempts[0]
    moved.quotes = moved.quotes[:2]
    lines = drawn(retry_lines(moved, width, 3), width)
    fits(lines, width)
    said = " ".join(" ".join(lines).split())
    words = "The price moved beyond 0.5% on raydium (slippage_exceeded)"
    assert said == f"↻ attempt 2 of 3 in 700 ms: {words if width > 40 else 'slippage_exceeded'}"
    # What the venues said stands above it.
    (line,) = drawn(retry_lines(no_price, 60, 3), 60)
    assert line == "  ↻ attempt 2 of 3 in 700 ms: slippage_exceeded"
    # Another release may say of an order that waits again no more than that.
    assert moved.retry is not None
    moved.retry = cast(Event, {**moved.retry, "status": "waiting", "data": {}})
    assert drawn(retry_lines(moved, width, 3), width) == ["  ↻"]


@pytest.mark.parametrize("width", WIDTHS)
def test_history_fills_show_quotes_and_status(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from oee_cli.daemon.daemon_status import draw_status
    from oee_cli.lists.list_tables import fill_lines, order_lines
    from oee_cli.orders.show_story import draw_order
    from oee_cli.text.order_lines_text import draw_dry_run

    monkeypatch.setenv("COLUMNS", str(width))
    failed = order(
        side="sell",
        pair="BONK/SOL",
        inputToken="BONK",
        outputToken="SOL",
        amount="9000000",
        swapMode="ExactIn",
        status="failed",
        filledIn=None,
        filledOut=None,
        price=None,
        error={"code": "slippage_exceeded", "message": "No.", "retryable": True},
    )
    fill = {
        "signature": SIGNATURE,
        "orderId": ID,
        "inputToken": "USDC",
        "outputToken": "SOL",
        "amountIn": "213.271593",
        "amountOut": "1.5",
        "slot": 12345,
        "at": at(0),
    }
    print(*order_lines(Output(), [[order(), failed]]), sep="\n")
    print(*fill_lines(Output(), [[fill]]), sep="\n")
    draw_dry_run(Output(), {"order": order(maxSpend=None), "quotes": QUOTES})
    swap = {
        "attempt": 1,
        "signature": SIGNATURE,
        "state": "rejected",
        "lastValidHeight": 1,
        "signedAt": at(0),
        "endedAt": None,
    }
    draw_order(Output(), cast(Order, {**order(), "events": events(), "swaps": [swap]}))
    draw_status(
        Output(),
        {
            "version": "0.1.0",
            "pid": 1,
            "startedAt": at(0),
            "socket": "/x/run/oee.sock",
            "http": {"url": "http://127.0.0.1:3000", "listening": False, "problem": "port 3000 is taken"},
            "postgres": {
                "version": "18.4",
                "own": True,
                "reachable": True,
                "orders": 1204,
                "bytes": 38_000_000,
            },
            "queue": {},
            "worker": {},
            "network": "simulated",
        },
    )
    out = capsys.readouterr().out
    fits(out.splitlines(), width)
    for words in (
        "9,000,000 BONK",
        "213.27 USDC",
        "confirmed",
        "failed",
        "213.271593 USDC",
        "rejected",
        "1,204 orders accepted",
        "http://127.0.0.1:3000",
        "port 3000 is taken",
    ):
        assert words in out
    assert "\x1b" not in out


def test_sentences() -> None:
    assert order_header(order()) == "buy 1.5 SOL, at most 214.34 USDC (slippage 0.5%)"
    spend = order(swapMode="ExactIn", amount="200", maxSpend=None, minReceive="1.39")
    assert order_header(spend) == "buy SOL for 200 USDC, at least 1.39 SOL (slippage 0.5%)"
    assert repeat_command(order(maxSpend="1")) == "oee buy SOL USDC 1.5 --max-spend 1"
    assert repeat_command(spend) == "oee buy SOL USDC --spend 200 --min-receive 1.39"
    done = ending_text(order())
    assert (done.mark, done.text) == ("✓", "bought 1.5 SOL for 213.27 USDC at 142.18 on raydium in 2.61 s")
    assert len(ending_text(order(), room=60).text) + 2 <= 60
    failed_error = {"code": "slippage_exceeded", "message": "Moved.", "retryable": True}
    failed = ending_text(order(status="failed", attempt=3, error=failed_error))
    assert failed.text == "not bought in 3 attempts: Moved (slippage_exceeded). Nothing left the wallet."
    # No command to paste that spends more than was allowed.
    bound = "it was bound by --max-spend 214.337950: allow more there, or where you gave none, --slippage 1%"
    assert failed.hint == bound
    least = order(status="failed", maxSpend=None, minReceive="1.4", error=failed_error)
    assert "--min-receive 1.4: allow less there" in (ending_text(least).hint or "")
    assert "(exit 9)" in (ending_text(order(status="submitted")).hint or "")
    assert "(exit 124)" in (ending_text(order(status="routing"), waited=60).hint or "")


def test_a_swap_that_the_chain_refused_is_not_called_free() -> None:
    """It moved nothing, and Solana took its fee all the same."""
    error = {"code": "slippage_exceeded", "message": "Moved.", "retryable": True}
    swap = {"attempt": 1, "signature": "5x", "state": "rejected"}
    lapsed: Any = {**swap, "attempt": 2, "state": "lapsed"}
    failed = order(status="failed", attempt=3, error=error, network="localnet", signature=None, swaps=[])
    assert ending_text(failed).text.endswith(" Nothing left the wallet.")
    assert left_wallet(order(**{**failed, "swaps": [lapsed]})) == "Nothing left the wallet."
    one = order(**{**failed, "swaps": [swap, lapsed]})
    fee = "Nothing left the wallet but the network's fee of one swap that the chain refused."
    for status in ("failed", "cancelled", "expired"):
        assert ending_text(order(**{**one, "status": status})).text.endswith(f" {fee}")
    assert "fees of 2 swaps" in left_wallet(order(**{**failed, "swaps": [swap, swap]}))
    # Where nobody asked for its swaps it may have been: by its attempts.
    bare: dict[str, Any] = {name: value for name, value in failed.items() if name != "swaps"}
    assert left_wallet(cast(Order, bare)).endswith("if a swap of it was refused: oee show tells.")
    assert left_wallet(cast(Order, {**bare, "attempt": 1})) == "Nothing left the wallet."
    assert left_wallet(cast(Order, {**bare, "network": "simulated"})) == "Nothing left the wallet."


def test_what_may_have_been_executed_is_never_called_unsent() -> None:
    error = {"code": "restored_unknown", "message": "It was restored.", "retryable": False}
    unknown = order(status="failed", signature=None, error=error)
    doubted = order(status="submitted", signature=None)
    assert ending_text(unknown).text == "not known whether it was bought: It was restored (restored_unknown)."
    for ended in (ending_text(unknown), ending_text(doubted)):
        said = f"{ended.text} {ended.hint}"
        assert "(exit 9)" in said and "Nothing left" not in said and "try:" not in said
    assert "sent as" not in ending_text(doubted).text


def test_nothing_that_a_server_sends_controls_the_terminal() -> None:
    assert clean("a\x1b[31mb\r\nc\u202e") == "a [31mb  c "
    evil = order(venue="ray\x1b]0;x\x07", pair="S\x1b[2JOL/USDC")
    assert "\x1b" not in ending_text(evil).text + order_header(evil) + repeat_command(evil)


def test_signs_for_a_terminal_without_utf8() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    assert Output().marks("✓ ● ✗ 5x…2Z –", stream) == "ok .. x 5x..2Z -"
    # How far a bar is can be seen without colours, too.
    assert Output().marks("━━╸──", stream) == "##>--"


def test_words_are_folded_between_words_and_what_is_typed_stays_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    typed = "For good: oee config set max_order 100000000000"
    Output().sentence("✗", "No.", f"It knows SOL, USDC, USDT, JUP, BONK, RAY, WIF and PYTH.\n{typed}")
    assert capsys.readouterr().err.splitlines() == [
        "✗ No.", "  It knows SOL, USDC, USDT, JUP, BONK,", "  RAY, WIF and PYTH.", f"  {typed}",
    ]  # fmt: skip
    told = "at most one of them is filled, and its fill cancels the other · oee cancel --group 0c2f0b8e"
    assert Output().folded(f"short\n{told}", sys.stderr).splitlines() == [
        "short", "at most one of them is filled, and its", "  fill cancels the other",
        "  oee cancel --group 0c2f0b8e",
    ]  # fmt: skip
    again = "again: oee drill --network localnet --orders 200 --faults 20 --seed 1"
    assert Output().folded(f"drill  localnet, 200 orders · {again}", sys.stderr).splitlines()[1:] == [
        f"  {again}"
    ]
    paste = "chmod 600 '/home/somebody/.config/oee/a passphrase'"
    for hint in (paste, f"Back it up: cp /home/somebody/{'wallets/' * 9}simulated.json …"):
        Output().sentence("✗", "No.", hint)
        assert capsys.readouterr().err.splitlines() == ["✗ No.", f"  {hint}"]


@pytest.mark.parametrize("width", (40, 80))
def test_limits_say_all_of_what_was_spent(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from oee_cli.limits import limit_bars

    daily = {
        "used": "1644.48", "limit": "300", "reserved": "12.5",
        "frees": [{"usd": "1403.39", "at": "2026-11-28T10:12:00Z"}],
    }  # fmt: skip
    limits = {
        "maxOrder": "100", "maxDaily": daily, "maxOpen": {"used": 0, "limit": 5}, "maxSlippage": None,
        "tokens": None,
    }  # fmt: skip
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(limit_bars, "session", lambda _: nullcontext(SimpleNamespace(get=lambda _: limits)))
    limit_bars.show_limits(Output())
    said = capsys.readouterr().out
    fits(said.splitlines(), width)
    assert "…" not in said
    said = " ".join(said.split())
    for words in ("1,644.48 USD of 300.00 USD", "1,403.39 USD frees at 28 Nov", "have not ended", "0 of 5"):
        assert words in said


def test_where_those_outside_are_away_the_doctor_is_named() -> None:
    error = {"code": "no_route", "message": "No venue can fill it.", "retryable": True}
    on = {network: order(status="failed", error=error, network=network) for network in ("simulated", "paper")}
    hints = {network: ending_text(told).hint or "" for network, told in on.items()}
    assert hints["simulated"].startswith("try: oee buy") and "doctor" not in hints["simulated"]
    assert hints["paper"].startswith("which of them is away: oee doctor · then: oee buy")


@pytest.mark.parametrize("width", [80, 120])
def test_a_token_without_a_symbol_leaves_room_for_the_other_columns(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """Its header has the mint whole."""
    from oee_cli.lists.list_tables import fill_lines, order_lines

    mint = "DrA4Vwx1VobFWdbeBuWUFR5uDDyePDrP28MsdP6xH5yy"
    monkeypatch.setenv("COLUMNS", str(width))
    changes = {"pair": f"{mint}/USDC", "outputToken": mint, "amount": "100", "swapMode": "ExactIn"}
    sniped = order(**changes, minReceive="0.62", maxSpend=None, filledOut="0.65811", filledIn="100")
    assert f"buy {mint} for 100 USDC" in order_header(sniped)
    listed = "\n".join(order_lines(Output(), [[sniped, order()]]))
    for shown in ("0c2f0b8e", "100 USDC", "0.65811 DrA4…H5yy", "confirmed"):
        assert shown in listed, listed
    fill = {
        "signature": SIGNATURE, "orderId": ID, "inputToken": "USDC", "outputToken": mint,
        "amountIn": "100", "amountOut": "0.658107047", "slot": 12345, "at": at(0),
    }  # fmt: skip
    told = "\n".join(fill_lines(Output(), [[fill]]))
    assert "0c2f0b8e" in told and "0.658107047 DrA4…H5yy" in told, told

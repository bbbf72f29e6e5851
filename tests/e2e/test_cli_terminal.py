"""The live view on a real pseudo-terminal: what it shows, for whom, and how it leaves."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.kit.api_daemon import Shared
from tests.kit.commands import BUY, NO_PRICE, OEE, STEPS, Cli, faults, frozen_worker, newest
from tests.kit.terminal import CTRL_C, CTRL_Z, WIDTHS, Terminal, shows


@pytest.mark.parametrize("columns", WIDTHS)
def test_the_live_view_fits_and_ends_with_the_one_line_that_says_it_all(cli: Cli, columns: int) -> None:
    terminal = Terminal(cli, *BUY, columns=columns)
    assert terminal.end() == 0
    screen = terminal.screen
    assert screen.widest <= columns
    assert screen.said[0].startswith("buy 1.5 SOL")
    assert {line.split()[0] for line in screen.said[1:3]} == {"raydium", "meteora"}
    assert screen.said[1].endswith("best")
    assert any(line.startswith("  pending ") and " · " in line for line in screen.said)
    assert screen.said[-1].startswith("✓ bought 1.5 SOL for ")
    assert sum("bought" in line for line in screen.said) == 1
    assert screen.colored and not screen.cursor_hidden
    # It was live: the cursor went up to draw again.
    assert re.search(r"\x1b\[\d*A", terminal.raw)


@pytest.mark.parametrize("columns", [60])
def test_a_failure_fits_too_and_ends_with_what_to_do(cli: Cli, api: Shared, columns: int) -> None:
    with faults(api, *NO_PRICE):
        terminal = Terminal(cli, *BUY, columns=columns)
        assert terminal.end() == 7
    assert terminal.screen.widest <= columns
    said = " ".join(terminal.screen.said)
    assert "✗ not bought" in said and "Nothing left the wallet." in said
    assert "why: oee show" in terminal.screen.said[-1] or "try: oee" in terminal.screen.said[-1]
    assert not terminal.screen.cursor_hidden


@pytest.mark.parametrize("columns", [60])
def test_a_retry_says_which_attempt_of_how_many(cli: Cli, api: Shared, columns: int) -> None:
    api.sql.execute("INSERT INTO sim_faults (target, kind, remaining) VALUES ('chain', 'refuse', 1)")
    api.sql.execute("INSERT INTO sim_faults (target, kind, remaining) VALUES ('raydium', 'hang', 1)")
    api.sql.execute("INSERT INTO sim_faults (target, kind, remaining) VALUES ('meteora', 'hang', 1)")
    try:
        terminal = Terminal(cli, *BUY, columns=columns)
        code = terminal.end()
    finally:
        api.sql.execute("DELETE FROM sim_faults")
    assert code == 0, terminal.screen.said
    assert terminal.screen.widest <= columns
    assert any(line.startswith("  ↻ attempt 2 of 3 in ") for line in terminal.screen.said)
    assert terminal.screen.said[-1].startswith("✓ bought 1.5 SOL")


@pytest.mark.parametrize(("command", "columns"), [(BUY, 60), (BUY, 120), (("watch", "last"), 60)])
def test_ctrl_c_leaves_at_once_the_cursor_too_and_says_how_to_watch_again(
    cli: Cli, api: Shared, command: tuple[str, ...], columns: int
) -> None:
    with frozen_worker(api):
        if command != BUY:
            cli.placed()
        terminal = Terminal(cli, *command, columns=columns)
        terminal.until(shows("● pending"))
        assert terminal.screen.cursor_hidden
        began = time.monotonic()
        terminal.type(CTRL_C)
        assert terminal.end() == 130
        took = time.monotonic() - began
        order = newest(api)
        assert order["status"] == "pending"
    # From the key to the process's end; more only where the machine has more to do than it can.
    print(f"left in {took * 1000:.0f} ms")
    assert took < 0.2 * slowness()
    assert not terminal.screen.cursor_hidden
    assert terminal.screen.widest <= columns
    assert f"oee watch {order['orderId'][:8]}" in terminal.screen.said[-1]
    assert api.end(order["orderId"])["status"] == "confirmed"


def slowness() -> float:
    """How much more is asked of this machine than it can do at once, at least 1."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def test_a_wait_that_ended_says_that_the_order_may_still_be_bought(cli: Cli, api: Shared) -> None:
    with faults(api, ("chain", "mute")):
        terminal = Terminal(cli, *BUY, "--timeout", "1", columns=60)
        assert terminal.end() == 9
    assert terminal.screen.widest <= 60
    said = " ".join(terminal.screen.said)
    assert "not known yet: sent as " in said and "(exit 9)" in terminal.screen.said[-1]
    assert cli.run("watch", "last").returncode == 0


@pytest.mark.parametrize("piped", [(1,), (2,), (1, 2), (0,)], ids=["stdout", "stderr", "both", "stdin"])
def test_it_is_live_only_where_stdout_and_stderr_are_terminals(
    cli: Cli, tmp_path: Path, piped: tuple[int, ...]
) -> None:
    files = {number: (tmp_path / str(number)).open("wb+") for number in piped}
    terminal = Terminal(cli, *BUY, streams={number: file.fileno() for number, file in files.items()})
    assert terminal.end() == 0
    for file in files.values():
        file.close()
    told = {number: (tmp_path / str(number)).read_text() for number in piped}
    live = re.search(r"\x1b\[\d*A", terminal.raw) is not None
    assert live == (piped == (0,))
    if live:
        return
    # One plain line a status on stderr, wherever that goes; the result alone on stdout.
    shown = terminal.screen.said
    err = told[2].splitlines() if 2 in told else shown
    out = told[1].splitlines() if 1 in told else shown
    assert [line.split()[1] for line in err if re.match(r"\w{8}  \w+ ", line)] == STEPS
    assert out[-1].startswith("✓ bought 1.5 SOL")
    assert 1 not in told or len(out) == 1
    assert 2 not in told or len(err) == 1 + len(STEPS)
    assert "\x1b" not in "".join(told.values())


def test_quiet_leaves_only_the_result_on_a_terminal_too(cli: Cli) -> None:
    terminal = Terminal(cli, *BUY, "--quiet")
    assert terminal.end() == 0
    (line,) = terminal.screen.said
    assert line.startswith("✓ bought 1.5 SOL")


def test_json_on_a_terminal_is_the_order_and_its_progress_is_drawn(cli: Cli, api: Shared) -> None:
    with frozen_worker(api):
        terminal = Terminal(cli, *BUY, "--json", columns=400)
        terminal.until(shows("● pending"))
        terminal.type(CTRL_C)
        assert terminal.end() == 130
        (line,) = (line for line in terminal.screen.said if line.startswith("{"))
        assert json.loads(line) == newest(api)


@pytest.mark.parametrize(
    ("environ", "colored"), [({"NO_COLOR": ""}, True), ({"NO_COLOR": "0"}, False), ({"TERM": "dumb"}, False)]
)
def test_no_color_counts_where_it_is_not_empty(cli: Cli, environ: dict[str, str], colored: bool) -> None:
    terminal = Terminal(cli, "quote", "SOL", "USDC", "1.5", environ=environ)
    assert terminal.end() == 0
    assert bool(re.search(r"\x1b\[[\d;]*3\dm", terminal.raw)) == colored


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "TERM=dumb"])
def test_no_color_where_it_is_not_wanted(cli: Cli, environ: dict[str, str]) -> None:
    terminal = Terminal(cli, *BUY, columns=60, environ=environ)
    assert terminal.end() == 0
    colors = re.findall(r"\x1b\[([\d;]*)m", terminal.raw)
    # Bold and dim are no colours; a dumb terminal gets no escapes at all.
    assert not any(int(n or 0) >= 30 for c in colors for n in c.split(";"))
    if environ.get("TERM") == "dumb":
        assert "\x1b" not in terminal.raw
        assert [line.split()[1] for line in terminal.screen.said if " ms" in line[:30]] == STEPS
    assert terminal.screen.said[-1].startswith("✓ bought")


def test_no_color_by_option(cli: Cli) -> None:
    terminal = Terminal(cli, *BUY, "--no-color", columns=60)
    assert terminal.end() == 0
    assert not re.search(r"\x1b\[[\d;]*3\dm", terminal.raw)


@pytest.mark.parametrize("columns", [60])
@pytest.mark.parametrize("command", ["history", "fills", "show last", "quote SOL USDC 1.5", "daemon status"])
def test_every_table_fits(cli: Cli, api: Shared, columns: int, command: str) -> None:
    api.end(api.place())
    terminal = Terminal(cli, *command.split(), columns=columns)
    assert terminal.end() == 0
    assert 0 < terminal.screen.widest <= columns


def test_history_keeps_its_remarks_at_60_columns(cli: Cli, api: Shared) -> None:
    with faults(api, *NO_PRICE):
        assert cli.run(*BUY).returncode == 7
    terminal = Terminal(cli, "history", "--limit", "1", columns=60)
    assert terminal.end() == 0
    assert "no_route" in terminal.screen.said[-1]


def test_a_batch_draws_its_figures_and_leaves_a_sum(cli: Cli, tmp_path: Path) -> None:
    # Of a name that no other test on the same daemon has placed.
    file = tmp_path / f"{tmp_path.name}.csv"
    file.write_text("inputToken,outputToken,amount\n" + "SOL,USDC,1\n" * 5)
    terminal = Terminal(cli, "submit", str(file), "--max-inflight", "1", columns=120)
    assert terminal.end() == 0
    assert "in flight" in terminal.raw
    assert terminal.screen.said[-1].startswith("✓ 5 lines: 5 confirmed, in ")
    assert not any("in flight" in line for line in terminal.screen.said)


def test_stdin_that_is_a_terminal_is_not_waited_for(cli: Cli) -> None:
    terminal = Terminal(cli, "submit", "-")
    assert terminal.end() == 2
    assert "nothing was piped in" in " ".join(terminal.screen.said)


def test_a_terminal_that_goes_away_ends_the_command_and_not_the_order(cli: Cli, api: Shared) -> None:
    with frozen_worker(api):
        terminal = Terminal(cli, *BUY)
        terminal.until(shows("● pending"))
        os.close(terminal.master)
        assert terminal.process.wait(10) in (-signal.SIGHUP, 141, 143)
        order = newest(api)
    assert api.end(order["orderId"])["status"] == "confirmed"


def test_who_watches_every_order_is_told_that_it_has_begun(cli: Cli, api: Shared) -> None:
    terminal = Terminal(cli, "watch")
    terminal.until(shows("every order from now on, until Ctrl-C"))
    # Until it listens an order would be missed.
    terminal.until(lambda screen: bool(api.place()) and shows("routing")(screen))
    terminal.type(CTRL_C)
    assert terminal.end() == 130


def test_ctrl_z_gives_the_shell_its_cursor_and_nothing_of_its_lines_is_drawn_over(
    cli: Cli, api: Shared
) -> None:
    command = " ".join([*OEE, *BUY])
    script = f"set -m; {command}; echo STOPPED $?; bg >/dev/null; read -r; fg >/dev/null; echo ENDED $?"
    with frozen_worker(api):
        shell = Terminal.of_shell(cli, script)
        try:
            shell.until(shows("● pending"))
            shell.type(CTRL_Z)
            shell.until(shows("STOPPED 148"))
            assert not shell.screen.cursor_hidden
            # It goes on in the background, and leaves the screen to the shell.
            shell.type(b"mine\n")
            shell.until(lambda screen: sum("● pending" in line for line in screen.said) == 2)
            shell.type(CTRL_C)
            shell.until(shows("ENDED 130"))
        finally:
            shell.process.kill()
            shell.process.wait()
    said = shell.screen.said
    stopped = next(n for n, line in enumerate(said) if line.startswith("STOPPED"))
    assert any("● pending" in line for line in said[:stopped])
    assert said[stopped + 1] == "mine"
    assert said[stopped + 2].startswith("buy 1.5 SOL")
    assert not shell.screen.cursor_hidden
    assert api.end(newest(api)["orderId"])["status"] == "confirmed"

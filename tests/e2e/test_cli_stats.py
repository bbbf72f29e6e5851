"""`oee stats` as a process: its three forms, a period without orders, wrong words, and a real terminal."""

from __future__ import annotations

import csv
import io
import shlex
from typing import Any

import pytest

from tests.kit.api_daemon import Shared
from tests.kit.commands import Cli
from tests.kit.terminal import WIDTHS, Terminal

#: A pair that nobody else here trades.
OURS = ("--pair", "met/usdc")
SELL = {"inputToken": "MET", "outputToken": "USDC", "amount": "12"}


@pytest.fixture
def two(api: Shared) -> dict[str, Any]:
    """What the API says of at least two orders of ours."""
    while len(api.http.get("/api/orders", params={"pair": "MET/USDC"}).json()["orders"]) < 2:
        assert api.end(api.place(SELL))["status"] == "confirmed"
    found: dict[str, Any] = api.http.get("/api/stats", params={"pair": "MET/USDC", "by": "pair"}).json()
    return found


def test_a_period_without_orders_is_no_error(cli: Cli) -> None:
    done = cli.run("stats", "--pair", "PYTH/USDT")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no order like that" in done.stderr and "oee stats --since all" in done.stderr
    for period in (("--until", "2020-01-01"), ("--since", "all", "--until", "2020-01-01")):
        ended = cli.run("stats", *period, *(() if "all" in period else ("--since", "2019-12-31")))
        assert (ended.returncode, ended.stdout) == (0, "")
        assert "no orders in this period" in ended.stderr
    report = cli.json("stats", "--pair", "PYTH/USDT")
    assert report["total"]["orders"] == 0 and report["timeline"] == []
    (row,) = csv.DictReader(io.StringIO(cli.run("stats", "--pair", "PYTH/USDT", "--csv").stdout))
    assert (row["orders"], row["statuses.failed"], row["latencyMs.whole.p50"]) == ("0", "0", "")


def test_json_is_what_the_daemon_says(cli: Cli, two: dict[str, Any]) -> None:
    found = cli.json("stats", *OURS, "--by", "pair", "--side", "sell")
    assert found["total"] == two["total"] and found["groups"] == two["groups"]
    assert (found["pair"], found["side"], found["by"]) == ("MET/USDC", "sell", "pair")
    assert cli.json("stats", *OURS, "--since", "all")["since"] < found["timeline"][1]["at"]
    # The usual period is a day.
    assert found["since"][:10] < found["until"][:10]


def test_csv_has_a_row_for_each_group_and_the_paths_of_the_json(cli: Cli, two: dict[str, Any]) -> None:
    total = two["total"]
    done = cli.run("stats", *OURS, "--csv", "--by", "pair")
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert done.stdout.startswith("pair,orders,statuses.")
    (raydium,) = [venue for venue in total["venues"] if venue["venue"] == "raydium"]
    assert row["pair"] == "MET/USDC"
    assert row["volume.USDC"] == total["volume"][0]["amount"] and row["fees.MET"]
    assert row["venues.raydium.winRate"] == raydium["winRate"]
    assert row["venues.raydium.gainBps.mean"] == raydium["gainBps"]["mean"]
    assert row["latencyMs.routing.p95"] == str(total["latencyMs"]["routing"]["p95"])
    (whole,) = csv.DictReader(io.StringIO(cli.run("stats", *OURS, "--csv").stdout))
    assert whole == {name: value for name, value in row.items() if name != "pair"}


def test_the_last_line_says_how_it_was(cli: Cli, two: dict[str, Any]) -> None:
    orders = two["total"]["orders"]
    for more in ((), ("--by", "venue"), ("--by", "day")):
        done = cli.run("stats", *OURS, *more)
        assert (done.returncode, done.stderr) == (0, "")
        assert "\x1b" not in done.stdout
        lines = done.stdout.splitlines()
        assert lines[0].startswith("stats MET/USDC") and lines[0].endswith(f" {orders} orders")
        assert lines[-1].startswith(f"✓ {orders} of {orders} orders confirmed, 100.0 %; routing gained ")


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("by", [(), ("--by", "pair")], ids=["all", "by-pair"])
def test_on_a_terminal_nothing_is_wider_than_it(
    cli: Cli, two: dict[str, Any], columns: int, by: tuple[str, ...]
) -> None:
    terminal = Terminal(cli, "stats", *OURS, *by, columns=columns)
    assert terminal.end() == 0
    assert terminal.screen.widest <= columns and terminal.screen.colored
    plain = Terminal(
        cli, "stats", *OURS, *by, columns=columns, PYTHONIOENCODING="ascii", NO_COLOR="1"
    )  # fmt: skip
    assert plain.end() == 0
    assert plain.raw.isascii() and not plain.screen.colored and "\x1b[3" not in plain.raw
    assert plain.screen.widest <= columns
    assert plain.screen.said[-1].startswith("ok ") or plain.screen.said[-2].startswith("ok ")


@pytest.mark.parametrize(
    ("typed", "named", "remedy"),
    [
        ("--since soon", "--since", "Everything there is: all"),
        ("--until soon", "--until", "yesterday"),
        ("--until all", "--until", "yesterday"),
        ("--since 1h --until 2h", "--since 1h", "up to"),
        ("--pair MET", "pair", "SOL/USDC"),
        ("--pair MET/NOPE", "NOPE", "USDC"),
        ("--by token", "--by", "venue"),
        ("--side up", "--side", "buy"),
        ("--json --csv", "--csv", "one of them"),
    ],
)
def test_wrong_words_are_refused_and_named(cli: Cli, typed: str, named: str, remedy: str) -> None:
    done = cli.inside("stats", *shlex.split(typed))
    said = " ".join(done.stderr.split())
    assert done.returncode == 2, said
    assert named in said and remedy in said
    assert "Traceback" not in said

"""The price of a pair as it moves: followed line by line, and drawn."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from decimal import Decimal

import pytest

from oee_daemon.embedded import Servers
from tests.e2e.test_cli_top import ENTER, Top
from tests.kit.commands import Cli, end, serving
from tests.kit.daemons import until
from tests.kit.terminal import CTRL_C, Terminal, shows


@pytest.fixture(scope="module")
def cli(servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """Of its own: the pairs that are waited for move from then on."""
    with serving(servers, template, tmp_path_factory.mktemp("chart") / "h") as (cli, _):
        yield cli


@pytest.mark.parametrize(
    ("typed", "waited_for"),
    [("quote WIF usdc --watch", True), ("quote PYTH usdc --watch", False), ("chart PYTH usdc", False)],
    ids=["as the watch sees it", "asked for alone", "for a chart"],
)
def test_a_price_is_followed_until_it_is_enough(cli: Cli, typed: str, waited_for: bool) -> None:
    base = typed.split()[1]
    if waited_for:
        order = cli.json("show", cli.run(*f"limit buy {base} USDC 1 --at -50%".split()).stdout.strip())
        until(lambda: (cli.json("show", order["orderId"])["market"] or {}).get("price"), what="its price")
    watching = cli.start(*typed.split(), "--json")
    assert watching.stdout is not None
    seen = [json.loads(watching.stdout.readline()) for _ in range(3)]
    # What the watch sees is stored once a beat, which is longer than three looks.
    while len(seen) < 20 and len({one["slot"] for one in seen}) == 1:
        seen.append(json.loads(watching.stdout.readline()))
    watching.send_signal(signal.SIGINT)
    assert end(watching)[0] == 130
    for one in seen:
        assert (one["pair"], one["state"], one["source"]) == (f"{base}/USDC", "live", "simulated")
        assert Decimal(one["bid"]) > 0 and Decimal(one["ask"]) > 0 and one["ageMs"] < 2000
    assert len({one["slot"] for one in seen}) > 1


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("quote SOL USDC 1.5 --watch", "--watch shows the price of a little: 1.5 does not go with it."),
        ("quote SOL NOPE --watch", "'NOPE' is not a token that the simulated network knows."),
        ("quote SOL SOL --watch", "names one token twice"),
        (
            "chart SOL USDC",
            "oee chart fills a terminal, and there is none. As text: oee quote SOL USDC --watch",
        ),
        ("chart SOL NOPE --json", "'NOPE' is not a token that the simulated network knows."),
    ],
)
def test_a_price_that_can_t_be_followed(cli: Cli, typed: str, said: str) -> None:
    done = cli.run(*typed.split())
    assert done.returncode == 2 and said in " ".join(done.stderr.split()), done.stderr


@pytest.mark.parametrize("color", [True, False], ids=["", "no colours"])
def test_a_chart_shows_where_orders_wait_and_what_is_filled_meanwhile(cli: Cli, color: bool) -> None:
    waiting = cli.run(*["limit", "buy", "JUP", "USDC", "10", "--at", "-4%"]).stdout.strip()
    options = [] if color else ["--no-color"]
    chart = Top(cli, *options, columns=100, rows=40, command=("chart", "jup", "USDC"))
    chart.until(shows(f"{waiting[:8]} limit"))
    assert chart.screen.said[0].startswith("JUP/USDC  bid ")
    assert not any("●" in line for line in chart.screen.said[1:-1])
    assert cli.run(*["buy", "JUP", "USDC", "10"]).returncode == 0
    chart.until(lambda screen: any("●" in line for line in screen.said[1:-1]))
    assert chart.screen.widest <= 100 and ("\x1b[38;5;" in chart.raw) is color
    chart.type(b"q" if color else CTRL_C)
    assert chart.left() == (0 if color else 130)


def test_what_can_t_be_charted_is_told_before_the_screen_is_taken(cli: Cli) -> None:
    chart = Terminal(cli, "chart", "NOPE", "USDC")
    chart.until(shows("'NOPE' is not a token"))
    assert chart.end() == 2 and ENTER not in chart.raw

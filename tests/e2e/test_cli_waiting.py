"""Orders that wait, by the command line: the examples of the manual as they are run, and every wrong use."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from oee_daemon.contract.protocol import MAX_PAGE
from oee_daemon.embedded import Servers
from tests.kit.api_daemon import Shared
from tests.kit.commands import Cli, serving
from tests.kit.daemons import until


@pytest.fixture(scope="module")
def daemon(
    servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Cli, Shared]]:
    """Of its own: the pairs that are waited for move from then on."""
    with serving(servers, template, tmp_path_factory.mktemp("waiting") / "h") as running:
        yield running


@pytest.fixture
def cli(daemon: tuple[Cli, Shared]) -> Cli:
    return daemon[0]


def run(cli: Cli, typed: str, *more: str) -> Any:
    """In Berlin, where a time of day is typed."""
    words = [*shlex.split(typed), *more]
    return cli.run(*words, **({"TZ": "Europe/Berlin"} if "T" in words[-1 - len(more)] else {}))


#: What is typed, what the order then says, and what is said of it.
EXAMPLES: list[tuple[str, dict[str, Any], str]] = [
    (
        "limit buy SOL USDC 1.5 --at 100",
        {"type": "limit", "side": "buy", "swapMode": "ExactOut", "targetPrice": "100", "maxSpend": "150"},
        "waits to buy 1.5 SOL at 100 or less (net), at most 150 USDC",
    ),
    (
        "limit sell SOL USDC --receive 300 --at 200 --expires 7d",
        {"type": "limit", "side": "sell", "swapMode": "ExactOut", "targetPrice": "200", "maxSpend": "1.5"},
        "waits to sell SOL for 300 USDC at 200 or more (net), at most 1.5 SOL",
    ),
    (
        "stop sell SOL USDC 1.5 --at 100",
        {"type": "stop", "limitPrice": "80", "minReceive": "120", "slippageBps": 100, "confirmMs": 800},
        "waits to sell 1.5 SOL once the price is 100 or less, at 80 or better, at least 120 USDC",
    ),
    (
        "stop sell SOL USDC 1.5 --at 100 --limit 95 --confirm 3s",
        {"type": "stop", "limitPrice": "95", "confirmMs": 3000},
        "at 95 or better",
    ),
    (
        "stop buy SOL USDC --spend 200 --at 200 --limit 250",
        {"type": "stop", "side": "buy", "swapMode": "ExactIn", "minReceive": "0.8"},
        "once the price is 200 or more, at 250 or better",
    ),
    (
        "snipe JUP USDC --spend 100 --at 2099-12-01T09:00:00.123Z --max-price 0.9",
        {
            "type": "sniper",
            "side": "buy",
            "launchTime": "2099-12-01T09:00:00.123000Z",
            "limitPrice": "0.9",
            "minReceive": "111.111112",
            "slippageBps": 500,
            "validForS": 30,
            "expiresAt": "2099-12-01T09:00:30.123000Z",
        },
        "waits to buy JUP for 100 USDC at 0.90 or less (net), from 2099-12-01 09:00:00.123 UTC on",
    ),
    (
        "stop sell SOL USDC 1.5 --trail 5%",
        {"type": "stop", "trailBps": 500, "targetPrice": None, "limitPrice": None},
        "once the price is 5% under its best since it was placed",
    ),
    (
        "limit buy USDC SOL 100 --at 200",
        {"type": "limit", "side": "sell", "pair": "SOL/USDC", "amount": "100", "maxSpend": "0.5"},
        "the pair is SOL/USDC: this is to sell SOL",
    ),
    (
        "limit buy JUP USDC 800 --at -20% --expires 2099-12-01T18:00",
        {"pair": "JUP/USDC", "expiresAt": "2099-12-01T17:00:00.000000Z"},
        "until 2099-12-01 18:00 CET (17:00 UTC), and while this daemon runs",
    ),
]


@pytest.mark.parametrize(("typed", "says", "told"), EXAMPLES, ids=[line for line, *_ in EXAMPLES])
def test_an_example_as_it_is_run(cli: Cli, typed: str, says: dict[str, Any], told: str) -> None:
    done = run(cli, typed)
    assert done.returncode == 0, done.stderr
    # The id alone, for scripts.
    order = cli.json("show", done.stdout.strip())
    assert order["status"] == "waiting"
    assert {name: order[name] for name in says} == says
    assert told in done.stderr
    assert f"oee cancel {order['orderId'][:8]}" in done.stderr
    said = order["events"][0]["data"]
    assert said["condition"]
    if order["type"] != "sniper":
        # Of a pair that nobody has watched before, too: how far away its price is.
        assert re.search(r"; now [\d.]+, \d+\.\d% away", done.stderr), done.stderr
        assert said["market"]["at"].endswith("Z")


def test_a_step_from_now_is_counted_once_and_a_repeat_finds_its_order(cli: Cli) -> None:
    typed = shlex.split("limit buy SOL USDC 1 --at -10% --expires 5h --idempotency-key stepped-0001")
    first, again = cli.run(*typed), cli.run(*typed)
    assert (first.returncode, again.returncode) == (0, 0)
    assert first.stdout == again.stdout
    assert "placed before with this key" in again.stderr
    order = cli.json("show", first.stdout.strip())
    quote = Decimal(order["events"][0]["data"]["market"]["price"])
    assert abs(Decimal(order["targetPrice"]) - quote * Decimal("0.9")) < quote * Decimal("0.05")
    other = cli.run(*shlex.split("limit buy SOL USDC 2 --at -10% --idempotency-key stepped-0001"))
    assert other.returncode == 3


def test_it_is_waited_for_to_the_end_or_for_as_long_as_is_said(cli: Cli) -> None:
    done = cli.run(*shlex.split("limit buy SOL USDC 1.5 --at +2% --wait --timeout 50 --json"))
    order = json.loads(done.stdout)
    assert (done.returncode, order["status"], order["firings"]) == (0, "confirmed", 1), done.stderr
    assert Decimal(order["price"]) <= Decimal(order["targetPrice"])
    assert "fired: ask" in done.stderr
    over = cli.run(*shlex.split("limit buy SOL USDC 1.5 --at 100 --wait --timeout 0.3 --json"))
    assert (over.returncode, json.loads(over.stdout)["status"]) == (124, "waiting")
    assert "it waits to buy at 100 or less (net)" in over.stderr


def test_what_waits_is_listed_nearest_first_and_cancelled(cli: Cli) -> None:
    cli.run("cancel", "--all", "--yes")
    far, near = (
        cli.run(*f"limit buy SOL USDC 1 --at {price}".split()).stdout.strip() for price in ("100", "120")
    )
    stop = cli.run(*["stop", "sell", "SOL", "USDC", "1", "--at", "60"]).stdout.strip()
    # Without a price, which the watch brings within a beat, they are listed by age.
    until(
        lambda: all((order["market"] or {}).get("price") for order in cli.json("waiting")),
        what="a price of their pair",
    )
    assert [order["orderId"] for order in cli.json("waiting")] == [near, far, stop]
    assert [order["orderId"] for order in cli.json("waiting", "--type", "stop")] == [stop]
    table = cli.run("waiting").stdout
    assert "≤ 120" in table and "3 of 3" in table
    rows = cli.run("waiting", "--csv").stdout.splitlines()
    assert rows[0].startswith("orderId,type,side") and len(rows) == 4
    assert cli.json("cancel", "--all", "--type", "limit", "--yes")["cancelled"] == 2
    assert [order["orderId"] for order in cli.json("waiting")] == [stop]
    assert cli.run("cancel", stop[:8]).returncode == 0
    assert "no order waits" in cli.run("waiting").stderr


def test_at_most_one_of_several_is_filled(cli: Cli) -> None:
    """One command places two; another order joins; what waits shows it; all of a group are cancelled."""
    typed = [
        "limit",
        "sell",
        "SOL",
        "USDC",
        "1.5",
        "--at",
        "+9%",
        "--or-stop",
        "-9%",
        "--idempotency-key",
        "or-stop-0001",
    ]
    first, again = cli.run(*typed), cli.run(*typed)
    profit, loss = first.stdout.split()
    assert (first.returncode, again.returncode, again.stdout) == (0, 0, first.stdout)
    assert "at most one of them is filled" in first.stderr and "placed before with this key" in again.stderr
    joined = cli.run(*f"stop sell SOL USDC 1 --at 90 --oco {profit[:8]}".split()).stdout.strip()
    group = {cli.json("show", order)["groupId"] for order in (profit, loss, joined)}
    assert len(group) == 1 and group != {None}
    assert {leg["orderId"] for leg in cli.json("show", loss)["group"]} == {profit, joined}
    assert cli.run("waiting", "--pair", "SOL/USDC").stdout.count("(oco)") == 3
    table = f"type,inputToken,outputToken,amount,targetPrice,oco\nlimit,SOL,USDC,1,170,{group.pop()}\n"
    done = cli.run("submit", "-", stdin=table)
    assert json.loads(done.stdout)["order"]["groupId"] == cli.json("show", loss)["groupId"], done.stderr
    dry = cli.run(*["limit", "sell", "SOL", "USDC", "1", "--at", "160", "--or-stop", "130", "--dry-run"])
    assert dry.returncode == 0 and dry.stdout.count("SOL") >= 2
    assert cli.json("cancel", "--group", loss[:8])["cancelled"] == 4
    refused = cli.run(*f"limit buy SOL USDC 1 --at 100 --oco {profit}".split())
    assert refused.returncode == 3 and "is cancelled" in refused.stderr


def test_a_batch_is_answered_once_what_waits_is_durable(cli: Cli) -> None:
    rows = [
        {"type": "limit", "inputToken": "USDC", "outputToken": "SOL", "amount": "1", "swapMode": "ExactOut",
         "targetPrice": "100"},
        {"type": "stop", "inputToken": "SOL", "outputToken": "USDC", "amount": "1", "targetPrice": 100,
         "far": False},
    ]  # fmt: skip
    done = cli.run("submit", "-", stdin="".join(json.dumps(row) + "\n" for row in rows))
    assert done.returncode == 0 and "2 lines: 2 waiting, in" in done.stderr, done.stderr
    assert {json.loads(line)["order"]["status"] for line in done.stdout.splitlines()} == {"waiting"}
    table = "type,inputToken,outputToken,amount,targetPrice,far\nlimit,SOL,USDC,1,300,true\n"
    done = cli.run("submit", "-", stdin=table)
    assert (done.returncode, json.loads(done.stdout)["order"]["targetPrice"]) == (0, "300"), done.stderr


def test_a_new_token_is_waited_for_by_its_mint_and_told_as_such(cli: Cli) -> None:
    """Those that come next are told in both ways; what is wrong with their mints is said before they wait."""
    ahead = cli.json("tokens", "new", "-n", "40")
    assert [one["inS"] for one in ahead] == sorted(one["inS"] for one in ahead)
    placed, refused = [], set()
    for one in ahead:
        # The next ones may be traded by the time that they are asked for.
        if one["inS"] < 300:
            continue
        done = cli.run("snipe", one["mint"], "USDC", "--spend", "100", "--min-liquidity", "20000", "--json")
        if done.returncode == 0:
            placed.append(json.loads(done.stdout))
        else:
            error = json.loads(done.stdout)["error"]
            assert (done.returncode, error["code"]) == (3, "unsafe_token"), error
            refused.add(error["message"].partition("not bought: ")[2].partition(":")[0])
    assert placed and {"mint", "freeze", "copycat"} & refused
    first = placed[0]
    assert (first["type"], first["status"], first["minLiquidity"]) == ("sniper", "waiting", 20_000)
    assert first["tokenAddress"] in first["pair"] and first["expiresAt"] is not None
    assert "listed, ≥ 20,000 USD" in cli.run("waiting", "--type", "sniper").stdout
    row = json.dumps(
        {
            "type": "sniper",
            "inputToken": "USDC",
            "tokenAddress": first["tokenAddress"],
            "amount": 5,
            "accept": ["lp"],
        }
    )
    taken = cli.run("submit", "-", "--json", stdin=row + "\n")
    assert taken.returncode == 0, taken.stderr
    table = "type,inputToken,outputToken,tokenAddress,amount,accept\n"
    table += f'sniper,USDC,{first["tokenAddress"]},{first["tokenAddress"]},6,"lp,holders"\n'
    done = cli.run("submit", "-", stdin=table)
    assert (done.returncode, json.loads(done.stdout)["order"]["accept"]) == (0, ["holders", "lp"]), (
        done.stderr
    )


def test_what_was_placed_is_folded_between_words(cli: Cli) -> None:
    placed = cli.run(*["stop", "sell", "SOL", "USDC", "1.5", "--at", "100", "--limit", "none"], COLUMNS="60")
    lines = placed.stderr.splitlines()
    assert placed.returncode == 0 and len(lines) > 5
    assert max(map(len, lines)) <= 60
    cli.run("cancel", placed.stdout.strip())


def test_all_that_waits_is_listed_beyond_a_page_of_the_daemon_nearest_first(
    cli: Cli, daemon: tuple[Cli, Shared]
) -> None:
    cli.run("cancel", "--all", "--yes")
    api, count = daemon[1], MAX_PAGE + 5
    api.copies(cli.json("limit", "buy", "SOL", "USDC", "1", "--at", "30")["orderId"], count - 1)
    changed = api.sql.execute(
        "WITH priced AS (SELECT id, 30 + number * 7 %% %s / 20.0 AS price FROM orders "
        "WHERE status = 'waiting') UPDATE orders o SET target_price = price, arm_price = price "
        "FROM priced WHERE o.id = priced.id RETURNING price",
        (count,),
    )
    nearest_first = sorted((price for (price,) in changed), reverse=True)
    until(lambda: (cli.json("waiting", "-n", "1")[0]["market"] or {}).get("price"), what="a price")
    for limit in ("all", "3"):
        found = [order["targetPrice"] for order in cli.json("waiting", "--limit", limit)]
        most = None if limit == "all" else int(limit)
        assert list(map(Decimal, found)) == nearest_first[:most], limit
    assert len(cli.run("waiting", "--limit", "ALL", "--csv").stdout.splitlines()) == count + 1
    wrong = cli.run("waiting", "--limit", "0")
    assert (wrong.returncode, wrong.stdout) == (2, "") and "or all" in wrong.stderr
    assert cli.json("cancel", "--all", "--yes")["cancelled"] == count

"""What commands load that talk to a daemon, and which orders they leave for the Tab key."""

from __future__ import annotations

import pytest

from tests.kit.api_daemon import Shared
from tests.kit.commands import BUY, Cli, faults, frozen_worker
from tests.unit.test_cli_imports import loaded, of_the_engine, tops

#: What no command needs that prints plain text or JSON over the socket.
NEVER = {
    "rich",
    "pydantic",
    "asyncio",
    "click",
    "pygments",
    "httpcore",
    "h11",
    "anyio",
    "certifi",
}


@pytest.fixture(scope="module", autouse=True)
def an_order(bench: tuple[Cli, Shared]) -> None:
    assert bench[0].run(*BUY).returncode == 0


@pytest.mark.parametrize(
    "command",
    [
        "history --json",
        "history --csv",
        "fills --json",
        "show last --json",
        "buy SOL USDC 1.5 --detach",
        "buy SOL USDC 1.5 --dry-run --json",
        "quote SOL USDC 1.5 --json",
        "daemon status --json",
    ],
)
def test_what_only_asks_and_prints_loads_neither_rich_nor_websockets(command: str, cli: Cli) -> None:
    code, modules = loaded(*command.split(), **cli.environ)
    assert code == 0
    assert "httpx" in modules
    assert not of_the_engine(modules)
    assert not tops(modules) & {*NEVER, "websockets"}


@pytest.mark.parametrize("command", ["buy SOL USDC 1.5", "buy SOL USDC 1.5 --json", "watch last --json"])
def test_what_watches_without_a_terminal_loads_no_rich(command: str, cli: Cli) -> None:
    code, modules = loaded(*command.split(), **cli.environ)
    assert code == 0
    assert "websockets" in modules
    assert not of_the_engine(modules)
    assert not tops(modules) & NEVER


@pytest.mark.parametrize("command", ["daemon token", "daemon logs", "paths", "config show --json"])
def test_what_only_looks_at_files_loads_no_http(command: str, cli: Cli) -> None:
    (cli.home / "logs").mkdir(exist_ok=True)
    (cli.home / "logs" / "daemon.log").touch()
    code, modules = loaded(*command.split(), **cli.environ)
    assert code == 0
    assert not of_the_engine(modules)
    assert not tops(modules) & {*NEVER, "httpx", "ssl", "websockets"}


def offered(cli: Cli, *arguments: str) -> dict[str, str]:
    done = cli.run("__orders", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return dict(line.split("\t") for line in done.stdout.splitlines())


def test_an_order_is_offered_from_the_moment_it_is_placed_and_as_it_was_last_seen(
    cli: Cli, api: Shared
) -> None:
    with frozen_worker(api):
        waiting = cli.run(*BUY, "--timeout", "0.2", "--json")
        assert waiting.returncode == 124
        detached = cli.run("sell", "SOL", "USDC", "2", "--detach").stdout[:8]
        assert next(iter(offered(cli))) == detached
        assert offered(cli)[detached] == "SOL/USDC sell 2 pending"
        assert cli.run("cancel", detached).returncode == 0
    assert offered(cli)[detached] == "SOL/USDC sell 2 cancelled"
    assert next(iter(offered(cli, "live"))) != detached
    with faults(api, ("raydium", "refuse"), ("meteora", "refuse")):
        failed = cli.json("buy", "SOL", "USDC", "7", "--detach")["orderId"]
        assert cli.run("watch", failed).returncode == 7
    assert offered(cli)[failed[:8]] == "SOL/USDC buy 7 failed"


def test_whatever_ends_orders_is_seen_by_the_tab_key(cli: Cli, api: Shared) -> None:
    far = ("limit", "buy", "SOL", "USDC", "1", "--at", "1", "--far")
    one, other, watched = (cli.run(*far).stdout[:8] for _ in range(3))
    assert offered(cli)[one].endswith(" waiting")
    assert cli.run("cancel", one, other).returncode == 0
    assert [offered(cli)[each].rpartition(" ")[2] for each in (one, other)] == ["cancelled"] * 2
    alone = cli.run(*far).stdout[:8]
    assert cli.run("cancel", "--all", "--yes").returncode == 0
    assert [offered(cli)[each].rpartition(" ")[2] for each in (alone, watched)] == ["cancelled"] * 2


def test_a_listing_offers_what_it_showed(cli: Cli) -> None:
    cli.placed()
    (cli.home / "run" / "recent-orders").unlink()
    shown = cli.json("history", "--limit", "3")
    assert list(offered(cli)) == [order["orderId"][:8] for order in shown]


def test_a_quote_leaves_nothing(cli: Cli) -> None:
    cli.placed()
    before = (cli.home / "run" / "recent-orders").read_bytes()
    cli.run("quote", "SOL", "USDC", "1.5", "--json")
    cli.run(*BUY, "--dry-run", "--json")
    assert (cli.home / "run" / "recent-orders").read_bytes() == before

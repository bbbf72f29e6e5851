"""`oee edit`: what an order waits for is changed in one step while it waits, and not once it has fired."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from decimal import Decimal

import pytest

from oee_daemon.embedded import Servers
from tests.kit.commands import Cli, serving


@pytest.fixture(scope="module")
def cli(servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with serving(servers, template, tmp_path_factory.mktemp("edit") / "h") as (cli, _):
        yield cli


def placed(cli: Cli, typed: str) -> str:
    done = cli.run(*shlex.split(typed))
    assert done.returncode == 0, done.stderr
    return str(done.stdout.strip())


def test_a_limit_is_edited_with_its_bound_and_event(cli: Cli) -> None:
    name = placed(cli, "limit buy SOL USDC 1.5 --at 100")
    done = cli.run(*f"edit {name[:8]} --at 90 --amount 2 --expires 2099-01-01T00:00Z".split())
    assert done.returncode == 0, done.stderr
    order = cli.json("show", name)
    assert (order["targetPrice"], order["amount"], order["maxSpend"]) == ("90", "2", "180")
    assert order["expiresAt"] == "2099-01-01T00:00:00.000000Z"
    last = order["events"][-1]
    assert (last["status"], last["seq"], last["attempt"]) == ("waiting", 2, 1)
    assert last["data"]["edited"]["targetPrice"] == ["100", "90"]
    assert last["data"]["edited"]["amount"] == ["1.5", "2"]
    assert cli.json("edit", name, "--at", "90")["targetPrice"] == "90"
    assert len(cli.json("show", name)["events"]) == 2
    assert cli.json("edit", name, "--expires", "never")["expiresAt"] is None


def test_a_stop_keeps_its_usual_floor_or_the_one_it_was_given(cli: Cli) -> None:
    usual = placed(cli, "stop sell SOL USDC 1 --at 100")
    assert cli.json("edit", usual, "--at", "90")["limitPrice"] == "72"
    given = placed(cli, "stop sell SOL USDC 1 --at 100 --limit 70")
    assert cli.json("edit", given, "--at", "90")["limitPrice"] == "70"
    trails = cli.json("edit", given, "--trail", "9%")
    assert (trails["trailBps"], trails["targetPrice"], trails["minReceive"]) == (900, None, None)


@pytest.mark.parametrize(
    ("typed", "code", "exit_code"),
    [
        ("--at 14000", "price_far", 2),
        ("--limit 99", "field_contradicts", 2),
        ("--amount 0.00000000001", "too_many_decimals", 2),
        ("--at 0", "invalid_price", 2),
        ("--expires 2020-01-01T00:00Z", "expired_already", 2),
        ("--trail 5%", "field_contradicts", 2),
        ("--far", "missing_field", 2),
        ("", "missing_field", 2),
    ],
)
def test_a_wrong_edit_changes_nothing(cli: Cli, typed: str, code: str, exit_code: int) -> None:
    name = placed(cli, "limit buy SOL USDC 1.5 --at 100")
    done = cli.run("edit", name, *typed.split(), "--json")
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (exit_code, code)
    assert len(cli.json("show", name)["events"]) == 1


def test_what_has_fired_is_not_edited(cli: Cli) -> None:
    done = cli.run(*shlex.split("limit buy SOL USDC 1 --at +2% --wait --timeout 50 --json"))
    order = json.loads(done.stdout)
    assert order["status"] == "confirmed"
    late = cli.run("edit", order["orderId"], "--at", "90", "--json")
    assert (late.returncode, json.loads(late.stdout)["status"]) == (3, "confirmed")
    assert "confirmed" in late.stderr
    # It has ended, so that there is nothing to follow.
    assert f"How it ended: oee show {order['orderId'][:8]}" in late.stderr


def test_a_step_from_now_is_counted_for_the_new_amount(cli: Cli) -> None:
    name = placed(cli, "limit buy SOL USDC 1.5 --at 100")
    quote = cli.json(*["quote", "SOL", "USDC", "2000"])
    edited = cli.json(*f"edit {name} --amount 2000 --at -10%".split())
    now = min(Decimal(q["price"]) for q in quote["quotes"] if q["price"])
    # The market moves meanwhile, by far less than what so much costs more than 1.5 SOL.
    assert abs(Decimal(edited["targetPrice"]) / now - Decimal("0.9")) < Decimal("0.02")


def test_under_a_halt_nothing_is_edited(cli: Cli) -> None:
    name = placed(cli, "limit buy SOL USDC 1.5 --at 100")
    assert cli.run("halt").returncode == 0
    try:
        refused = cli.run("edit", name, "--at", "90", "--json")
        assert (refused.returncode, json.loads(refused.stdout)["error"]["code"]) == (3, "halted")
    finally:
        assert cli.run("resume", "--yes").returncode == 0
    assert cli.json("show", name)["targetPrice"] == "100"

"""What somebody has set that protects money, and the daemon that runs does not keep: nothing is placed or
changed."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from oee_daemon.api import api_app, api_problems, api_state
from oee_daemon.embedded import Servers
from oee_daemon.queue.queue_roster import Roster
from tests.kit.answers import refused
from tests.kit.api_daemon import Shared
from tests.kit.commands import QUICK, Cli, Done, end, refusal, serving
from tests.kit.daemons import until

USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
#: What the daemon of this file was started with.
IN_FORCE = {
    "OEE_MAX_ORDER": "5000", "OEE_MAX_SLIPPAGE": "500", "OEE_TOKENS": "SOL,USDC,JUP",
    "OEE_VENUES": "raydium,meteora", "OEE_FEE_CAP": "50000",
}  # fmt: skip
LOW = {"OEE_MAX_ORDER": "5"}
PLACING = (
    "buy SOL USDC 0.1",
    "buy SOL USDC 0.1 --dry-run",
    "buy SOL USDC 0.1 --detach",
    "sell SOL USDC 0.1 --events",
    "limit buy SOL USDC 0.1 --at 100",
    "limit buy SOL USDC 0.1 --at -30% --dry-run",
    "limit sell SOL USDC 0.1 --at 200 --or-stop 90",
    "stop sell SOL USDC 0.1 --at 90",
    "stop sell SOL USDC 0.1 --trail 20%",
    "snipe SOL USDC --spend 5 --at 2099-01-01T00:00Z",
)


@pytest.fixture(scope="module")
def running(
    servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Cli, Shared]]:
    with serving(servers, template, tmp_path_factory.mktemp("force") / "h", **IN_FORCE) as running:
        yield running


@pytest.fixture
def cli(running: tuple[Cli, Shared]) -> Cli:
    return running[0]


@pytest.fixture
def api(running: tuple[Cli, Shared]) -> Shared:
    return running[1]


@contextmanager
def config(cli: Cli, text: str) -> Iterator[None]:
    """The file of who types the commands."""
    file = Path(cli.environ["XDG_CONFIG_HOME"]) / "oee" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    try:
        yield
    finally:
        file.unlink()


def not_in_force(done: Done, *parts: str) -> None:
    assert done.returncode == 3, done.stdout + done.stderr
    error = refusal(done)
    assert (error["code"], error["retryable"]) == ("setting_not_in_force", False)
    for part in parts:
        assert part in f"{error['message']} {error['hint']}"


@pytest.mark.parametrize("typed", PLACING)
def test_a_limit_of_the_shell_alone_lets_no_command_place(cli: Cli, api: Shared, typed: str) -> None:
    before = api.stored()
    done = cli.run(*shlex.split(typed), "--json", **LOW)
    if "--events" in typed:
        assert done.returncode == 3 and "OEE_MAX_ORDER is 5, but" in done.stderr
    else:
        not_in_force(
            done,
            "OEE_MAX_ORDER is 5, but the daemon works with 5000.",
            "oee daemon restart",
            "oee config set max_order 5",
        )
    assert api.stored() == before


def test_nor_edit(cli: Cli, api: Shared) -> None:
    name = cli.json("limit", "buy", "SOL", "USDC", "0.1", "--at", "100")["orderId"]
    not_in_force(cli.run("edit", name, "--amount", "0.2", "--json", **LOW), "OEE_MAX_ORDER is 5")
    elsewhere = cli.run("edit", name, "--amount", "0.2", "--json", OEE_NETWORK="paper")
    assert (elsewhere.returncode, refusal(elsewhere)["code"]) == (3, "other_network")
    order = cli.json("show", name)
    assert (order["amount"], len(order["events"])) == ("0.1", 1)
    assert cli.json("edit", name, "--amount", "0.2", OEE_MAX_ORDER="5000")["amount"] == "0.2"


def test_nor_resume_and_it_goes_on_where_it_is_in_force(cli: Cli, api: Shared) -> None:
    api.http.post("/api/halt", json={})
    try:
        not_in_force(cli.run("resume", "--yes", "--json", **LOW), "OEE_MAX_ORDER is 5")
        assert api.http.get("/api/halt").json()["halt"] is not None
        assert cli.run("resume", "--yes", OEE_MAX_ORDER="5000").returncode == 0
    finally:
        api.http.post("/api/resume")


def test_a_batch_ends_at_its_first_line(cli: Cli, api: Shared) -> None:
    before = api.stored()
    lines = "inputToken,outputToken,amount\n" + "SOL,USDC,0.01\n" * 500
    done = cli.run("submit", "-", "--max-inflight", "1", stdin=lines, **LOW)
    assert done.returncode == 3
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["error"]["code"] for line in told} == {"setting_not_in_force"} and len(told) < 20
    assert api.stored() == before


@pytest.mark.parametrize(
    ("name", "value", "ours"),
    [
        ("OEE_MAX_ORDER", "4999.99", "with 5000."),
        ("OEE_MAX_DAILY", "100", "without it."),
        ("OEE_MAX_SLIPPAGE", "0", "with 500."),
        ("OEE_MAX_OPEN", "100000", "without it."),
        ("OEE_MAX_IMPACT", "50", "without it."),
        ("OEE_FEE_CAP", "49999", "with 50000."),
        ("OEE_TOKENS", "SOL,USDC", "with SOL,USDC,JUP."),
        ("OEE_VENUES", "Raydium", "with raydium,meteora."),
        ("OEE_WALLET", "small", "with simulated."),
    ],
)
def test_each_setting_that_protects_money_has_to_be_in_force(
    cli: Cli, api: Shared, name: str, value: str, ours: str
) -> None:
    before = api.stored()
    done = cli.run("buy", "SOL", "USDC", "0.1", "--json", **{name: value})
    not_in_force(done, f"{name} is {value.lower() if name == 'OEE_VENUES' else value}, but", ours)
    with config(cli, f'{name.removeprefix("OEE_").lower()} = "{value}"\n'):
        not_in_force(cli.run("buy", "SOL", "USDC", "0.1", "--json"), ours)
    assert api.stored() == before


def test_a_daemon_that_is_as_strict_or_stricter_trades(cli: Cli) -> None:
    loose = {
        "OEE_MAX_ORDER": "5000.000", "OEE_MAX_SLIPPAGE": "600", "OEE_TOKENS": f"sol,{USDC},JUP,NOBODYS",
        "OEE_VENUES": "orca,meteora,raydium", "OEE_FEE_CAP": "50000", "OEE_WALLET": "simulated",
        "OEE_NETWORK": "simulated", "OEE_MAX_DAILY": "",
    }  # fmt: skip
    assert cli.json("buy", "SOL", "USDC", "0.1", **loose)["status"] == "confirmed"
    # The environment wins over the file, as everywhere.
    with config(cli, "max_order = 5\n"):
        assert cli.run("buy", "SOL", "USDC", "0.1", OEE_MAX_ORDER="9000").returncode == 0


def test_a_key_that_is_known_finds_its_order(cli: Cli, api: Shared) -> None:
    """The daemon may have been started anew between an order and the command's next try."""
    buy = ("buy", "SOL", "USDC", "0.1", "--idempotency-key", "known-in-force")
    first = cli.json(*buy)
    pair = ("limit", "sell", "SOL", "USDC", "0.1", "--at", "200", "--or-stop", "90")
    group = cli.run(*pair, "--idempotency-key", "known-in-force-2").stdout
    before = api.stored()
    assert cli.json(*buy, **LOW)["orderId"] == first["orderId"]
    assert cli.run(*pair, "--idempotency-key", "known-in-force-2", **LOW).stdout == group != ""
    assert api.stored() == before


def test_reading_cancelling_and_halting_ask_for_nothing(cli: Cli, api: Shared) -> None:
    name = cli.json("limit", "buy", "SOL", "USDC", "0.1", "--at", "100")["orderId"]
    for typed in (f"show {name}", "history", "quote SOL USDC 1", f"cancel {name}", "halt"):
        done = cli.run(*typed.split(), OEE_MAX_ORDER="abc", OEE_MAX_DALY="5")
        assert done.returncode == 0, done.stderr
    api.http.post("/api/resume")


@pytest.mark.parametrize("typed", [*PLACING, "edit last --at 90", "submit -", "resume --yes"])
def test_what_cannot_be_understood_is_refused_before_anything_is_started(
    cli: Cli, tmp_path: Path, typed: str
) -> None:
    nowhere = {"OEE_HOME": str(tmp_path / "h"), "OEE_NO_AUTOSTART": ""}
    done = cli.run(*shlex.split(typed), OEE_MAX_DAILY="a lot", **nowhere)
    said = " ".join(done.stderr.split())
    assert done.returncode == 2 and "OEE_MAX_DAILY (from the environment) can't be 'a lot'" in said
    misspelled = cli.run(*shlex.split(typed), OEE_MAX_DALY="5", **nowhere)
    said = " ".join(misspelled.stderr.split())
    assert misspelled.returncode == 2 and "OEE_MAX_DALY" in said and "Did you mean OEE_MAX_DAILY?" in said
    assert not (tmp_path / "h").exists()


def test_a_setting_that_is_written_while_the_daemon_runs(cli: Cli, api: Shared) -> None:
    before = api.stored()
    with config(cli, ""):
        told = cli.run("config", "set", "max_order", "5")
        assert told.returncode == 0 and "oee daemon restart" in told.stderr
        not_in_force(cli.run("buy", "SOL", "USDC", "0.1", "--json"), "oee daemon restart")
        # It is said as long as it is so, not only once.
        again = cli.run("config", "set", "max_order", "5")
        assert "as it was" in again.stdout and "oee daemon restart" in again.stderr
        assert json.loads(cli.run("config", "set", "max_order", "5", "--json").stdout)["next"]
    assert api.stored() == before


def test_a_daemon_elsewhere_is_told_of_it_too(cli: Cli, api: Shared) -> None:
    there = {"OEE_URL": api.daemon.facts["http"], "OEE_TOKEN": api.daemon.token}
    before = api.stored()
    done = cli.run("buy", "SOL", "USDC", "0.1", "--json", **there, **LOW)
    not_in_force(done, "Where the daemon runs: oee config set max_order 5", "unset it here")
    assert api.stored() == before
    assert cli.run("buy", "SOL", "USDC", "0.1", **there).returncode == 0


def test_over_http_one_header_says_it_and_none_says_nothing(api: Shared) -> None:
    before = api.stored()
    limit = {"inputToken": "USDC", "outputToken": "SOL", "swapMode": "ExactOut", "amount": 1}
    limit |= {"type": "limit", "targetPrice": "100"}
    lacking = api.http.post("/api/orders/execute", json=limit, headers={"OEE-Settings": "max_order=5"})
    problem = refused(lacking, 409, "setting_not_in_force", "OEE-Settings")
    assert problem["detail"] == "OEE_MAX_ORDER is 5, but the daemon works with 5000. Nothing was stored."
    group = {"rule": "oco", "orders": [limit, limit]}
    for sent in ("max_order=5", "min_luck=1", "max_order=5000&wallet=%2Fx%2Fy.json"):
        for path, body in (("execute", limit), ("group", group)):
            answer = api.http.post(f"/api/orders/{path}", json=body, headers={"OEE-Settings": sent})
            refused(answer, 409, "setting_not_in_force", "OEE-Settings")
    for sent in ("max_order", "max_order=", "max_order=five", "=&", "max_order=%ff", "max_order=5%0Ax"):
        answer = api.http.post("/api/orders/execute", json=limit, headers={"OEE-Settings": sent})
        refused(answer, 422, "invalid_input", "OEE-Settings")
    assert api.stored() == before
    kept = api.http.post("/api/orders/execute", json=limit, headers={"OEE-Settings": "max_order=5000"})
    assert kept.status_code == api.post(limit).status_code == 202


def test_a_command_to_type_holds_the_whole_value(cli: Cli, api: Shared) -> None:
    done = cli.run("buy", "SOL", "USDC", "0.1", "--json", OEE_TOKENS=f"{USDC},{'J' * 44}")
    not_in_force(done, f"oee config set tokens {USDC},{'J' * 44}")


def test_a_worker_beside_the_daemon_has_to_keep_it_too(cli: Cli, api: Shared, tmp_path: Path) -> None:
    """It has settings of its own, and may be the one that executes the order."""
    outside = {name: api.daemon.environ[name] for name in ("OEE_DATABASE_URL", "OEE_REDIS_URL")}
    shutil.copytree(api.daemon.home / "wallets", tmp_path / "elsewhere" / "wallets")
    stated = {"OEE_FEE_CAP": "50000"}
    assert cli.run("buy", "SOL", "USDC", "0.1", **stated).returncode == 0
    before = api.stored()
    worker = Cli(tmp_path / "elsewhere", **(QUICK | outside)).start("worker")
    try:
        until(lambda: len(api.http.get("/api/status").json()["workers"]) == 2, what="the other worker")
        done = cli.run("buy", "SOL", "USDC", "0.1", "--json", **stated)
        not_in_force(done, "OEE_FEE_CAP is 50000, but the worker on", "works with 100000.", "oee worker")
        assert api.stored() == before
        checks = json.loads(cli.run("doctor", "--json").stdout)["checks"]
        (found,) = (
            check for check in checks if check["code"] == "less_protection" and "fee_cap" in check["message"]
        )
        assert "fee_cap is 50000 in the daemon, and 100000 in the one on" in found["message"]
    finally:
        worker.send_signal(signal.SIGTERM)
    assert end(worker, 40)[0] == 0


def test_a_worker_of_this_home_that_is_gone_stands_in_nobodys_way(cli: Cli, api: Shared) -> None:
    """It is told of for some seconds, with the settings of a daemon before this one."""
    home_id = (api.daemon.home / "id").read_text().strip()
    gone = Roster(
        api.daemon.environ["OEE_REDIS_URL"],
        owner=f"{home_id}:gone",
        threads=10,
        busy=lambda: 0,
        more=lambda: {"keeps": {"fee_cap": "100000"}},
    )
    gone.announce()
    try:
        assert len(api.http.get("/api/status").json()["workers"]) == 2
        assert cli.run("buy", "SOL", "USDC", "0.1", OEE_FEE_CAP="50000").returncode == 0
    finally:
        gone.leave()


#: What is refused over what it would have changed, and how its refusal ends.
CHANGING = (
    ("PATCH", "/api/orders/ONE", {"slippageBps": 7}, "The order is as it was."),
    ("POST", "/api/resume", None, "Nothing was resumed: a halt stands."),
    ("POST", "/api/orders/execute", {"inputToken": "SOL", "outputToken": "USDC", "amount": 1},
     "Nothing was stored."),
)  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "ends"), CHANGING)
def test_a_refusal_says_what_is_as_it_was(
    api: Shared, method: str, path: str, body: dict[str, Any] | None, ends: str
) -> None:
    """An edit stores nothing new in any case, and no order is meant by a resume."""
    one = api.place({"inputToken": "SOL", "outputToken": "USDC", "amount": 1, "type": "limit",
                     "targetPrice": 900, "far": True})  # fmt: skip
    for header, value in (("OEE-Settings", "max_order=5"), ("OEE-Network", "mainnet")):
        answer = api.http.request(method, path.replace("ONE", one), json=body, headers={header: value})
        problem = refused(answer, 409, answer.json()["code"], header)
        assert problem["detail"].endswith(f" {ends}") and problem["detail"].count("Nothing was") <= 1
        assert "The order is meant" not in problem["detail"]
    assert api.http.get(f"/api/orders/{one}").json()["slippageBps"] != 7
    api.http.post(f"/api/orders/{one}/cancel")


def test_a_halt_leaves_an_order_as_it_was(api: Shared) -> None:
    one = api.place({"inputToken": "SOL", "outputToken": "USDC", "amount": 1, "type": "limit",
                     "targetPrice": 900, "far": True})  # fmt: skip
    api.http.post("/api/halt", json={})
    try:
        problem = refused(api.http.patch(f"/api/orders/{one}", json={"slippageBps": 7}), 409, "halted")
        assert problem["detail"].endswith("or sent. The order is as it was.")
    finally:
        api.http.post("/api/resume")
    api.http.post(f"/api/orders/{one}/cancel")


def test_each_route_of_those_sentences_is_there() -> None:
    routes = {
        (method, str(getattr(route, "path", "")))
        for route in api_app.build(object.__new__(api_state.State)).routes
        for method in getattr(route, "methods", ())
    }
    assert set(api_problems.LEFT_ALONE) <= routes

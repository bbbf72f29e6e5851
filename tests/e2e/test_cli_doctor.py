"""`oee doctor` beside a real daemon: what it says of one that is well, and of each way to be unwell."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from oee_cli.doctor.checks import check_outside_servers
from oee_daemon.embedded import Servers
from tests.e2e.test_cli_daemon import foreign
from tests.kit.api_daemon import Shared, queue_of_its_own
from tests.kit.commands import QUICK, Cli, frozen_worker
from tests.kit.databases import connect
from tests.kit.proxy import Proxy

#: Every line of a daemon that is well, in the order in which they stand.
LINES = [
    *("settings", "home", "permissions", "disk", "wallet", "versions", "daemon", "port", "clock"),
    *("postgres", "schema", "queue", "worker", "orders"),
]


def examined(cli: Cli, **environ: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The doctor's exit code and what it found, by code."""
    done = cli.run("doctor", "--json", **({"SHELL": "/bin/other"} | environ))
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert told["exitCode"] == done.returncode
    return done.returncode, {f["code"]: f for f in told["checks"] if f["status"] != "ok"}


def test_all_is_well(cli: Cli, api: Shared) -> None:
    # With the servers that the daemon works on: without them it says that those here are others.
    servers = {name: api.daemon.environ[name] for name in ("OEE_DATABASE_URL", "OEE_REDIS_URL")}
    done = cli.run("doctor", SHELL="/bin/other", **servers)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    lines = done.stdout.splitlines()
    said = [line.split()[1] for line in lines if line.startswith("✓")][:-1]
    # Prices are looked at where an order waits, and other tests of this daemon leave some.
    assert [name for name in said if name != "prices"] == LINES
    assert lines[-1] == "✓ all is well"
    assert examined(cli, **servers) == (0, {})


def test_a_daemon_elsewhere_is_asked_for_what_it_knows(cli: Cli, api: Shared, tmp_path: Path) -> None:
    there = {"OEE_URL": str(api.daemon.facts["http"]), "OEE_HOME": str(tmp_path / "none")}
    code, found = examined(cli, **there, OEE_TOKEN=api.daemon.token)
    assert (code, set(found)) == (0, {"elsewhere"})
    code, found = examined(cli, **there, OEE_TOKEN="x" * 40)
    assert (code, found["unauthorized"]["remedy"]) == (4, "oee config set token -")


def test_a_frozen_worker_is_told_with_what_thaws_it(cli: Cli, api: Shared) -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("processes can't be looked at on this machine")
    with frozen_worker(api):
        code, found = examined(cli)
    assert code == 6 and re.fullmatch(r"kill -CONT \d+", found["frozen"]["remedy"])


def test_orders_that_do_not_move(cli: Cli, api: Shared) -> None:
    with frozen_worker(api):
        order = api.place()
        api.sql.execute(
            "UPDATE orders SET next_run_at = now() - interval '41 s', updated_at = now() - interval '6 min',"
            " lease_until = NULL WHERE id = %s",
            (order,),
        )
        _, found = examined(cli)
    assert found["stuck"]["message"].startswith("1 order has not moved for 5 minutes (1 pending")
    assert found["stuck"]["remedy"] == "oee history --status pending"
    assert "overdue" in found
    assert api.end(order)["status"] == "confirmed"


def test_a_database_of_a_newer_release(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """No daemon of this release runs on it: the doctor asks the database itself."""
    servers = {"OEE_DATABASE_URL": database_url, "OEE_REDIS_URL": redis_url}
    there = Cli(tmp_path / "h", **servers)
    code, found = examined(there)
    assert (code, set(found)) == (0, {"home_missing", "not_running"})
    with connect(database_url) as sql:
        sql.execute("UPDATE alembic_version SET version_num = '9999'")
    code, found = examined(there)
    assert code == 6 and "9999" in found["schema_new"]["message"]
    assert not there.home.exists()


def test_a_database_of_another_wallet_is_told_before_a_start_fails_on_it(
    servers: Servers, database_url: str, tmp_path: Path
) -> None:
    outside = {"OEE_DATABASE_URL": database_url, "OEE_REDIS_URL": queue_of_its_own(servers)}
    there = Cli(tmp_path / "h", **(QUICK | outside))
    assert there.run("daemon", "start").returncode == 0
    assert there.run("daemon", "stop").returncode == 0
    wallet = there.home / "wallets" / "simulated.json"
    assert "other_engine" not in examined(there)[1]
    owner = there.json("wallet", "show")["address"]
    # Another one, none in this home, and none in a home that is not made yet: each start fails.
    numbers = json.loads(wallet.read_text())
    wallet.write_text(json.dumps(numbers[:32] + numbers[32:][::-1]))
    for step in ("another", "none", "no home"):
        if step == "none":
            wallet.unlink()
        home = there if step != "no home" else Cli(tmp_path / "fresh", **(QUICK | outside))
        code, found = examined(home)
        assert (code, found["other_engine"]["status"]) == (6, "fail"), step
        assert owner in found["other_engine"]["message"] and "wallet_missing" not in found, step


def test_settings_that_the_running_daemon_does_not_have(cli: Cli, tmp_path: Path) -> None:
    private = {"XDG_CONFIG_HOME": str(tmp_path)}
    set_ = cli.run("config", "set", "max_attempts", "9", **private)
    assert set_.returncode == 0 and "oee daemon restart" in set_.stderr
    code, found = examined(cli, **private)
    assert "not_yet" in found, [f["message"] for f in found.values()]
    assert (code, found["not_yet"]["status"], found["not_yet"]["remedy"]) == (0, "info", "oee daemon restart")
    assert "max_attempts is 9, but the daemon was started with 3" in found["not_yet"]["message"]
    again = cli.run("config", "set", "max_attempts", "9", **private)
    assert "as it was" in again.stdout and "oee daemon restart" in again.stderr
    # What only commands read needs no restart.
    assert cli.run("config", "set", "no_autostart", "1", **private).stderr.count("restart") == 0


def test_another_protocol(homes: Path) -> None:
    with foreign(homes / "h", OEE_Protocol="9", OEE_Version="9.9.9"):
        code, found = examined(Cli(homes / "h"))
    assert (code, found["protocol_mismatch"]["remedy"]) == (6, "oee daemon restart")


@pytest.fixture
def behind(servers: Servers, database_url: str, tmp_path: Path) -> Iterator[tuple[Cli, Proxy, int]]:
    """A daemon whose port is taken, and whose way to Postgres can be cut."""
    (tmp_path / "s").mkdir()
    proxy = Proxy(database_url, tmp_path / "s")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        environ = {"OEE_DATABASE_URL": proxy.url, "OEE_REDIS_URL": queue_of_its_own(servers)}
        made = Cli(tmp_path / "h", **(QUICK | environ | {"OEE_PORT": str(port)}))
        assert made.run("daemon", "start").returncode == 0
        yield made, proxy, port
        assert made.run("daemon", "stop").returncode == 0
    proxy.close()


@pytest.mark.parametrize("host", ("nosuch.invalid", "192.0.2.1"))
def test_a_host_that_is_none_of_this_machine_is_not_mended_by_another_port(
    servers: Servers, database_url: str, tmp_path: Path, host: str
) -> None:
    addresses = {"OEE_DATABASE_URL": database_url, "OEE_REDIS_URL": queue_of_its_own(servers)}
    cli = Cli(tmp_path / "h", **(QUICK | addresses | {"OEE_PORT": "0"}))
    assert cli.run("daemon", "start", OEE_HOST=host).returncode == 0
    try:
        for there, remedy in (
            ({"OEE_HOST": host}, "export OEE_HOST=127.0.0.1 && oee daemon restart"),
            # This shell does not know what the daemon was started with.
            ({}, "oee config set host 127.0.0.1 && oee daemon restart"),
            ({"OEE_HOST": "127.0.0.2"}, "export OEE_HOST=127.0.0.2 && oee daemon restart"),
        ):
            code, found = examined(cli, **there)
            assert (code, found["no_such_host"]["remedy"]) == (0, remedy)
            assert host in found["no_such_host"]["message"] and "port_taken" not in found
        assert cli.run("daemon", "stop").returncode == 0
        assert examined(cli, OEE_HOST=host)[1]["no_such_host"]["remedy"] == "export OEE_HOST=127.0.0.1"
    finally:
        cli.run("daemon", "stop")


def test_a_taken_port_and_then_a_database_that_went_away(
    behind: tuple[Cli, Proxy, int], database_url: str, tmp_path: Path
) -> None:
    cli, proxy, port = behind
    code, found = examined(cli)
    assert (code, set(found)) == (0, {"port_taken"})
    assert f"127.0.0.1:{port}" in found["port_taken"]["message"]
    assert found["port_taken"]["remedy"].endswith(" && oee daemon restart")

    # Closed alone it would still take the one connection that it waits for.
    next((tmp_path / "s").iterdir()).unlink()
    proxy.close()
    end_connections(database_url)
    code, found = examined(cli)
    assert code == 6 and found["unreachable"]["check"] == "postgres"
    assert "The daemon can't reach it: connection to server" in found["unreachable"]["message"]
    # Nothing is said of what only the database knows.
    assert not {"schema_old", "clocks_differ", "stuck", "internal"} & set(found)


def end_connections(url: str) -> None:
    """All but our own."""
    name = make_url(url).database
    with connect(url) as sql:
        sql.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND pid <> pg_backend_pid()",
            (name,),
        )


def test_servers_outside_that_answer_are_asked_directly(database_url: str, redis_url: str) -> None:
    told = check_outside_servers.ask_postgres(database_url)
    assert (told.fault, told.revision) == (None, check_outside_servers.schema_revision())
    assert (told.version or "").startswith("PostgreSQL 18")
    assert (check_outside_servers.ask_queue(redis_url).version or "").startswith("valkey 9")
    with connect(database_url) as sql:
        sql.execute("DROP TABLE alembic_version")
    empty = check_outside_servers.ask_postgres(database_url + "&application_name=again")
    assert (empty.fault, empty.revision) == (None, None)

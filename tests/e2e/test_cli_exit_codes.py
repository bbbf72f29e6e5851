"""Each exit code of the contract, one test each, by the real command against a real daemon.

With `--json` where there is one: the order object however it ended, or the error object, and the sentence
on stderr either way.
"""

from __future__ import annotations

import json
import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.kit.accounts import as_root, become
from tests.kit.api_daemon import Shared
from tests.kit.commands import BUY, NO_PRICE, Cli, end, faults, frozen_worker, newest, refusal, until_stored
from tests.kit.daemons import until
from tests.kit.databases import connect


def test_0_confirmed_and_0_durable(cli: Cli, api: Shared) -> None:
    assert cli.run(*BUY).returncode == 0
    assert newest(api)["status"] == "confirmed"
    with frozen_worker(api):
        assert cli.run(*BUY, "--detach").returncode == 0
        assert newest(api)["status"] == "pending"
    assert cli.run("watch", "last").returncode == 0


def test_1_a_fault_of_ours(cli: Cli, api: Shared) -> None:
    api.sql.execute("ALTER TABLE orders RENAME COLUMN slippage_bps TO mislaid")
    try:
        done = cli.run(*BUY, "--json")
    finally:
        api.sql.execute("ALTER TABLE orders RENAME COLUMN mislaid TO slippage_bps")
    assert done.returncode == 1
    error = refusal(done)
    assert error["code"] == "internal"
    # Whether it was stored is not known after a fault: the key tells.
    key = done.stderr.splitlines()[0].removeprefix("idempotency key ")
    assert uuid.UUID(key)
    assert f"--idempotency-key {key}" in error["hint"]
    assert "oee daemon logs" in error["hint"]
    assert "Traceback" not in done.stderr


def test_2_wrong_input_found_here_and_by_the_daemon(cli: Cli, api: Shared) -> None:
    before = api.stored()
    here = cli.run(*BUY, "--slippage", "1", "--json")
    assert (here.returncode, refusal(here)["code"]) == (2, "usage")
    there = cli.run("buy", "NOPE", "USDC", "1", "--json")
    assert (there.returncode, refusal(there)["retryable"]) == (2, False)
    assert "NOPE" in refusal(there)["message"]
    assert api.stored() == before


@pytest.mark.parametrize(
    ("typed", "environ", "told"),
    [
        (("worker",), {}, "needs OEE_DATABASE_URL"),
        (("worker",), {"OEE_DATABASE_URL": "nonsense"}, "OEE_DATABASE_URL"),
        (("daemon", "run"), {"OEE_PORT": "abc"}, "OEE_PORT"),
    ],
)
def test_2_the_engine_in_this_process_that_can_not_begin(
    homes: Path, typed: tuple[str, ...], environ: dict[str, str], told: str
) -> None:
    done = Cli(homes / "h", XDG_CONFIG_HOME=str(homes / "c")).run(*typed, **environ)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr and "Traceback" not in done.stderr


def test_4_the_engine_in_this_process_that_has_no_key(homes: Path) -> None:
    done = Cli(homes / "h", XDG_CONFIG_HOME=str(homes / "c")).run("daemon", "run", OEE_NETWORK="devnet")
    assert done.returncode == 4, done.stderr
    assert "There is no key at" in done.stderr and "Traceback" not in done.stderr


def test_2_an_ambiguous_prefix(cli: Cli, api: Shared) -> None:
    order_id = api.place()
    api.end(order_id)
    twin = api.copy(order_id, id=order_id[:13] + "-4" + order_id[15:24] + "0" * 12)
    done = cli.run("show", order_id[:8])
    assert done.returncode == 2
    assert "2 orders" in done.stderr or "more than one" in done.stderr
    assert cli.run("show", twin).returncode == 0


def test_3_a_key_of_another_order(cli: Cli, api: Shared) -> None:
    key = f"key-{uuid.uuid4()}"
    assert cli.run(*BUY, "--idempotency-key", key).returncode == 0
    before = api.stored()
    done = cli.run("buy", "SOL", "USDC", "2", "--idempotency-key", key, "--json")
    assert (done.returncode, api.stored()) == (3, before)
    assert refusal(done)["code"] == "idempotency_key_reused"


def test_3_cancelled_too_late(cli: Cli, api: Shared) -> None:
    api.end(api.place())
    done = cli.run("cancel", "last", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["status"] == "confirmed"
    assert "✗" in done.stderr


def test_4_a_wrong_token(cli: Cli, api: Shared) -> None:
    before = api.stored()
    done = cli.run(*BUY, "--json", OEE_URL=api.daemon.facts["http"], OEE_TOKEN="wrong")
    assert (done.returncode, api.stored()) == (4, before)
    assert "oee daemon token" in refusal(done)["hint"]
    right = cli.run("history", OEE_URL=api.daemon.facts["http"], OEE_TOKEN=api.daemon.token)
    assert right.returncode == 0


@as_root
def test_4_a_home_of_another_account(cli: Cli) -> None:
    def refused() -> bool:
        done = cli.inside("history", "--json", XDG_CONFIG_HOME="/nonexistent")
        return done.returncode == 4 and refusal(done)["code"] == "forbidden"

    assert become("nobody", refused)


def test_5_no_such_order(cli: Cli) -> None:
    for command in ("show", "watch", "cancel"):
        done = cli.run(command, str(uuid.uuid4()), "--json")
        assert done.returncode == 5, command
        assert "oee history" in refusal(done)["hint"]


def test_6_no_daemon(tmp_path: Path) -> None:
    done = Cli(tmp_path / "h", OEE_NO_AUTOSTART="1").run(*BUY, "--json")
    assert done.returncode == 6
    assert "oee daemon start" in refusal(done)["hint"]


def test_6_no_database(cli: Cli, api: Shared) -> None:
    before = api.stored()
    with no_database(api):
        reading = cli.run("history", "--json")
        assert (reading.returncode, refusal(reading)["retryable"]) == (6, True)
        buying = cli.run(*BUY, "--json")
        assert (buying.returncode, refusal(buying)["code"]) == (6, "database_unavailable")
    assert cli.run("history", "--limit", "1").returncode == 0
    assert api.stored() == before


@contextmanager
def no_database(api: Shared) -> Iterator[None]:
    """Nobody new may connect to it, and who was connected is thrown out."""
    own = make_url(api.url)
    with connect(own.set(database="postgres").render_as_string(hide_password=False)) as admin:
        kept = api.sql.info.backend_pid
        admin.execute(f"ALTER DATABASE {own.database} ALLOW_CONNECTIONS false")
        try:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> %s",
                (own.database, kept),
            )
            yield
        finally:
            admin.execute(f"ALTER DATABASE {own.database} ALLOW_CONNECTIONS true")


def test_7_failed(cli: Cli, api: Shared) -> None:
    with faults(api, *NO_PRICE):
        done = cli.run(*BUY, "--json")
    order = json.loads(done.stdout)
    assert (done.returncode, order["status"], order["error"]["code"]) == (7, "failed", "no_route")
    assert order == newest(api)
    assert "Nothing left the wallet" in done.stderr
    # Who watches it later is told the same; who looks at it has seen it.
    assert cli.run("watch", "last").returncode == 7
    assert cli.run("show", "last").returncode == 0


def test_9_it_may_be_on_the_chain(cli: Cli, api: Shared) -> None:
    with faults(api, ("chain", "mute")):
        done = cli.run(*BUY, "--timeout", "0.7", "--json")
        order = newest(api)
        assert (done.returncode, order["status"]) == (9, "submitted")
        assert json.loads(done.stdout)["orderId"] == order["orderId"]
        assert "not known yet" in done.stderr
        assert f"oee watch {order['orderId'][:8]}" in done.stderr
        assert order["signature"][:4] in done.stderr
        as_json = cli.run("watch", order["orderId"], "--timeout", "0.3")
        assert as_json.returncode == 9
    assert cli.run("watch", order["orderId"]).returncode == 0


def test_10_cancelled(cli: Cli, api: Shared) -> None:
    before = api.stored()
    with frozen_worker(api):
        buying = cli.start(*BUY, "--json")
        until_stored(api, before)
        assert cli.run("cancel", "last").returncode == 0
        code, out, err = end(buying)
        # It is what was asked for, whoever asked first.
        assert cli.json("cancel", "last")["status"] == "cancelled"
    assert (code, json.loads(out)["status"]) == (10, "cancelled")
    assert "cancelled" in err


def test_0_and_3_many_cancelled(cli: Cli, api: Shared) -> None:
    sent = cli.placed(detach=False)
    with frozen_worker(api):
        named = [cli.placed() for _ in range(2)]
        assert cli.json("cancel", *named) == {"cancelled": 2, "submitted": [], "final": 0}
        again = cli.run("cancel", *named, sent)
        assert (again.returncode, again.stdout) == (0, "✓ cancelled 0 orders\n")
        assert "3 had ended before" in again.stderr
        rest = [cli.placed() for _ in range(2)]
        assert cli.run("cancel", "--all", "--pair", "WIF/USDC", "--yes").stdout == "✓ cancelled 0 orders\n"
        doubted = api.copy(
            rest[0], id=str(uuid.uuid4()), status="submitted", idempotency_key=str(uuid.uuid4())
        )
        done = cli.run("cancel", "--all", "--yes")
        assert (done.returncode, done.stdout) == (3, "✓ cancelled 2 orders\n")
        assert f"1 may be on the chain and can't be cancelled any more: {doubted[:8]}." in done.stderr
        api.sql.execute("DELETE FROM orders WHERE id = %s", (doubted,))


def test_10_expired(cli: Cli, api: Shared) -> None:
    with frozen_worker(api):
        order = cli.json(*BUY, "--detach", "--valid-for", "1s")["orderId"]
        api.sql.execute("UPDATE orders SET expires_at = now() WHERE id = %s", (order,))
    done = cli.run("watch", order)
    assert (done.returncode, done.stdout) == (10, "")
    assert "expired" in done.stderr


def test_124_the_wait_ended_with_nothing_sent(cli: Cli, api: Shared) -> None:
    with frozen_worker(api):
        done = cli.run(*BUY, "--timeout", "0.3", "--json")
        assert (done.returncode, json.loads(done.stdout)["status"]) == (124, "pending")
        assert json.loads(done.stdout) == newest(api)
    assert f"oee watch {newest(api)['orderId'][:8]}" in done.stderr
    assert cli.run("watch", "last").returncode == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_130_interrupted_and_143_terminated(cli: Cli, api: Shared, number: signal.Signals, code: int) -> None:
    with frozen_worker(api):
        buying = cli.start(*BUY, "--json")
        assert buying.stderr is not None
        line = until(lambda: first_status(buying.stderr), what="the first status")
        assert "pending" in line
        buying.send_signal(number)
        ended, out, err = end(buying)
        order = newest(api)
        assert (ended, json.loads(out)) == (code, order)
        assert f"watch again: oee watch {order['orderId'][:8]}" in err
        assert order["status"] == "pending"
        watching = cli.start("watch", "last")
        assert watching.stderr is not None
        assert "pending" in str(watching.stderr.readline())
        watching.send_signal(number)
        ended, out, err = end(watching)
        assert (ended, out) == (code, "")
        assert f"watch again: oee watch {order['orderId'][:8]}" in err
    assert api.end(order["orderId"])["status"] == "confirmed"


def first_status(stream: object) -> str | None:
    line = str(stream.readline())  # type: ignore[attr-defined]
    return None if line.startswith("idempotency key") else line


@pytest.mark.parametrize(
    "command", ["history --csv", "buy SOL USDC 1.5 --json --quiet", "watch last --json -q"]
)
def test_141_a_closed_pipe(cli: Cli, api: Shared, command: str) -> None:
    api.end(api.place())
    reader, writer = os.pipe()
    os.close(reader)
    try:
        process = cli.start(*command.split(), stdout=writer)
    finally:
        os.close(writer)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (141, "")
    # Whoever stopped listening has not stopped the order.
    assert api.end(newest(api)["orderId"])["status"] == "confirmed"


def test_help_prints_the_same_table(cli: Cli) -> None:
    done = cli.run("help", "exit-codes")
    told = {int(line.split()[0]) for line in done.stdout.splitlines() if line[:4].strip().isdigit()}
    assert told == {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 124, 130, 141, 143}

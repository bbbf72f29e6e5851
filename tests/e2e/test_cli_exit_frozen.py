"""The exit codes where the daemon is frozen: nobody says how the order stands."""

from __future__ import annotations

import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.e2e.test_cli_exit_codes import first_status
from tests.kit.api_daemon import SELL, Shared
from tests.kit.commands import BUY, Cli, end, frozen_worker, newest, refusal
from tests.kit.daemons import until


def test_9_the_answer_stayed_lost(cli: Cli, api: Shared) -> None:
    key = f"key-{uuid.uuid4()}"
    assert api.daemon.process is not None
    api.daemon.process.send_signal(signal.SIGSTOP)
    try:
        done = cli.run(*BUY, "--timeout", "1", "--idempotency-key", key, "--json")
    finally:
        api.daemon.process.send_signal(signal.SIGCONT)
    assert (done.returncode, refusal(done)["retryable"]) == (9, True)
    assert f"--idempotency-key {key}" in refusal(done)["hint"]
    again = cli.run(*BUY, "--idempotency-key", key)
    assert again.returncode == 0
    row = api.sql.execute("SELECT count(*) FROM orders WHERE idempotency_key = %s", (key,)).fetchone()
    assert row == (1,)


@contextmanager
def frozen_daemon(api: Shared) -> Iterator[None]:
    """The API does not answer; the worker goes on."""
    assert api.daemon.process is not None
    api.daemon.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        api.daemon.process.send_signal(signal.SIGCONT)


def test_9_the_wait_ended_and_nobody_says_how_the_order_stands(cli: Cli, api: Shared) -> None:
    """Its worker goes on, so that it may have been sent: "nothing sent yet" would be a guess."""
    with frozen_worker(api):
        buying = cli.start(*BUY, "--timeout", "1.5")
        assert buying.stderr is not None
        until(lambda: first_status(buying.stderr), what="the first status")
        with frozen_daemon(api):
            code, out, err = end(buying)
    assert (code, out) == (9, "")
    assert "Not known how the order ended" in err and "not bought" not in err
    assert api.end(newest(api)["orderId"])["status"] == "confirmed"


def test_6_a_watch_whose_daemon_says_nothing_has_not_seen_that_nothing_happened(
    cli: Cli, api: Shared
) -> None:
    with frozen_daemon(api):
        done = cli.run("watch", "--timeout", "0.5")
    assert (done.returncode, done.stdout) == (6, "")
    assert f"is frozen.\n  Let it go on: kill -CONT {cli.pid}" in done.stderr
    assert cli.run("watch", "--timeout", "0.1").returncode == 0


def test_what_was_given_up_is_not_done_when_the_daemon_thaws(api: Shared) -> None:
    """Minutes later "all" would be other orders. An order is stored all the same: its key finds it."""
    with frozen_worker(api):
        order = api.place()
        with frozen_daemon(api), api.daemon.client() as http:
            for path, body in (("/api/orders/cancel", {"all": True}), ("/api/orders/execute", SELL)):
                before = api.stored()
                with pytest.raises(httpx.ReadTimeout):
                    http.post(path, json=body, timeout=0.2)
        until(lambda: api.stored() > before, what="the order")
        assert api.http.get(f"/api/orders/{order}").json()["status"] == "pending"
        assert api.http.post("/api/orders/cancel", json={"all": True}).json()["cancelled"] == 2


def test_130_before_the_answer_came(cli: Cli, api: Shared) -> None:
    """Whether it was placed is not known: the key finds out."""
    assert api.daemon.process is not None
    api.daemon.process.send_signal(signal.SIGSTOP)
    try:
        buying = cli.start(*BUY, "--json")
        assert buying.stderr is not None
        key = str(buying.stderr.readline()).split()[-1]
        buying.send_signal(signal.SIGINT)
        code, out, err = end(buying)
    finally:
        api.daemon.process.send_signal(signal.SIGCONT)
    assert code == 130
    error = refusal(subprocess.CompletedProcess([], code, out, err))
    assert (error["code"], error["retryable"]) == ("outcome_unknown", True)
    assert f"--idempotency-key {key}" in error["hint"]
    assert cli.run(*BUY, "--idempotency-key", key).returncode == 0
    row = api.sql.execute("SELECT count(*) FROM orders WHERE idempotency_key = %s", (key,)).fetchone()
    assert row == (1,)

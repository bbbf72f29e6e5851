"""A daemon that is frozen in the middle of a request: what changes something may have been done and ends with
9; what only looks ends with 6."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from oee_cli.api import client_http
from oee_cli.api.client_http import Client
from oee_cli.cli_errors import ConnectionLost, OutcomeUnknown, Unreachable
from oee_cli.output import Output
from oee_cli.settings.settings_load import Settings
from oee_cli.wallet import wallet_unlock
from oee_daemon.api import api_app, api_state
from oee_daemon.embedded import Servers
from tests.e2e.bare_http import http_port
from tests.e2e.test_gave_up import FAR
from tests.kit.api_daemon import Shared
from tests.kit.commands import BUY, Cli, Done, end, frozen_worker, refusal, serving
from tests.kit.daemons import until

USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
#: Each command that changes something, with the request that does it.
CHANGES = {
    ("buy", "SOL", "USDC", "1", "--timeout", "2"): ("POST", "/api/orders/execute"),
    ("edit", "ONE", "--at", "901", "--far"): ("PATCH", "/api/orders/ONE"),
    ("cancel", "ONE"): ("POST", "/api/orders/ONE/cancel"),
    ("cancel", "ONE", "OTHER"): ("POST", "/api/orders/cancel"),
    ("cancel", "--all", "--yes"): ("POST", "/api/orders/cancel"),
    ("cancel", "--group", "GROUP"): ("POST", "/api/orders/cancel"),
    ("resume", "--yes"): ("POST", "/api/resume"),
    ("halt",): ("POST", "/api/halt"),
    ("tokens", "add", USDC): ("POST", "/api/tokens"),
    ("tokens", "remove", "NO"): ("DELETE", "/api/tokens/NO"),
}
#: They wait for longer, or are asked of one's own home alone: see the last test.
PATIENT = {
    ("POST", f"/api/{path}") for path in ("wallet/unlock", "wallet/lock", "notify/test", "orders/group")
}
LOOKS = (("history",), ("waiting",), ("tokens",), ("limits",), ("show", "ONE"), (*BUY, "--dry-run"))


@pytest.fixture(scope="module")
def served(
    servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Cli, Shared]]:
    with serving(servers, template, tmp_path_factory.mktemp("frozen") / "h") as running:
        yield running


class Relay:
    """Passes on what clients and the daemon say, and holds each request that changes something until told.
    `slow_s`: each answer of an order takes so long, and nothing is held."""

    def __init__(self, port: int, slow_s: float | None = None) -> None:
        self._port = port
        self._slow_s = slow_s
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.held: list[tuple[str, str]] = []
        self.go_on = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.go_on.set()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with (
            client,
            socket.create_connection(("127.0.0.1", self._port)) as server,
            contextlib.suppress(OSError),
        ):
            while True:
                for source in select.select([client, server], [], [])[0]:
                    if not (data := source.recv(1 << 16)):
                        return
                    if source is client:
                        self._hold(data)
                    (server if source is client else client).sendall(data)

    def _hold(self, data: bytes) -> None:
        method, _, rest = data.decode("latin-1").partition(" ")
        if self._slow_s is not None:
            slow = rest.startswith("/api/orders") and "Upgrade: websocket" not in rest
            self.go_on.wait(self._slow_s if slow else 0)
            return
        if method in ("POST", "PATCH", "PUT", "DELETE") and not self.go_on.is_set():
            self.held.append((method, rest.split()[0]))
            self.go_on.wait(60)


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def named(api: Shared) -> dict[str, str]:
    """What the words in capitals stand for."""
    legs = {"rule": "oco", "orders": [FAR, FAR | {"targetPrice": 901}]}
    answer = api.http.post("/api/orders/group", json=legs)
    assert answer.status_code == 202, answer.text
    return {"ONE": api.place(FAR), "OTHER": api.place(FAR), "GROUP": answer.json()["groupId"]}


def test_what_changes_something_ends_with_9_and_what_looks_with_6(served: tuple[Cli, Shared]) -> None:
    cli, api = served
    names, relay = named(api), Relay(http_port(api.daemon))
    elsewhere = {"OEE_URL": relay.url, "OEE_TOKEN": (api.daemon.home / "token").read_text().strip()}
    far = Cli(cli.home, OEE_NO_AUTOSTART="1", **elsewhere)

    def typed(command: tuple[str, ...]) -> list[str]:
        return [names.get(word, word) for word in command]

    changing = {command: far.start(*typed(command), "--json") for command in CHANGES}
    wanted = Counter((method, path.replace("ONE", names["ONE"])) for method, path in CHANGES.values())
    # An order is sent again and again: its key makes it one.
    until(lambda: not wanted - Counter(relay.held), within=60, what="every request")
    with frozen(cli.pid):
        relay.go_on.set()
        looking = {command: far.start(*typed(command), "--json") for command in LOOKS}
        ends = {command: end(process, 60) for command, process in (changing | looking).items()}
    relay.close()
    for command, (code, out, err) in ends.items():
        error = refusal(Done([], code, out, err))
        if command in LOOKS:
            assert (code, error["code"]) == (6, "daemon_unreachable"), command
        else:
            assert (code, error["code"]) == (9, "outcome_unknown"), (command, err)
            assert "Not known whether" in err and "no answer in" in err, err
            assert ("that harms nothing" in err) == (command == ("halt",)), err
    api.http.post("/api/resume")


def test_a_slow_daemon_is_heard_when_the_wait_ends(served: tuple[Cli, Shared], tmp_path: Path) -> None:
    """How the order stands it says all the same, with the code of that: nothing is unknown."""
    cli, api = served
    relay = Relay(http_port(api.daemon), slow_s=1.5)
    token = (api.daemon.home / "token").read_text().strip()
    far = Cli(cli.home, OEE_NO_AUTOSTART="1", OEE_URL=relay.url, OEE_TOKEN=token)
    rows = tmp_path / "rows.ndjson"
    rows.write_text(json.dumps({"inputToken": "SOL", "outputToken": "USDC", "amount": 1}) + "\n")
    with frozen_worker(api):
        waits = ("--timeout", "1")
        started = [
            far.start("buy", "SOL", "USDC", "1", *waits, "--json"),
            far.start("limit", "buy", "SOL", "USDC", "1", "--at", "1", "--far", "--wait", *waits, "--json"),
            far.start("watch", api.place(), *waits),
            far.start("submit", str(rows), *waits),
        ]
        ends = [end(process, 60) for process in started]
    relay.close()
    assert [code for code, *_ in ends] == [124] * 4, ends
    assert json.loads(ends[0][1])["status"] == "pending" and json.loads(ends[1][1])["status"] == "waiting"
    assert json.loads(ends[3][1])["order"]["status"] == "pending"


def test_each_wait_ends_at_a_daemon_that_says_nothing(served: tuple[Cli, Shared], tmp_path: Path) -> None:
    """Each says for how long it has waited for its last answer: a second, where a slow daemon gets four."""
    cli, api = served
    one = api.place(FAR)
    rows = tmp_path / "rows.ndjson"
    rows.write_text(json.dumps({"inputToken": "SOL", "outputToken": "USDC", "amount": 1}) + "\n")
    waiting = ("limit", "buy", "SOL", "USDC", "1", "--wait", "--at")
    waits: dict[tuple[str, ...], int] = {
        BUY: 9, (*BUY, "--detach"): 9, (*BUY, "--events"): 9, (*BUY, "--dry-run"): 6,
        ("sell", *BUY[1:]): 9, (*waiting, "1", "--far"): 9, (*waiting, "-1%"): 6,
        (*waiting, "1", "--oco", one): 6, (*waiting, "1", "--idempotency-key", "silent-1"): 6,
        ("stop", *waiting[1:], "900", "--far"): 9, ("watch", one): 6, ("watch", "last"): 6, ("watch",): 6,
        ("snipe", "JUP", "USDC", "--spend", "1", "--at", "2099-12-01T09:00:00Z", "--wait"): 9,
        ("submit", str(rows)): 6, ("submit", str(rows), "--dry-run"): 6,
    }  # fmt: skip
    token = (api.daemon.home / "token").read_text().strip()
    with socket.create_server(("127.0.0.1", 0), backlog=256) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        far = Cli(cli.home, OEE_NO_AUTOSTART="1", OEE_URL=url, OEE_TOKEN=token)
        started = {command: far.start(*command, "--timeout", "1") for command in waits}
        ends = {command: end(process, 60) for command, process in started.items()}
    assert {command: code for command, (code, *_) in ends.items()} == waits
    for command, (_, _, err) in ends.items():
        assert re.search(r"no answer in 1 s|timed out", err), (command, err)
        assert not re.search(r"no answer in ([2-9]|1\d) s", err), (command, err)


def test_each_route_that_changes_something_is_among_them() -> None:
    routes = {
        (method, str(getattr(route, "path", "")))
        for route in api_app.build(object.__new__(api_state.State)).routes
        for method in getattr(route, "methods", ())
    }
    changing = {(method, path) for method, path in routes if method not in ("GET", "HEAD", "OPTIONS")}
    asked = {(method, path.replace("ONE", "{order_id}")) for method, path in CHANGES.values()}
    asked = {(method, path.replace("/NO", "/{name}")) for method, path in asked}
    only_looks = {("POST", path) for path in client_http._CHANGE_NOTHING}
    assert changing == asked | PATIENT | only_looks


def test_who_waits_for_longer_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object, **__: object) -> None:
        raise ConnectionLost("no answer in 45 s", sent=True, timed_out=True)

    monkeypatch.setattr(Client, "exchange", silent)
    client = Client(Settings(home=tmp_path), Output())
    for method, path in PATIENT:
        for ask in (client.read, partial(wallet_unlock._ask, client)):
            with pytest.raises(OutcomeUnknown, match="does not answer"):
                ask(method, path)
    with pytest.raises(Unreachable):
        wallet_unlock._ask(client, "GET", "/api/status")


def test_a_batch_waits_for_a_frozen_daemon_as_long_as_it_was_told(
    served: tuple[Cli, Shared], tmp_path: Path
) -> None:
    cli, _ = served
    rows = tmp_path / "rows.ndjson"
    rows.write_text(json.dumps({"inputToken": "SOL", "outputToken": "USDC", "amount": 1}) + "\n")
    with frozen(cli.pid):
        began = time.monotonic()
        done = cli.run("submit", str(rows), "--timeout", "1")
        took = time.monotonic() - began
    assert (done.returncode, done.stdout) == (6, "")
    assert f"is frozen.\n  Let it go on: kill -CONT {cli.pid}" in done.stderr
    assert took < 25, "30 s are what it waits at most, and then as long as a look takes"

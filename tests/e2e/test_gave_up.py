"""What a client has given up is not carried out later, when a daemon that was frozen comes back."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from oee_cli.api.client_http import Client
from oee_daemon.embedded import Servers
from tests.e2e.bare_http import http_port
from tests.kit.api_daemon import Shared
from tests.kit.commands import Cli, serving
from tests.kit.daemons import until

FAR = {
    "type": "limit",
    "inputToken": "SOL",
    "outputToken": "USDC",
    "amount": 1,
    "targetPrice": 900,
    "far": True,
}


@pytest.fixture(scope="module")
def served(
    servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Cli, Shared]]:
    with serving(servers, template, tmp_path_factory.mktemp("gave_up") / "h") as running:
        yield running


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def ask_and_leave(api: Shared, door: str, path: str, body: dict[str, Any]) -> None:
    """As a client whose patience is over before anything is answered."""
    tcp = door == "tcp"
    raw = (
        socket.create_connection(("127.0.0.1", http_port(api.daemon)))
        if tcp
        else socket.socket(socket.AF_UNIX)
    )
    with raw:
        if not tcp:
            raw.connect(api.daemon.facts["socket"])
        text = json.dumps(body).encode()
        token = (api.daemon.home / "token").read_text().strip()
        heads = ["Host: 127.0.0.1", f"Authorization: Bearer {token}",
                 "Content-Type: application/json", f"Content-Length: {len(text)}"]  # fmt: skip
        raw.sendall("\r\n".join([f"POST {path} HTTP/1.1", *heads, "", ""]).encode() + text)


@pytest.mark.parametrize("door", ["socket", "tcp"])
def test_what_was_given_up_is_not_carried_out(served: tuple[Cli, Shared], door: str) -> None:
    cli, api = served
    waits = api.place(FAR)
    with frozen(cli.pid):
        ask_and_leave(api, door, "/api/orders/cancel", {"all": True})
        ask_and_leave(api, door, f"/api/orders/{waits}/cancel", {})
    # Whatever was asked before this has long been begun once it has ended.
    assert api.end(api.place())["status"] == "confirmed"
    assert api.http.get(f"/api/orders/{waits}").json()["status"] == "waiting"
    assert api.http.post(f"/api/orders/{waits}/cancel").status_code == 200
    assert "without starting response" not in api.daemon.log.read_text()


def test_a_halt_is_carried_out_for_a_client_that_has_left(served: tuple[Cli, Shared]) -> None:
    cli, api = served
    with frozen(cli.pid):
        ask_and_leave(api, "socket", "/api/halt", {"reason": "storm"})
    until(lambda: api.http.get("/api/halt").json()["halt"], what="the halt")
    assert api.http.post("/api/resume").json()["ended"]["reason"] == "storm"
    assert api.http.get("/api/halt").json()["halt"] is None


def test_cancel_all_means_what_was_placed_before_it(
    served: tuple[Cli, Shared], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its request may be carried out late, and is repeated until nothing is left."""
    cli, api = served
    before, later = api.place(FAR), []
    read = Client.read

    def late(self: Client, method: str, path: str, **what: Any) -> Any:
        if path == "/api/orders/cancel":
            later.append(api.place(FAR))
        return read(self, method, path, **what)

    monkeypatch.setattr(Client, "read", late)
    done = cli.inside("cancel", "--all", "--yes", "--json")
    assert json.loads(done.stdout).get("cancelled") == 1, done
    found = [api.http.get(f"/api/orders/{one}").json()["status"] for one in (before, *later)]
    assert found == ["cancelled", "waiting"]
    api.http.post("/api/orders/cancel", json={"all": True})
    gone = api.http.post(
        "/api/orders/cancel", json={"all": True, "upTo": "00000000-0000-0000-0000-000000000001"}
    )
    assert (gone.status_code, gone.json()["field"]) == (404, "upTo")

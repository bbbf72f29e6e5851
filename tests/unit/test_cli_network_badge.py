"""The network in front of every line: where it is said, where it must not be, and never the simulated one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oee_cli.__main__ import _run_guarded
from oee_cli.api import client_handshake
from oee_cli.cli_errors import CliError
from oee_cli.network_badge import badge
from oee_cli.output import Output

CLI = Path(__file__).parents[2] / "oee_cli"


@pytest.fixture(autouse=True)
def _taken_off() -> Iterator[None]:
    yield
    badge.wear("simulated")
    badge.told = False


def everything(output: Output) -> None:
    output.say("one\ntwo")
    output.note("progress")
    output.warn("said anyway")
    output.sentence("●", "a sentence", "oee try this")
    output.fail(CliError("It failed.", hint="See: the log"))
    output.answer({}, "✓ done")


def test_every_line_says_where_it_is_of(capsys: pytest.CaptureFixture[str]) -> None:
    badge.wear("mainnet")
    everything(Output())
    out, err = capsys.readouterr()
    lines = (out + err).splitlines()
    assert len(lines) == 9
    assert all(line.startswith("mainnet ") for line in lines), lines


@pytest.mark.parametrize("worn", ["simulated", None, "", "Main net", "\x1b[31mred", "x" * 30])
def test_the_simulated_network_and_what_is_no_name_leave_all_as_it_was(
    worn: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    everything(Output())
    before = capsys.readouterr()
    badge.wear(worn)
    everything(Output())
    assert capsys.readouterr() == before
    assert badge.on_object({"a": 1}) == {"a": 1}


def test_what_is_refused_before_anything_is_asked_says_where_it_would_have_gone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OEE_NETWORK", "mainnet")
    for told, first in ((False, "mainnet ✗"), (True, "✗")):
        badge.network, badge.told = "", told
        assert _run_guarded(["buy", "SOL", "USDC", "1,5"]) == 2
        assert capsys.readouterr().err.startswith(f"{first} The amount can't be"), "the daemon knows better"
    badge.told = False
    monkeypatch.setenv("OEE_NETWORK", "nowhere")
    assert _run_guarded(["buy", "SOL", "USDC", "1,5"]) == 2
    assert capsys.readouterr().err.startswith("✗ The amount")


def test_what_a_script_takes_stays_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    badge.wear("mainnet")
    Output().value("0190-id")
    Output().answer({"id": 1}, "0190-id", bare=True)
    assert capsys.readouterr().out == "0190-id\n0190-id\n"


def test_objects_say_it_once(capsys: pytest.CaptureFixture[str]) -> None:
    badge.wear("paper")
    output = Output(json=True)
    for value in ({"a": 1}, {"network": "simulated", "a": 1}, [1, {"a": 1}]):
        output.emit(value)
    output.fail(CliError("It failed."))
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = {"network": "paper", "a": 1}
    assert said[:3] == [told, {"network": "simulated", "a": 1}, [1, told]]
    assert said[3]["network"] == "paper" and said[3]["error"]["message"] == "It failed."


def test_an_erased_line_is_empty_and_a_drawn_one_named(capsys: pytest.CaptureFixture[str]) -> None:
    badge.wear("paper")
    Output().draw("half")
    Output().draw("")
    assert capsys.readouterr().err == "\r\x1b[Kpaper half\r\x1b[K"


def test_what_is_drawn_leaves_it_room(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setenv("COLUMNS", "80")
    assert Output().width(sys.stdout) == 80
    badge.wear("mainnet")
    assert Output().width(sys.stdout) == 80 - len("mainnet ")
    assert Output().room(10) == 20


def test_an_answer_over_the_socket_says_it() -> None:
    class Peer:
        def __init__(self) -> None:
            self.told = [b"HTTP/1.1 200 OK\r\nOEE-Network: mainnet\r\nContent-Length: 2\r\n\r\n{}", b""]

        def sendall(self, _data: bytes) -> None: ...

        def recv(self, _size: int) -> bytes:
            return self.told.pop(0)

    peer: Any = Peer()
    assert client_handshake.ask_daemon(peer, "/healthz", "1:2") is not None
    assert badge.network == "mainnet"


#: Who writes to a stream without `Output`, and why it need not say the network there.
ALONE = {
    "__main__.py": "the version; a disk that is full",
    "output.py": "it is what names the lines",
    "api/client_recent_orders.py": "words for the Tab key",
    "batch/batch_run.py": "objects for programs, which say it",
    "daemon/daemon_control.py": "the log's lines as they are",
    "lists/list_pages.py": "objects and CSV for programs, which say it",
    "lists/list_pager.py": "lines that it names",
    "text/live_order_text.py": "lines that it names",
    "full_screen.py": "a frame whose lines are named",
}


def test_nobody_writes_past_it() -> None:
    writes = re.compile(r"std(out|err)(\.buffer)?\.write|os\.write\(|\bprint\(")
    found = {str(path.relative_to(CLI)) for path in CLI.rglob("*.py") if writes.search(path.read_text())}
    assert found <= set(ALONE), f"write by Output, which says the network: {sorted(found - set(ALONE))}"

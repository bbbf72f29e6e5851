"""What a batch says of the orders on their way when the daemon is away for a while: how they stand, as far as
anybody can be asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

import pytest

from oee_cli.api.client_http import Client
from oee_cli.batch import batch_in_flight
from oee_cli.batch.batch_in_flight import InFlightPoller, Placed
from oee_cli.batch.batch_reader import Row
from oee_cli.cli_errors import CliError, Unreachable
from oee_cli.output import Output
from oee_cli.settings.settings_load import Settings
from oee_daemon.contract.shapes import Order

#: What the daemon answers to one question: the orders that it has, by what was asked.
Answer = Callable[[list[str], bool], list[dict[str, Any]]]


def order(order_id: str, status: str = "pending") -> dict[str, Any]:
    return {"orderId": order_id, "status": status}


def away(_ids: list[str], _ended: bool) -> list[dict[str, Any]]:
    raise Unreachable("The daemon does not answer.")


def told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, ends_in: dict[str, float], *answers: Answer
) -> dict[str, tuple[str, CliError | None]]:
    """How each order was told to stand, where the daemon answers so, one after the other. `ends_in`: seconds
    until each one's wait is over."""
    left, found = list(answers), dict[str, tuple[str, CliError | None]]()

    def find(_client: Client, *, orderIds: list[str], ended: bool) -> list[dict[str, Any]]:  # noqa: N803
        return left.pop(0)(orderIds, ended)

    def note(placed: Placed, order: Order, unknown: CliError | None) -> None:
        found[placed.order["orderId"]] = order["status"], unknown
        if len(found) == len(ends_in):
            poller.close()

    monkeypatch.setattr(batch_in_flight, "find_orders", find)
    poller = InFlightPoller(Client(Settings(home=tmp_path), Output()), note)
    for number, (name, seconds) in enumerate(ends_in.items()):
        row = cast(Row, type("", (), {"line": number}))
        poller.add(Placed(row, cast(Order, order(name)), False, time.monotonic() + seconds))
    poller.follow()
    return found


def test_what_was_told_before_the_daemon_fell_silent_is_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """Of two whose wait is over one has ended: of the other nobody says how it stands."""
    found = told(monkeypatch, tmp_path, {"a": -1, "b": -1}, lambda *_: [order("a", "confirmed")], away)
    assert found["a"] == ("confirmed", None)
    assert found["b"][1] is not None and found["b"][1].exit_code == 9


def test_while_others_are_waited_for_what_is_over_is_asked_about_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    found = told(
        monkeypatch, tmp_path, {"a": -1, "b": 30},
        away, away, lambda *_: [order("b", "failed")], lambda ids, _: [order(one, "routing") for one in ids],
    )  # fmt: skip
    assert found == {"a": ("routing", None), "b": ("failed", None)}


def test_what_is_over_when_the_silence_is_known_is_told_then(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    asked, late = [], [0.0]
    clock = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: clock() + late[0])

    def silent(ids: list[str], ended: bool) -> list[dict[str, Any]]:
        asked.append(ids)
        late[0] = 60.0
        return away(ids, ended)

    assert told(monkeypatch, tmp_path, {"a": 50}, silent, silent)["a"][1] is not None
    assert len(asked) == 1


def test_where_nobody_is_waited_for_nobody_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    found = told(monkeypatch, tmp_path, {"a": -1, "b": -1}, away)
    assert {error.exit_code for _, error in found.values() if error} == {9} and len(found) == 2

"""Placing an order over a bad line: the same key every time, and an honest end where no answer came."""

from __future__ import annotations

import contextlib
import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oee_cli.api import client_http as client_module
from oee_cli.api.client_http import Client
from oee_cli.api.client_response_problems import Response
from oee_cli.batch import batch_sender
from oee_cli.batch.batch_options import Batch
from oee_cli.batch.batch_reader import Row
from oee_cli.batch.batch_sender import BatchSender
from oee_cli.cli_errors import CliError, ConnectionLost, OutcomeUnknown, Refused, Unreachable
from oee_cli.output import Output
from oee_cli.settings.settings_load import Settings
from oee_daemon.contract.protocol import PROTOCOL

HEADERS = {"OEE-Protocol": str(PROTOCOL)}
Happening = Response | ConnectionLost


def answer(status: int, **body: Any) -> Response:
    return Response(status, HEADERS, json.dumps(body).encode())


class Script(Client):
    """A client whose exchanges go as written; the last happening repeats."""

    def __init__(self, *happenings: Happening) -> None:
        super().__init__(Settings(home=Path("/nonexistent")), Output())
        self.happenings = list(happenings)
        self.keys: list[str] = []

    def ready(self) -> None:
        pass

    def exchange(self, method: str, path: str, *, timeout: float | None = None, **kwargs: Any) -> Response:
        self.keys.append(kwargs.get("headers", {}).get("Idempotency-Key", ""))
        happening = self.happenings.pop(0) if len(self.happenings) > 1 else self.happenings[0]
        if isinstance(happening, ConnectionLost):
            raise happening
        return happening


def execute(script: Script, limit: float = 0.5) -> Any:
    return script.execute({}, "the-one-key", time.monotonic() + limit)


GONE = ConnectionLost("refused", sent=False)
DROPPED = ConnectionLost("reset", sent=True)
NO_DATABASE = answer(503, code="database_unavailable", detail="No database.", retryable=True)


def test_a_lost_answer_is_asked_for_with_the_same_key() -> None:
    script = Script(GONE, DROPPED, NO_DATABASE, answer(200, orderId="x"))
    assert execute(script) == ({"orderId": "x"}, True)
    assert script.keys == ["the-one-key"] * 4


def test_a_new_order_is_no_replay() -> None:
    assert execute(Script(answer(202, orderId="x"))) == ({"orderId": "x"}, False)


def test_an_answer_that_stays_lost_is_unknown_and_names_the_key() -> None:
    with pytest.raises(OutcomeUnknown) as e:
        execute(Script(DROPPED))
    assert "the-one-key" in (e.value.hint or "")
    assert e.value.exit_code == 9


def test_once_it_may_have_arrived_no_refusal_by_a_missing_database_ends_the_asking() -> None:
    with pytest.raises(OutcomeUnknown):
        execute(Script(DROPPED, NO_DATABASE))


def test_nothing_sent_is_unreachable() -> None:
    with pytest.raises(Unreachable):
        execute(Script(GONE))


def test_a_daemon_elsewhere_or_frozen_that_is_waited_for_is_told_of_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    far, frozen = Script(GONE), Script(ConnectionLost("no answer in 10 s", sent=True, timed_out=True))
    far.settings = replace(far.settings, url="http://far:3000")
    for script, reason in (
        (far, "http://far:3000 (refused)"),
        (frozen, "the daemon (no answer in 10 s)"),
    ):
        with pytest.raises(Unreachable if script is far else OutcomeUnknown):
            execute(script)
        assert len(script.keys) > 2
        assert re.fullmatch(
            rf"no answer from {re.escape(reason)}: asking again for \d+ s\n", capsys.readouterr().err
        )


def test_no_database_is_waited_for_a_little_and_then_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_GRACE", 0.1)
    script = Script(NO_DATABASE)
    with pytest.raises(Unreachable) as e:
        execute(script, limit=60)
    assert (e.value.code, e.value.exit_code) == ("database_unavailable", 6)
    assert len(script.keys) > 1


def test_a_refusal_is_final_at_once() -> None:
    script = Script(answer(422, code="idempotency_key_reused", detail="Another body."))
    with pytest.raises(Refused):
        execute(script)
    assert len(script.keys) == 1
    refused = Script(answer(500, code="internal", detail="A fault."))
    with pytest.raises(Exception, match="A fault"):
        execute(refused)


ELSEWHERE = answer(409, code="other_network", detail="Meant for another network. Nothing was stored.")
CHANGED_TOKEN = answer(401, code="unauthorized", detail="Wrong token.")
OTHER_HOME = answer(421, code="other_home", detail="Another home.")
NEWER = answer(426, code="protocol_mismatch", detail="Another protocol.", protocol=99)
#: What a gateway says by itself, which may have handed the request on before.
GATEWAY = Response(504, {}, b"<html>Gateway Timeout</html>")
NO_WAY = Response(403, {}, b"<html>Forbidden</html>")


@pytest.mark.parametrize("refusal", [ELSEWHERE, CHANGED_TOKEN, OTHER_HOME, NEWER, NO_WAY])
def test_a_refusal_of_whoever_does_not_look_for_the_key_denies_no_order_that_may_be_stored(
    refusal: Response,
) -> None:
    """A daemon that came back with another network or token said that nothing was stored, and the order went
    on where it was."""
    with pytest.raises(OutcomeUnknown, match="Not known whether the order was placed") as e:
        execute(Script(DROPPED, refusal))
    assert "the-one-key" in (e.value.hint or "") and e.value.retryable
    with pytest.raises(CliError) as unsent:
        execute(Script(GONE, refusal))
    assert not isinstance(unsent.value, OutcomeUnknown)


def test_a_batch_denies_no_line_that_may_be_stored_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its next try is another request, which has sent nothing yet."""
    monkeypatch.setattr(batch_sender, "PATIENCE", 0.3)
    for first, expected in ((GATEWAY, OutcomeUnknown), (GONE, Refused)):
        sender = BatchSender(Script(first, ELSEWHERE), Batch(max_inflight=1), 1, lambda _: None)
        with pytest.raises(expected):
            sender._execute(Row(line=1, body={}, key="the-one-key"), time.monotonic() + 0.1)


def test_a_gateway_that_has_waited_in_vain_is_asked_again_and_denies_nothing() -> None:
    """The daemon behind it may have stored the order by then. Whoever is no gateway is asked once."""
    nobody = Script(Response(501, {}, b"<html>Unsupported method</html>"))
    with pytest.raises(Unreachable):
        execute(nobody)
    assert len(nobody.keys) == 1
    assert execute(Script(GATEWAY, answer(200, orderId="x"))) == ({"orderId": "x"}, True)
    with pytest.raises(OutcomeUnknown) as e:
        execute(Script(GATEWAY))
    assert "the-one-key" in (e.value.hint or "")


def test_reads_are_repeated_after_a_drop_but_not_after_silence() -> None:
    assert Script(DROPPED, answer(200, a=1)).get("/x") == {"a": 1}
    silent = Script(ConnectionLost("no answer", sent=True, timed_out=True))
    with pytest.raises(Unreachable):
        silent.get("/x")
    assert len(silent.keys) == 1


class Clocked(Client):
    """A client at whose daemon `answers` says which paths are answered. `limits`: seconds for each answer."""

    def __init__(self, *answers: str, url: str | None = "http://far:3000") -> None:
        super().__init__(Settings(home=Path("/nonexistent"), url=url), Output())
        self.answers = answers
        self.limits: list[tuple[str, float]] = []

    def _exchange(self, method: str, path: str, timeout: float, **kwargs: Any) -> Response:
        self.limits.append((path, timeout))
        if path in self.answers:
            return answer(200)
        raise ConnectionLost("no answer", sent=True, timed_out=True)


def asked(client: Clocked) -> list[tuple[str, float]]:
    """What was asked for, and how many seconds were given."""
    with contextlib.suppress(ConnectionLost):
        client.exchange("GET", "/x")
    found, client.limits = client.limits, []
    return found


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands."""
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)


@pytest.mark.usefixtures("still")
def test_a_silent_daemon_gets_no_more_than_the_wait_and_a_slow_one_does() -> None:
    for silent in (Clocked(), Clocked(url=None)):
        assert asked(silent) == [("/x", 10)]
        silent.patience.until = time.monotonic() + 7
        assert asked(silent) == [("/x", 7)]
        for left in (2, 0, -3):
            silent.patience.until = time.monotonic() + left
            assert asked(silent) == [("/healthz", 1), ("/x", max(1, left))]
    slow = Clocked("/healthz")
    for left in (2, 0):
        slow.patience.until = time.monotonic() + left
        assert asked(slow) == [("/healthz", 1), ("/x", 4)]


@pytest.mark.usefixtures("still")
def test_who_asks_again_up_to_the_end_gives_more_for_the_last_answer_alone() -> None:
    slow = Clocked("/healthz")
    with slow.patience.waiting(time.monotonic() + 2, asks_again=True):
        assert asked(slow) == [("/x", 2)]
    with slow.patience.waiting(time.monotonic() - 1, asks_again=True):
        assert asked(slow) == [("/healthz", 1), ("/x", 4)]
    assert asked(slow) == [("/x", 10)]


@pytest.mark.usefixtures("still")
def test_a_frozen_daemon_is_not_asked_whether_it_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = Clocked("/healthz", url=None)
    monkeypatch.setattr(frozen.launcher, "frozen", lambda: Unreachable("It is frozen."))
    frozen.patience.until = time.monotonic() + 2
    assert asked(frozen) == [("/x", 2)]

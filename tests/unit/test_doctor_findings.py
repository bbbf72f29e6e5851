"""What `oee doctor` says of a running daemon, and how its findings are drawn."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oee_cli.cli_errors import Unreachable
from oee_cli.doctor import doctor_examination as doctor
from oee_cli.doctor.checks import check_engine, check_home, check_outside_servers
from oee_cli.doctor.checks.check_facts import Facts
from oee_cli.doctor.checks.check_finding import Finding, fail, info, ok, warn
from oee_cli.doctor.doctor_diagnosis import draw_findings
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output
from oee_cli.settings.settings_load import Settings
from oee_daemon.contract.protocol import VERSION


def away(**changes: Any) -> Facts:
    """What the doctor sees where a daemon answers."""
    facts = Facts(environ={}, config=Path("/nonexistent"), asked_at=1_800_000_000.0)
    from oee_cli.settings.settings_origins import setting_values

    facts.values = setting_values({}, {})
    facts.status = {
        "version": VERSION,
        "pid": 1,
        "clockJumpedS": 0.0,
        "postgres": {"reachable": True, "own": True, "version": "18.4", "orders": 1, "bytes": 1}
        | {"now": "2027-01-15T08:00:00.000000Z", "revision": check_outside_servers.schema_revision()},
        "queue": {"reachable": True, "own": True, "server": "valkey", "version": "9.1.2", "messages": 0},
        "worker": {"pid": 1, "threads": 10, "running": 0},
        "orders": {"live": {"pending": 0, "submitted": 2}, "stuck": 0, "overdueS": 0.0},
    }
    for name, part in changes.items():
        known = facts.status.get(name)
        facts.status[name] = known | part if isinstance(known, dict) else part
    return facts


ENGINE = (
    check_engine.check_daemon,
    check_engine.check_postgres,
    check_engine.check_schema,
    check_engine.check_queue,
    check_engine.check_worker,
    check_engine.check_orders,
    check_engine.check_clock,
)


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({}, "", ""),
        ({"version": "9.9.9"}, "other_version", "9.9.9"),
        ({"postgres": {"version": "14.2", "own": False}}, "old_server", "15"),
        ({"queue": {"server": "redis", "version": "6.2"}}, "old_server", "7"),
        ({"postgres": {"reachable": False, "now": None, "revision": None}}, "unreachable", "again by itself"),
        ({"queue": {"reachable": False}}, "unreachable", "again by itself"),
        ({"postgres": {"revision": "9999"}}, "schema_new", "newer oee"),
        ({"postgres": {"revision": "0000"}}, "schema_old", "when it starts"),
        ({"worker": {"pid": None}}, "no_worker", "None runs"),
        (
            {"workers": [{"host": "b", "pid": 7, "version": "9.9.9"}]},
            "other_version",
            "on b (pid 7) is version 9.9.9",
        ),
        ({"orders": {"stuck": 2}}, "stuck", "2 orders have not moved for 5 minutes (2 submitted now)"),
        ({"orders": {"overdueS": 45.0}}, "overdue", "45.0 s"),
        ({"postgres": {"now": "2027-01-15T07:00:00.000000Z"}}, "clocks_differ", "60 min ahead"),
        ({"postgres": {"now": "2027-01-15T08:00:03.000000Z"}}, "clocks_differ", "3.0 s behind"),
        ({"postgres": {"now": "2027-01-15T07:59:59.700000Z"}}, "clocks_differ", "300 ms ahead"),
        ({"clockJumpedS": -3600.0}, "clock_jumped", "-3600 s"),
    ],
)
def test_what_the_daemon_says_is_judged(changes: dict[str, Any], code: str, words: str) -> None:
    facts = away(**changes)
    found = [f for check in ENGINE for f in check(facts) if f.status != "ok"]
    assert [f.code for f in found] == ([code] if code else [])
    assert all(words in f.message for f in found)


def test_the_room_on_the_disk() -> None:
    at = Path("/")
    assert [
        check_home.judge_disk(at, free, files).status
        for free, files in ((5 * 10**9, 10**6), (5 * 10**9, None))
    ] == ["ok"] * 2
    assert check_home.judge_disk(at, 10**9 - 1, None).code == "disk_low"
    assert check_home.judge_disk(at, 10**8, None).code == "disk_full"
    assert check_home.judge_disk(at, 10**12, 999).code == "disk_full"


def test_a_check_that_fails_itself_is_a_finding_and_the_others_go_on() -> None:
    facts = away(clockJumpedS="what?")
    found = {f.check: f for f in doctor.run_checks(facts)}
    assert found["clock"].code == "internal" and found["clock"].exit_code is ExitCode.FAULT
    assert found["postgres"].status == "ok"


def test_an_answer_that_did_not_come_is_a_failure_with_its_exit_code() -> None:
    facts = away()
    facts.status, facts.holder = None, 4312
    facts.fault = Unreachable("The daemon does not answer (no answer in 4 s).")
    (told,) = check_engine.check_daemon(facts)
    assert (told.code, told.exit_code) == ("not_answering", 6) and "4312" in told.message


def test_of_an_address_elsewhere_no_password_is_told() -> None:
    facts = away()
    facts.settings = Settings(home=Path("/h"), url="http://me:hunter2@desk.example:3000")
    (told,) = check_engine.check_daemon(facts)
    assert "runs at http://me:***@desk.example:3000," in told.message


LONG = "The daemon can't reach it: connection to server at 127.0.0.1, port 5432 failed: Connection refused."


FOUND = [
    ok("home", "/home/ann/.local/share/oee, yours and writable"),
    fail(
        "postgres",
        "unreachable",
        LONG,
        "oee config show --origin && a command that is longer than sixty columns",
    ),
    warn("port", "port_taken", "127.0.0.1:3000 is taken\x1b[31m by nginx.", "oee config set port 3001"),
    info("completion", "no_completion", "not found for bash", "oee completion --help"),
]


def drawn(found: list[Finding], capsys: pytest.CaptureFixture[str]) -> list[str]:
    draw_findings(Output(), found)
    return capsys.readouterr().out.splitlines()


def test_on_a_narrow_screen_sentences_fold_and_commands_stay_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = drawn(FOUND, capsys)
    assert all(len(line) <= 60 for line in lines if "try:" not in line)
    assert any(line.strip() == f"try: {FOUND[1].remedy}" for line in lines)
    assert [line[:12].split() for line in lines if line[:1] != " "][:2] == [["✓", "home"], ["✗", "postgres"]]
    assert "\x1b" not in "".join(lines)
    assert lines[-1] == "✗ 1 failure, 1 warning"
    assert drawn(FOUND[:1], capsys)[-1] == "✓ all is well"
    assert drawn([FOUND[2], FOUND[2]], capsys)[-1] == "! 2 warnings"


def told(facts: Facts, check: Callable[[Facts], Any]) -> dict[str, str]:
    return {f.code: f.message for f in check(facts) if f.status == "warn"}


def test_what_a_server_may_lose_orders_by_is_told() -> None:
    facts = away()
    assert told(facts, check_engine.check_postgres) == {}
    facts.part("postgres")["weaknesses"] = [{"code": "fsync_off", "message": "fsync is off."}]
    assert told(facts, check_engine.check_postgres) == {"fsync_off": "fsync is off."}
    facts.part("postgres")["weaknesses"] = [{"code": "read_only", "message": "It takes no writes."}]
    assert [f.code for f in check_engine.check_postgres(facts) if f.status == "fail"] == ["read_only"]


def test_two_engines_on_one_queue_are_told() -> None:
    facts = away()
    assert facts.status is not None
    one = {"host": "a", "pid": 1, "version": VERSION, "database": "one"}
    facts.status["workers"] = [
        one,
        one | {"host": "b"},
        one | {"database": "unknown"},
        one | {"database": None},
    ]
    assert told(facts, check_engine.check_queue) == {}
    facts.status["workers"].append(one | {"host": "c", "database": "two"})
    assert "2 databases" in told(facts, check_engine.check_queue)["shared_queue"]


def test_a_worker_that_is_at_one_order_for_too_long_is_told() -> None:
    facts = away()
    assert facts.status is not None
    one = {"host": "a", "pid": 7, "version": VERSION, "longestS": 30.0}
    facts.status["workers"] = [one]
    assert told(facts, check_engine.check_worker) == {}
    facts.status["workers"] = [one | {"longestS": 500.0}]
    assert "pid 7" in told(facts, check_engine.check_worker)["hangs"]


def test_a_server_outside_that_falls_silent_does_not_hold_the_doctor_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes the connection and lets us in, and then says nothing."""
    monkeypatch.setattr(check_outside_servers, "_PATIENCE_S", 0.5)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        client, _ = listener.accept()
        client.recv(4096)
        client.sendall(b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\x05I")
        client.recv(4096)
        client.recv(4096)

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    port = listener.getsockname()[1]
    found = check_outside_servers.ask_postgres(
        f"postgresql://x@127.0.0.1:{port}/x?sslmode=disable&gssencmode=disable"
    )
    assert found.fault == "It takes connections, and does not answer on them."
    listener.close()

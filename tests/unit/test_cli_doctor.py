"""`oee doctor` on homes that were broken on purpose, with no daemon there; and how its findings are shown."""

from __future__ import annotations

import json
import os
import shlex
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from oee_cli import __main__
from oee_cli.api.client_processes import runs_program
from oee_cli.cli_errors import UsageFault
from oee_cli.doctor import doctor_examination as doctor
from oee_cli.doctor.checks import check_outside_servers
from oee_cli.doctor.checks.check_facts import gather_facts
from oee_cli.output import Output
from oee_cli.settings.settings_file_edit import edit_config
from tests.kit.daemons import until

Doctor = Callable[[], tuple[int, dict[str, dict[str, Any]]]]


@pytest.fixture
def place(homes: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home as a daemon leaves it that ended in order; the doctor looks at it."""
    for name in ("", "run", "logs", "wallets"):
        (homes / "h" / name).mkdir(mode=0o711 if not name else 0o700)
    for name, text in (
        ("run/phase", "postgres\nqueue\nready\n"),
        ("run/daemon.lock", "1\n"),
        ("token", "t\n"),
    ):
        (homes / "h" / name).write_text(text)
        (homes / "h" / name).chmod(0o600)
    wallet = homes / "h" / "wallets" / "simulated.json"
    wallet.write_text(json.dumps(list(range(64))))
    wallet.chmod(0o600)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(homes / "config"))
    monkeypatch.setenv("OEE_HOME", str(homes / "h"))
    monkeypatch.setenv("OEE_PORT", "0")
    monkeypatch.setenv("SHELL", "/bin/other")
    return homes / "h"


def written(base: Path) -> dict[str, tuple[int, int, int]]:
    """Everything below, with what would show that it was touched."""
    found = {}
    for path in (base, *sorted(base.rglob("*"))):
        status = path.lstat()
        # A folder's times change when a file in it does.
        found[str(path)] = (status.st_mode, status.st_mtime_ns, status.st_ino)
    return found


@pytest.fixture
def examined(place: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Doctor]:
    """Runs the doctor: its exit code and its findings by code. It must not have touched anything."""

    def run() -> tuple[int, dict[str, dict[str, Any]]]:
        before = written(place.parent)
        code = __main__._run_guarded(["doctor", "--json"])
        out, err = capsys.readouterr()
        assert written(place.parent) == before and err == ""
        told = json.loads(out)
        assert told["exitCode"] == code
        found = {f["code"]: f for f in told["checks"] if f["status"] != "ok"}
        assert "internal" not in found, found
        assert told["status"] == next(
            (s for s in ("fail", "warn") if any(f["status"] == s for f in found.values())), "ok"
        )
        return code, found

    yield run


def test_a_home_that_is_well_is_told_so_and_the_daemon_is_not_started(examined: Doctor, place: Path) -> None:
    assert examined() == (0, {"not_running": examined()[1]["not_running"]})
    assert not (place / "run" / "start.lock").exists()


def test_a_home_that_is_not_there_is_no_fault_and_is_not_made(
    examined: Doctor, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OEE_HOME", str(place.parent / "other"))
    code, found = examined()
    assert code == 0 and set(found) == {"home_missing", "not_running"}
    assert not (place.parent / "other").exists()


def test_a_path_that_is_too_long(examined: Doctor, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OEE_HOME", str(place.parent / ("y" * 300)))
    code, found = examined()
    assert (code, {f["check"] for f in found.values() if f["status"] == "fail"}) == (4, {"home"})


def test_what_is_open_to_others_is_told_with_the_command_that_closes_it(
    examined: Doctor, place: Path
) -> None:
    (place / "token").chmod(0o644)
    code, found = examined()
    assert (code, found["open_to_others"]["remedy"]) == (4, f"chmod 600 {place}/token")
    assert "mode 0644" in found["open_to_others"]["message"]
    (place / "token").chmod(0o600)
    place.chmod(0o777)
    assert examined()[1]["open_to_others"]["remedy"] == f"chmod go-w {place}"
    place.chmod(0o711)
    (place / "wallets" / "simulated.json").chmod(0o640)
    code, found = examined()
    assert code == 4
    subprocess.run(shlex.split(found["wallet_open"]["remedy"]), check=True)
    assert examined()[0] == 0


def test_a_socket_in_a_folder_that_others_may_enter_is_not_asked(examined: Doctor, place: Path) -> None:
    (place / "run").chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place / "run" / "oee.sock"))
        listening.listen()
        code, found = examined()
    assert code == 4 and found["socket_unsafe"]["remedy"] == f"chmod 700 {place}/run"


def test_what_a_killed_daemon_left_is_listed(examined: Doctor, place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(place / "run" / "oee.sock"))
    (place / "run" / "oee.sock").chmod(0o600)
    (place / "run" / "daemon.json").write_text(
        json.dumps({"pid": 1, "socket": str(place / "run" / "oee.sock")})
    )
    (place / "run" / "phase").write_text("postgres\n")
    (place / "postgres.making-0011aabb").mkdir()
    code, found = examined()
    assert (code, found["leftovers"]["remedy"]) == (0, "oee daemon start")
    for name in ("run/oee.sock", "run/daemon.json", "run/phase", "postgres.making-0011aabb"):
        assert name in found["leftovers"]["message"]
    assert "orphans" not in found


def test_a_server_without_its_daemon_is_found_by_its_process(
    examined: Doctor, place: Path, tmp_path: Path
) -> None:
    if not Path("/proc/self/comm").exists():
        pytest.skip("processes can't be looked at on this machine")
    (tmp_path / "valkey-server").symlink_to("/bin/sleep")
    (place / "valkey").mkdir()
    started: dict[str, Any] = {"args": ["sleep", "60"], "executable": tmp_path / "valkey-server"}
    orphan = subprocess.Popen(**started, cwd=place / "valkey")
    stranger = subprocess.Popen(**started, cwd=tmp_path)
    try:
        until(lambda: runs_program(orphan.pid, "valkey-server", place), what="the new name")
        (place / "valkey" / "valkey.pid").write_text(f"{orphan.pid}\n")
        assert "valkey-server" in examined()[1]["orphans"]["message"]
        # Another program by that number is no orphan, and nor is such a server of somebody else.
        for pid in (os.getpid(), stranger.pid):
            (place / "valkey" / "valkey.pid").write_text(f"{pid}\n")
            assert "orphans" not in examined()[1]
    finally:
        for process in (orphan, stranger):
            process.kill()
            process.wait()


@pytest.mark.parametrize("content", ["", "[1, 2]", "{}", "[300]", "secret"])
def test_a_wallet_that_is_no_keypair_is_told_before_the_daemon_stumbles(
    examined: Doctor, place: Path, content: str
) -> None:
    (place / "wallets" / "simulated.json").write_text(content)
    code, found = examined()
    assert code == 6 and "no keypair" in found["wallet_broken"]["message"]


def test_paper_needs_no_wallet_and_misses_none(
    examined: Doctor, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "wallets" / "simulated.json").unlink()
    monkeypatch.setenv("OEE_NETWORK", "paper")
    code, found = examined()
    assert code == 0 and not [one for one in found if one.startswith("wallet")]


def test_a_key_is_not_promised_to_a_home_that_has_a_database(examined: Doctor, place: Path) -> None:
    (place / "wallets" / "simulated.json").unlink()
    assert "the first start makes it" in examined()[1]["wallet_missing"]["message"]
    (place / "postgres").mkdir(mode=0o700)
    (place / "postgres" / "PG_VERSION").write_text("18\n")
    code, found = examined()
    assert code == 0 and "wallet_missing" not in found
    assert "put it back from a backup" in found["wallet_gone"]["message"]


def test_mainnet_is_not_well_before_it_is_confirmed_and_has_a_key(
    examined: Doctor, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OEE_NETWORK", "mainnet")
    for home in (place, place.parent / "fresh"):
        monkeypatch.setenv("OEE_HOME", str(home))
        code, found = examined()
        assert code == 6 and found["wallet_missing"]["remedy"] == "oee wallet new mainnet"
        assert found["real_money_unconfirmed"]["remedy"] == "export OEE_REAL_MONEY=mainnet"
    monkeypatch.setenv("OEE_REAL_MONEY", "mainnet")
    assert "real_money_unconfirmed" not in examined()[1]


def test_the_words_of_the_last_start_that_failed(examined: Doctor, place: Path) -> None:
    (place / "logs" / "daemon.log").write_text('{"event": "x"}\nx  The database is away.\n')
    code, found = examined()
    assert code == 0 and "The database is away." in found["last_start_failed"]["message"]
    (place / "logs" / "daemon.log").write_text('x  The database is away.\n{"event": "daemon ready"}\n')
    assert "last_start_failed" not in examined()[1]


def test_a_port_that_is_taken_is_told_with_who_has_it_and_one_that_is_free(
    examined: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("OEE_PORT", str(port))
        code, found = examined()
    told = found["port_taken"]
    assert code == 0 and f"127.0.0.1:{port} is taken" in told["message"]
    if sys.platform == "linux":
        assert f"(pid {os.getpid()})" in told["message"]
    # The environment would win over the file: there it has to be changed.
    name, _, other = told["remedy"].partition("=")
    assert name == "export OEE_PORT" and int(other) > port
    monkeypatch.delenv("OEE_PORT")
    monkeypatch.setenv("OEE_HOST", "192.0.2.1")
    assert examined()[1]["no_such_host"]["remedy"] == "export OEE_HOST=127.0.0.1"


def test_settings_that_cannot_be_or_do_nothing(
    examined: Doctor, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = place.parent / "config" / "oee" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text('prot = 3\nurl = ""\nmax_attempts = "many"\ndatabase_url = ""\ntoken = "secret"\n')
    file.chmod(0o644)
    monkeypatch.setenv("OEE_WROKER_THREADS", "3")
    monkeypatch.setenv("OEE_FAILPOINTS", "x")
    code, found = examined()
    assert code == 2
    assert found["bad_setting"]["remedy"] == "oee config unset max_attempts"
    assert "whole number from 1 to 100" in found["bad_setting"]["message"]
    assert found["unknown_setting"]["remedy"] == "oee config unset prot"
    assert found["config_open"]["remedy"] == f"chmod 600 {file}"
    assert {"failpoints"} <= set(found) and "secret" not in str(found)
    file.write_text("port = \n")
    code, found = examined()
    assert code == 2 and str(file) in found["config_unreadable"]["remedy"]
    file.write_text('home = "here"\n')
    monkeypatch.delenv("OEE_HOME")
    code, found = examined()
    assert code == 2 and "OEE_HOME (from config.toml)" in found["bad_setting"]["message"]


def test_every_unknown_setting_is_told_with_what_was_meant(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OEE_PROT", "1")
    monkeypatch.setenv("OEE_DATABASE", "x")
    told = [f.message for f in doctor.run_checks(gather_facts(Output())) if f.code == "unknown_setting"]
    assert len(told) == 2 and "Did you mean OEE_PORT?" in told[1] and "OEE_DATABASE" in told[0]


def test_what_config_unset_would_refuse_is_to_be_edited_by_hand(place: Path) -> None:
    file = place.parent / "config" / "oee" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("prot = 3\nmax_open = [5]\n[limits]\nmax_order = 50\n[[others]]\na = 1\n")
    codes = ("unknown_setting", "bad_setting")
    told = [(f.message, f.remedy) for f in doctor.run_checks(gather_facts(Output())) if f.code in codes]
    flat = [remedy for message, remedy in told if message.startswith("prot ")]
    assert flat == ["oee config unset prot"] and edit_config(file, "prot", None)
    by_hand = [message for message, remedy in told if remedy == f"${{EDITOR:-vi}} {file}"]
    assert [m.split()[0] for m in by_hand] == ["OEE_MAX_OPEN", "limits", "limits.max_order", "others"]
    for name in ("max_open", "limits", "limits.max_order", "others"):
        with pytest.raises(UsageFault):
            edit_config(file, name, None)


def test_a_daemon_that_may_not_be_started_and_one_elsewhere_that_is_away(
    examined: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OEE_NO_AUTOSTART", "1")
    code, found = examined()
    assert (code, found["not_running"]["status"]) == (0, "warn")
    monkeypatch.setenv("OEE_URL", "http://127.0.0.1:1")
    code, found = examined()
    assert code == 6 and "http://127.0.0.1:1" in found["daemon_unreachable"]["message"]
    assert "elsewhere" in found and not {"home_missing", "leftovers"} & set(found)


def test_servers_outside_are_asked_where_the_daemon_cannot_say(
    examined: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OEE_DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:1/x")
    monkeypatch.setenv("OEE_REDIS_URL", "redis://:hunter2@127.0.0.1:1/0")
    code, found = examined()
    assert code == 6 and "refused" in found["unreachable"]["message"] and "hunter2" not in str(found)


def test_the_release_brings_the_revision_that_the_daemon_migrates_to() -> None:
    from oee_daemon.store import migrations

    assert check_outside_servers.schema_revision() == migrations.HEAD


@pytest.mark.parametrize(("mode", "below"), [(0o711, ""), (0o700, ""), (0o700, "h")])
def test_a_home_of_somebody_else(place: Path, mode: int, below: str) -> None:
    """As another account where we may become one; otherwise a home that lets nobody in. Where it, or what it
    is in, can't be entered, the checks of the settings and of the wallet failed themselves."""
    code = (
        "import os, sys\n"
        "from oee_cli import __main__, app, wrong_usage\n"
        "from oee_cli.api import client_http, client_response_problems\n"
        "from oee_cli.doctor import command, doctor_diagnosis, doctor_examination\n"
        "import typer, platformdirs, importlib.metadata\n"
        # Parts of Python that are loaded at first use may lie where the other account can't read.
        "importlib.metadata.version('oee')\n"
        "sys.argv = ['oee', 'doctor']\n"
        "if os.geteuid() == 0: os.setegid(65534), os.seteuid(65534)\n"
        "__main__.main()\n"
    )
    place.chmod(mode if os.geteuid() == 0 else 0)
    environ = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "OEE_HOME": str(place / below)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=30
    )
    place.chmod(0o711)
    assert done.returncode == 4, done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("✗ home")]
    assert str(place) in line and "failed itself" not in done.stdout


def test_without_utf8_the_marks_are_plain_and_still_aligned(place: Path) -> None:
    environ = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-m", "oee_cli", "doctor"], env=environ, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0 and done.stdout.isascii()
    lines = [line for line in done.stdout.splitlines() if line]
    assert {line[:3] for line in lines[:-1]} == {"ok ", "|  "} and lines[-1] == "ok all is well"
    assert stat.S_ISDIR(place.stat().st_mode)

"""What the doctor says of limits and niceness that a daemon could not put back."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from oee_cli.doctor.checks.check_facts import Facts
from oee_cli.doctor.checks.check_finding import Finding
from oee_cli.doctor.checks.check_limits import check_limits
from oee_cli.settings.settings_load import Settings
from oee_cli.settings.settings_origins import setting_values

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def found(pid: int | None, tmp_path: Path) -> list[Finding]:
    facts = Facts(
        environ={}, config=tmp_path / "none", values=setting_values({}, {}), settings=Settings(home=tmp_path)
    )
    facts.holder = pid
    return list(check_limits(facts))


def _held() -> None:
    os.nice(7)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))


def test_what_holds_a_daemon_is_said_with_what_it_means_and_what_helps(tmp_path: Path) -> None:
    script = "print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=_held,
    ) as held:
        assert held.stdout is not None and held.stdin is not None
        held.stdout.readline()
        told = found(held.pid, tmp_path)
        held.stdin.write(b"\n")
    assert [f.code for f in told] == ["nice", "limit", "limit"]
    assert f"(pid {held.pid}) runs with nice " in told[0].message
    assert "100 files" in told[1].message and "ulimit -Hn" in told[1].message
    assert "1,000,000 bytes" in told[2].message and "ulimit -Hf" in told[2].message
    assert {f.remedy for f in told} == {"oee daemon restart"}


def test_nothing_is_said_where_nothing_holds(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as free:
        bounded = resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 512
        told = [f for f in found(free.pid, tmp_path) if f.code == "limit"]
        assert bounded or told == []
        free.kill()

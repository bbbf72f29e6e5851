"""Failpoints: inert unless asked for, and exactly as asked for. Deaths are looked at from outside."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oee_daemon import failpoints
from oee_daemon.contract.planned_faults import FAILPOINTS
from oee_daemon.failpoints import Lost, arm, hit


@pytest.fixture(autouse=True)
def _disarmed(tmp_path: Path) -> Iterator[None]:
    yield
    arm("", tmp_path)


def _process(home: Path, spec: str, name: str, attempt: int) -> subprocess.Popen[str]:
    """Arms, hits once, and says that it lives."""
    code = (
        "import sys; from pathlib import Path; from oee_daemon import failpoints\n"
        "failpoints.arm(sys.argv[2], Path(sys.argv[1]))\n"
        "failpoints.hit(sys.argv[3], int(sys.argv[4]))\n"
        "print('alive')\n"
    )
    arguments = [sys.executable, "-c", code, str(home), spec, name, str(attempt)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def _ends(home: Path, spec: str, name: str = "after_submitted", attempt: int = 1) -> tuple[int, str]:
    process = _process(home, spec, name, attempt)
    out, _ = process.communicate(timeout=30)
    return process.returncode, out


ALIVE, KILLED = (0, "alive\n"), (-signal.SIGKILL, "")


def test_nothing_happens_unless_asked_for(tmp_path: Path) -> None:
    for name in FAILPOINTS:
        hit(name, 1)
    arm("sent=lose", tmp_path)
    for name in FAILPOINTS - {"sent"}:
        hit(name, 1)
    with pytest.raises(Lost, match="sent"):
        hit("sent", 1)


def test_kill_ends_the_process_and_once_means_once_across_processes(tmp_path: Path) -> None:
    assert _ends(tmp_path, "after_submitted=kill*2") == KILLED
    assert _ends(tmp_path, "after_submitted=kill*2") == KILLED
    assert _ends(tmp_path, "after_submitted=kill*2") == ALIVE
    assert {f.name for f in (tmp_path / "failpoints").iterdir()} == {"after_submitted.0", "after_submitted.1"}


def test_freeze_stops_the_process_until_it_is_woken(tmp_path: Path) -> None:
    process = _process(tmp_path, "after_submitted=freeze", "after_submitted", 1)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status) and os.WSTOPSIG(status) == signal.SIGSTOP
    process.send_signal(signal.SIGCONT)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == ALIVE


def test_an_attempt_narrows_the_rule(tmp_path: Path) -> None:
    arm("after_submitted=lose@2", tmp_path)
    hit("after_submitted", 1)
    hit("after_submitted", None)
    with pytest.raises(Lost):
        hit("after_submitted", 2)


def test_how_often_is_counted(tmp_path: Path) -> None:
    arm("after_submitted=lose*3", tmp_path)
    for _ in range(3):
        with pytest.raises(Lost):
            hit("after_submitted", 1)
    hit("after_submitted", 1)


def test_a_percentage_is_about_that_many_and_uses_up_no_mark_where_it_passes(tmp_path: Path) -> None:
    arm("after_submitted=lose%30", tmp_path)
    lost = 0
    for _ in range(2000):
        try:
            hit("after_submitted", 1)
        except Lost:
            lost += 1
    assert 450 < lost < 750
    arm("after_submitted=lose*1%0", tmp_path)
    hit("after_submitted", 1)
    assert not (tmp_path / "failpoints").exists()


@pytest.mark.parametrize(
    "spec",
    [
        "stord=kill",
        "after_submitted",
        "after_submitted=die",
        "after_submitted=kill*x",
        "after_submitted=kill%",
        "=kill",
        "after_submitted=kill@",
    ],
)
def test_a_rule_that_says_nothing_is_refused_rather_than_missed(spec: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(spec))):
        arm(f"sent=kill,{spec}", tmp_path)


def test_two_rules_for_one_failpoint_both_hold(tmp_path: Path) -> None:
    arm("after_submitted=lose@1,after_submitted=lose@2", tmp_path)
    for attempt in (1, 2):
        with pytest.raises(Lost):
            hit("after_submitted", attempt)


def test_arming_again_forgets_what_was(tmp_path: Path) -> None:
    arm(" after_submitted=lose , sent=lose ", tmp_path)
    arm("sent=lose", tmp_path)
    hit("after_submitted", 1)
    with pytest.raises(Lost):
        hit("sent", 1)


def test_every_failpoint_in_the_engine_has_a_known_name_and_every_name_a_failpoint() -> None:
    source = [file.read_text() for file in Path(failpoints.__file__).parent.rglob("*.py")]
    literal = {name for text in source for name in re.findall(r'failpoints\.hit\("(\w+)"', text)}
    # The worker's moves all go through one place; the statuses it moves to are named where it asks for them.
    asked = [re.findall(r"\.move\(\s*order,\s*Status\.([A-Z]+)", text) for text in source]
    targets = {name.lower() for names in asked for name in names}
    moves = {f"{when}_{status}" for when in ("before", "after") for status in targets}
    assert literal | moves == FAILPOINTS

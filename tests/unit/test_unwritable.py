"""What can't be written is told with what helps: nobody's rights mend a disk that is full or read-only."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from oee_cli.doctor.checks.check_home import check_home
from oee_daemon.contract.atomic_file import write_remedy
from oee_daemon.home.home_folder import Home
from oee_daemon.settings import Settings
from oee_daemon.start_errors import StartFailed

#: Which words each reason is mended by.
REMEDIES = {
    errno.EROFS: "remount,rw",
    errno.ENOSPC: "The disk is full: make room",
    errno.EDQUOT: "quota",
    errno.EACCES: "Set OEE_HOME",
}


@pytest.mark.parametrize(("number", "words"), REMEDIES.items())
def test_a_start_names_what_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def failing(path: Path, *_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "mkdir", failing)
    with pytest.raises(StartFailed) as caught:
        Home(Settings(home=tmp_path / "h")).prepare()
    said = str(caught.value)
    assert words in said and os.strerror(number) in said
    assert ("Set OEE_HOME" in said) is (number == errno.EACCES)
    assert write_remedy(OSError(number, ""), "Set OEE_HOME") in said


def test_doctor_sends_nobody_to_chmod_on_a_read_only_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts: Any = SimpleNamespace(settings=SimpleNamespace(url=None, home=tmp_path), fault=None)
    monkeypatch.setattr(os, "access", lambda *_: False)
    (closed,) = check_home(facts)
    assert closed.remedy is not None and closed.remedy.startswith("chmod u+rwx")
    real = os.statvfs(tmp_path)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=real.f_flag | os.ST_RDONLY))
    (found,) = check_home(facts)
    assert found.code == "home_read_only" and "is read-only" in found.message
    assert found.remedy is not None and found.remedy.startswith("mount -o remount,rw /")

"""An account without HOME and without a name, as in many containers; and a HOME that is somebody else's."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

#: `oee` as an account that the system does not know.
NOBODY = """
import os, pwd, sys
def unknown(uid):
    raise KeyError(uid)
pwd.getpwuid, os.geteuid = unknown, lambda: 54321
from oee_cli.__main__ import main
main()
"""


def oee(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OEE_", "XDG_")) and k != "HOME"}
    return subprocess.run(
        [sys.executable, "-c", NOBODY, *arguments],
        env=kept | environ,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "command", [("history",), ("daemon", "status"), ("config", "path"), ("config", "set", "port", "4000")]
)
def test_what_has_no_place_says_what_to_set(command: tuple[str, ...]) -> None:
    done = oee(*command)
    assert (done.returncode, done.stdout) == (2, "")
    assert "HOME is not set" in done.stderr and "OEE_HOME" in done.stderr


def test_a_home_or_an_address_is_enough(tmp_path: Path) -> None:
    home = str(tmp_path / "h")
    away = oee("daemon", "status", OEE_HOME=home)
    assert away.returncode == 6 and "not running" in away.stderr
    far = oee("history", OEE_URL="http://127.0.0.1:1")
    assert far.returncode == 6 and "No daemon answers" in far.stderr
    shown = oee("config", "show", OEE_HOME=home)
    assert shown.returncode == 0 and home in shown.stdout
    assert oee("paths", "socket", OEE_HOME=home).stdout == f"{home}/run/oee.sock\n"
    assert oee("__orders", OEE_HOME=home).returncode == oee("__orders").returncode == 0
    for environ in ({}, {"OEE_HOME": home}):
        done = oee("doctor", "--json", **environ)
        assert "internal" not in done.stdout and "Traceback" not in done.stderr


#: Reads two files as both ends do, as root after it has given up being root.
LOOK = """
import os, sys, tomllib, oee_cli.cli_errors
from oee_cli.settings import settings_load as settings
from oee_daemon import settings as engine, start_errors
from pathlib import Path
if os.geteuid() == 0:
    os.setuid(int(sys.argv[3]))
print(settings.stored_settings(Path(sys.argv[1])))
try:
    settings.stored_settings(Path(sys.argv[2]))
except oee_cli.cli_errors.UsageFault as e:
    print(e.message)
print(engine.load({"OEE_HOME": "/h"}, Path(sys.argv[1])).home)
try:
    engine.load({"OEE_HOME": "/h"}, Path(sys.argv[2]))
except start_errors.BadSetting as e:
    print(e.message)
"""


def test_a_home_folder_that_cannot_be_entered_holds_no_settings() -> None:
    """As after `runuser` or `docker exec -u`; a file that is there and closed is not passed over."""
    base = Path(tempfile.mkdtemp(dir="/tmp"))
    base.chmod(0o711)
    (base / "closed").mkdir(mode=0o000)
    own = base / "config.toml"
    own.touch(mode=0o000)
    files = [str(base / "closed" / "config.toml"), str(own)]
    try:
        done = subprocess.run(
            [sys.executable, "-c", LOOK, *files, str(pwd.getpwnam("nobody").pw_uid)],
            capture_output=True,
            text=True,
        )
    finally:
        (base / "closed").chmod(0o700)
        shutil.rmtree(base)
    closed = f"{own} can't be read: Permission denied."
    assert done.stdout.splitlines() == ["{}", closed, "/h", closed], done.stderr


#: Looks at a socket's folder, as root after it has given up being root.
ENTER = """
import os, sys
from oee_cli.api.client_resident_daemon import check_folder
from oee_cli.cli_errors import Forbidden
from pathlib import Path
if os.geteuid() == 0:
    os.setuid(int(sys.argv[2]))
try:
    check_folder(Path(sys.argv[1]))
except Forbidden as e:
    print(e.message, e.hint, sep="\\n")
"""


@pytest.mark.parametrize("closed", [".", "h", "h/run"])
def test_what_can_not_be_entered_on_the_way_to_a_home_is_named(closed: str) -> None:
    """A closed folder above somebody's own home was told as a home of somebody else."""
    base = Path(tempfile.mkdtemp(dir="/tmp"))
    (base / "h" / "run" / "sockets").mkdir(parents=True)
    nobody = pwd.getpwnam("nobody")
    for path in (base, base / "h", base / "h" / "run", base / "h" / "run" / "sockets"):
        path.chmod(0o711)
    mine = closed == "h"
    (base / closed).chmod(0o000 if mine or os.geteuid() else 0o700)
    if mine and os.geteuid() == 0:
        os.chown(base / closed, nobody.pw_uid, nobody.pw_gid)
    try:
        done = subprocess.run(
            [sys.executable, "-c", ENTER, str(base / "h" / "run" / "sockets"), str(nobody.pw_uid)],
            capture_output=True,
            text=True,
        )
    finally:
        (base / closed).chmod(0o711)
        shutil.rmtree(base)
    message, hint = done.stdout.splitlines()
    step = base / closed
    if mine or os.geteuid():
        assert (f"{step} is closed to its own account" in message, hint) == (True, f"chmod u+x {step}")
    else:
        assert f"{step} belongs to root, and this account can't enter it" in message
        assert "OEE_HOME" in hint

"""The home: whose it is, what others can see of it, and the room on its disk."""

from __future__ import annotations

import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from oee_cli.doctor.checks.check_facts import Facts
from oee_cli.doctor.checks.check_finding import Finding, fail, info, ok, warn
from oee_cli.doctor.doctor_paths import socket_path
from oee_cli.exit_codes import ExitCode
from oee_daemon.contract import home_files
from oee_daemon.contract.socket_paths import SERVICE_ACCOUNTS, account_name, barrier

#: Free bytes below which Postgres soon can't write, and below which it is time to look.
_NO_ROOM, _LITTLE_ROOM = 200_000_000, 1_000_000_000


def check_home(facts: Facts) -> Iterator[Finding]:
    if facts.settings.url is not None:
        yield info(
            "home", "elsewhere", "OEE_URL is set: home, disk and port are checked where the daemon runs"
        )
        return
    path = facts.settings.home
    if facts.fault is not None and facts.fault.code == "no_home":
        # Said by what asks for the daemon.
        return
    try:
        found = path.stat()
    except FileNotFoundError:
        yield _missing_home(path)
        return
    except OSError as e:
        yield forbid("home", f"{path} can't be looked at: {e.strerror}.", "export OEE_HOME=~/oee")
        return
    quoted = shlex.quote(str(path))
    if not stat.S_ISDIR(found.st_mode):
        yield forbid("home", f"{path} is no folder.", "export OEE_HOME=~/oee", "home_no_folder")
    elif found.st_uid != os.geteuid():
        owner = account_name(found.st_uid)
        message = f"{path} belongs to {owner}, and this is {account_name(os.geteuid())}."
        remedy = f"sudo -u {shlex.quote(account_name(found.st_uid, '#{}'))} oee doctor"
        if os.geteuid() == 0:
            yield warn(
                "home", "home_foreign", message + " What root makes there, its owner can't open.", remedy
            )
        else:
            yield forbid("home", message, remedy, "home_foreign")
    elif os.statvfs(path).f_flag & os.ST_RDONLY:
        mount = next(place for place in (path.resolve(), *path.resolve().parents) if place.is_mount())
        message = f"{path} can't be written: the file system at {mount} is read-only."
        yield forbid("home", message, f"mount -o remount,rw {shlex.quote(str(mount))}", "home_read_only")
    elif not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        yield forbid("home", f"{path} can't be written.", f"chmod u+rwx {quoted}")
    else:
        yield _check_passable(facts, path) or ok("home", f"{path}, yours and writable")


def _missing_home(path: Path) -> Finding:
    above = _nearest_folder(path.parent)
    if not os.access(above, os.W_OK | os.X_OK):
        return forbid("home", f"{path} can't be made: {above} can't be written.", "export OEE_HOME=~/oee")
    return info("home", "home_missing", f"{path} is not there yet: the first order makes it")


def _check_passable(facts: Facts, home: Path) -> Finding | None:
    """As root the servers run under an account that has to get as far as the home; if they run, it does."""
    if (
        os.geteuid() != 0
        or facts.status is not None
        or (facts.text("database_url") and facts.text("redis_url"))
    ):
        return None
    named = facts.text("service_user")
    for name in (named,) if named else SERVICE_ACCOUNTS:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        # The home itself is opened by the daemon when it starts.
        step = barrier(home.resolve().parent, account.pw_uid, account.pw_gid)
        if step is not None:
            message = f"As root the servers run as {name}, which can't pass {step}."
            return fail("home", "home_closed", message, f"chmod o+x {shlex.quote(str(step))}")
        return None
    message = (
        f"As root the servers need an account to run under: there is no {named or 'postgres or nobody'}."
    )
    return fail("home", "no_service_user", message, facts.setting("service_user", "ACCOUNT"))


def check_permissions(facts: Facts) -> Iterator[Finding]:
    path = facts.settings.home
    # Whose home is somebody else's, is told so once.
    if not facts.here or not facts.home_open or os.geteuid() not in (0, path.stat().st_uid):
        return
    found = [*_find_open_path(path, 0o022, "can be changed by others", "chmod go-w")]
    names = (home_files.RUN, home_files.TOKEN, home_files.WALLETS, home_files.LOGS)
    for place in (*(path / name for name in names), socket_path(facts.settings)):
        closed = "chmod 700" if place.suffix == "" and place.name != home_files.TOKEN else "chmod 600"
        found += _find_open_path(place, 0o077, "can be opened by others", closed)
    yield from found or [ok("permissions", "nothing of the home is open to others")]


def _find_open_path(path: Path, bits: int, what: str, remedy: str) -> Iterator[Finding]:
    try:
        found = path.stat()
    except OSError:
        return
    mode = stat.S_IMODE(found.st_mode)
    if os.geteuid() not in (0, found.st_uid):
        message = f"{path} belongs to {account_name(found.st_uid)}, as after a command under sudo."
        owner = account_name(os.geteuid(), "{}")
        remedy = f"sudo chown -R {shlex.quote(owner)} {shlex.quote(str(path))}"
        yield forbid("permissions", message, remedy, "foreign")
    elif mode & bits:
        message = f"{path} {what} (mode {mode:04o})."
        yield forbid("permissions", message, f"{remedy} {shlex.quote(str(path))}", "open_to_others")


def check_disk(facts: Facts) -> Iterator[Finding]:
    if not facts.here:
        return
    path = facts.settings.home
    above = _nearest_folder(path)
    found = os.statvfs(above)
    yield judge_disk(above, found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None)


def judge_disk(path: Path, free: int, files: int | None) -> Finding:
    """The room that is left: bytes, and files where the file system counts them."""
    shown = f"{free / 1e9:.1f} GB free" if free >= 1e9 else f"{free / 1e6:.0f} MB free"
    remedy = f"du -xh --max-depth=2 {shlex.quote(str(path))} | sort -h | tail"
    if free < _NO_ROOM:
        return fail("disk", "disk_full", f"{shown} below {path}: Postgres will stop taking orders.", remedy)
    if files is not None and files < 1000:
        return fail("disk", "disk_full", f"{files} files can still be made below {path}.", remedy)
    if free < _LITTLE_ROOM:
        return warn("disk", "disk_low", f"{shown} below {path}.", remedy)
    return ok("disk", shown)


def _nearest_folder(path: Path) -> Path:
    """The path itself, or the nearest folder above it that is there."""
    return next((p for p in (path, *path.parents) if os.access(p, os.F_OK)), Path("/"))


def forbid(check: str, message: str, remedy: str, code: str = "home_unusable") -> Finding:
    return fail(check, code, message, remedy, ExitCode.FORBIDDEN)

"""`python -m oee_daemon run` is the daemon, `python -m oee_daemon worker` one more worker.

`backup` and `restore` are the engine's part of those commands. People use `oee …`. Exit codes: 0 told to
stop, or done; 3 the home has worked on another database; 75 another daemon holds the home, 78 a setting that
can't be, 6 a database of another release, 1 anything else. `check` tells 3 and 78 beforehand.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

from oee_daemon import belonging, failpoints, garbage, logs, settings
from oee_daemon.errors import AlreadyRunning, BadSetting, OtherDatabase, OtherRelease, StartFailed
from oee_daemon.home import Home

log = logging.getLogger("oee_daemon")

#: From sysexits.h: try again later, and wrong configuration.
EX_TEMPFAIL, EX_CONFIG = 75, 78
#: The option that lets a home work on another database than before.
SWITCH = "--switch-database"


def main() -> int:
    arguments = sys.argv[1:]
    try:
        if arguments[:1] in (["run"], ["check"]) and set(arguments[1:]) <= {SWITCH}:
            _run(switch=SWITCH in arguments, only_check=arguments[0] == "check")
        elif arguments[:1] == ["worker"]:
            _work(supervised="--supervised" in arguments)
        elif arguments[:1] in (["backup"], ["restore"]) and len(arguments) > 1:
            from oee_daemon import backups

            return backups.run(arguments[0], arguments[1:])
        else:
            print(
                "usage: python -m oee_daemon run | check | worker | backup FILE | restore FILE",
                file=sys.stderr,
            )
            return 2
    except StartFailed as e:
        print(f"x  {logs.clean(e.message)}", file=sys.stderr)
        if isinstance(e, AlreadyRunning):
            return EX_TEMPFAIL
        if isinstance(e, OtherRelease | OtherDatabase):
            return e.exit_code
        return EX_CONFIG if isinstance(e, BadSetting) else 1
    return 0


def _arm(home: Path) -> None:
    spec = os.environ.get("OEE_FAILPOINTS")
    if spec:
        try:
            failpoints.arm(spec, home)
        except ValueError as e:
            raise BadSetting(str(e)) from None


def _run(*, switch: bool, only_check: bool) -> None:
    garbage.starting()
    found = settings.load()
    belonging.require(found.home, found.database_url, switch=switch)
    if only_check:
        return
    logs.configure(found.log_level)
    _arm(found.home)
    home = Home(found)
    home.prepare()
    # One daemon a home, decided before anything heavy is imported: of fifty started at once, 49 end here.
    home.hold()
    from oee_daemon import main

    main.run(found, home)


def _work(*, supervised: bool) -> None:
    garbage.starting()
    if not supervised:
        found = settings.load()
        if found.database_url is None or found.redis_url is None:
            raise BadSetting(
                "One more worker needs OEE_DATABASE_URL and OEE_REDIS_URL, the same as the daemon's: servers"
                " that a daemon runs for itself can't be reached from outside."
            )
        logs.configure(found.log_level)
        _arm(found.home)
        from oee_daemon import worker

        worker.run(found, home_id=None)
        return
    # Imported while the daemon still starts its servers; what to work with comes after.
    from oee_daemon import worker

    handed = _line()
    if handed:
        told = json.loads(handed)
        found = settings.Settings.parse(told["settings"])
        logs.configure(found.log_level)
        _arm(found.home)
        worker.run(found, home_id=told["home_id"])


def _line() -> bytes:
    """One line of standard input, past Python's buffers; empty where the daemon is gone."""
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(0, 65_536)
        if not part:
            return b""
        line += part
    return line


if __name__ == "__main__":
    sys.exit(main())

"""`python -m oee_daemon run` is the daemon, `python -m oee_daemon worker` one more worker.

`backup`, `restore` and `wallet` are the engine's part of those commands. People use `oee …`. How each can
end stands in `contract/protocol.py`; `check` tells `EXIT_OTHER_DATABASE` and `EXIT_USAGE` beforehand.
"""

from __future__ import annotations

from oee_daemon import inherited

if __name__ == "__main__":
    # Before anything is imported: libraries read the environment, and are looked for on the search path.
    inherited.settle()

import json
import logging
import os
import sys
from pathlib import Path

from oee_daemon import failpoints, gc_tuning, logs, settings
from oee_daemon.contract.protocol import EXIT_DONE, EXIT_USAGE
from oee_daemon.home import home_database
from oee_daemon.home.home_folder import Home
from oee_daemon.start_errors import BadSetting, OutOfThreads, StartFailed
from oee_daemon.store import unopened_sql

log = logging.getLogger("oee_daemon")

#: The option that lets a home work on another database than before.
SWITCH = "--switch-database"


def main() -> int:
    arguments = sys.argv[1:]
    try:
        if arguments[:1] in (["run"], ["check"]) and set(arguments[1:]) <= {SWITCH}:
            _run(switch=SWITCH in arguments, only_check=arguments[0] == "check")
        elif arguments[:1] == ["worker"]:
            _work(arguments[1:])
        elif arguments[:1] in (["backup"], ["restore"]) and len(arguments) > 1:
            from oee_daemon.backups import archive_commands

            return archive_commands.run(arguments[0], arguments[1:])
        elif arguments[:1] == ["wallet"] and len(arguments) == 2:
            from oee_daemon.networks.wallet import key_commands

            return key_commands.run(arguments[1])
        else:
            print(
                "usage: python -m oee_daemon run | check | worker | backup FILE | restore FILE | wallet DO",
                file=sys.stderr,
            )
            return EXIT_USAGE
    except StartFailed as e:
        return _report_end(e)
    except KeyboardInterrupt:
        log.info("told to stop while starting")
    except Exception as e:
        return _report_end(_unplanned_error(e))
    return EXIT_DONE


def _report_end(e: StartFailed) -> int:
    """Says why, for a person, and how, for who started us."""
    print(f"x  {logs.clean_lines(e.message)}", file=sys.stderr, flush=True)
    return e.exit_code


def _unplanned_error(e: Exception) -> StartFailed:
    """The sentence for what nobody foresaw; where it happened is in the log."""
    if OutOfThreads.means(e):
        return OutOfThreads("oee")
    if not logging.getLogger().handlers:
        logs.configure()
    log.error("a fault of ours", exc_info=e)
    if isinstance(e, OSError) and e.filename is not None:
        return StartFailed(f"{e.filename!s} can't be used: {e.strerror or e}.")
    return StartFailed(f"A fault of ours: {type(e).__name__}: {e}")


def _arm(home: Path) -> None:
    spec = os.environ.get("OEE_FAILPOINTS")
    if spec:
        try:
            failpoints.arm(spec, home)
        except ValueError as e:
            raise BadSetting(str(e)) from None


def _run(*, switch: bool, only_check: bool) -> None:
    gc_tuning.starting()
    os.chdir("/")
    found = settings.load()
    home_database.require(
        found.home,
        found.database_url,
        switch=switch,
        engine=unopened_sql.engine_in,
        used=unopened_sql.used_before,
    )
    _require_key(found)
    if only_check:
        return
    logs.configure(found.log_level)
    if inherited.left:
        log.warning("inherited, and not ours to undo", extra={"what": ", ".join(inherited.left)})
    _arm(found.home)
    if found.database_url is None:
        inherited.forget_database()
    home = Home(found)
    home.prepare()
    # One daemon a home, decided before anything heavy is imported: of fifty started at once, 49 end here.
    home.hold()
    from oee_daemon import main

    try:
        main.run(found, home)
    except KeyboardInterrupt:
        # Told to stop while it started: that holds as long as any stop.
        home.stopped(asked=True)
        raise


def _require_key(found: settings.Settings) -> None:
    """Before anything is started or made: a new home has no engine whose wallet could be elsewhere. Raises
    `StartFailed`."""
    from oee_daemon.networks.solana.solana_profile import PROFILES

    profile = PROFILES.get(found.network)
    if (
        profile is None
        or profile.makes_key(found)
        or not home_database.is_new(found.home, found.database_url)
    ):
        return
    from oee_daemon.networks.wallet.key_file import is_missing, no_key
    from oee_daemon.networks.wallet.key_folder import wallet_path

    if is_missing(wallet_path(found)):
        raise no_key(wallet_path(found))


def _work(arguments: list[str]) -> None:
    """`--supervised`: the daemon's own, which it hands its settings and, at best, `--beats=DESCRIPTOR`."""
    gc_tuning.starting()
    os.chdir("/")
    if "--supervised" not in arguments:
        found = settings.load()
        if found.database_url is None or found.redis_url is None:
            raise BadSetting(
                "One more worker needs OEE_DATABASE_URL and OEE_REDIS_URL, the same as the daemon's: servers"
                " that a daemon runs for itself can't be reached from outside."
            )
        logs.configure(found.log_level)
        _arm(found.home)
        from oee_daemon.engine import engine_process

        engine_process.run(found, home_id=None)
        return
    # Imported while the daemon still starts its servers; what to work with comes after.
    from oee_daemon.engine import engine_process

    handed = _line()
    if handed:
        told = json.loads(handed)
        found = settings.Settings.parse(told["settings"])
        logs.configure(found.log_level)
        _arm(found.home)
        beats = next((int(a.partition("=")[2]) for a in arguments if a.startswith("--beats=")), None)
        engine_process.run(found, home_id=told["home_id"], beats=beats, locked=told.get("locked", False))


def _line() -> bytes:
    """One line of standard input, past Python's buffers; empty where the daemon is gone."""
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(0, 65_536)
        if not part:
            return b""
        line += part
    return line


def _leave(code: int) -> None:
    """At once: threads that still run would be waited for, and may never end; and to take hundreds of modules
    apart is a third of a stop's work. What has to end in order has done so before."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _leave(main())

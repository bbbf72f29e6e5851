"""`python -m oee_daemon backup | restore`: a home's own database as one file, and back.

Speaks to the command line, not to a person: a line of JSON on stdout for each phase, then one with the
result or the error. Exit 0 or 1.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from oee_daemon import inherited, logs, settings
from oee_daemon.errors import BackupFailed, OeeError

log = logging.getLogger(__name__)

#: What tells to stop. SIGHUP: whoever waited at a terminal is gone.
_FAREWELLS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
#: What is wrong with the place that was named, and not with us.
_BAD_FILE = (
    errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP,
    errno.EROFS, errno.EINVAL,
)  # fmt: skip


class _StopAsked(BaseException):
    """Somebody asked us to stop. Whatever is half made is taken back on the way out."""


def run(command: str, arguments: list[str]) -> int:
    """`backup [--force] [--with-wallets] FILE` or `restore FILE`."""
    for number in _FAREWELLS:
        signal.signal(number, _stop)
    try:
        _say(result=_do_command(command, Path(arguments[-1]), set(arguments[:-1])))
    except OeeError as e:
        _say(error={"code": e.code, "message": logs.clean_lines(e.message), "hint": getattr(e, "hint", None)})
    except OSError as e:
        # Beside the file there is another of ours, which nobody has named.
        near = e.filename and Path(os.fsdecode(e.filename)).parent == Path(arguments[-1]).parent
        where = f" ({arguments[-1] if near else e.filename})" if e.filename else ""
        error = BackupFailed(f"{e.strerror or e}{where}.", hint="Check that place, who owns it and its room.")
        code = "bad_file" if e.errno in _BAD_FILE else error.code
        _say(error={"code": code, "message": logs.clean(error.message), "hint": error.hint})
    except _StopAsked:
        pass
    except Exception as e:
        log.exception("a fault of ours")
        _say(error={"code": "internal", "message": f"A fault of ours: {type(e).__name__}: {e}", "hint": None})
    else:
        return 0
    return 1


def _do_command(command: str, path: Path, options: set[str]) -> dict[str, Any]:
    found = settings.load()
    logs.configure(found.log_level)
    # Both work on a database of the home's own, or refuse.
    inherited.forget_database()

    def say(phase: str) -> None:
        _say(phase=phase)

    if command == "backup":
        from oee_daemon.backups.archive_take import take

        return take(found, path, replace="--force" in options, wallets="--with-wallets" in options, say=say)
    from oee_daemon.backups.archive_restore import restore

    return restore(found, path, say)


def _say(**what: Any) -> None:
    try:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody waits any more. What was begun is brought to its end all the same.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop(_number: int, _frame: FrameType | None) -> None:
    # Once: what is taken back must not be interrupted in its turn.
    for number in _FAREWELLS:
        signal.signal(number, signal.SIG_IGN)
    raise _StopAsked

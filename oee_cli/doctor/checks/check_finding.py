"""What `oee doctor` looks at. Each module here holds checks: functions of the `Facts` that yield findings.

A check only looks: it makes, removes and starts nothing. It may take some milliseconds where all is well;
only where something is wrong may it ask longer, to say why.
"""

from __future__ import annotations

from typing import NamedTuple

from oee_cli.exit_codes import ExitCode

OK, INFO, WARN, FAIL = "ok", "info", "warn", "fail"


class Finding(NamedTuple):
    """One line of the doctor. `code` is stable, `message` for people, `remedy` a command that mends it."""

    check: str
    status: str
    code: str
    message: str
    remedy: str | None = None
    #: What other commands would end with because of it.
    exit_code: ExitCode = ExitCode.DONE


def ok(check: str, message: str) -> Finding:
    return Finding(check, OK, "ok", message)


def info(check: str, code: str, message: str, remedy: str | None = None) -> Finding:
    """A finding that is neither good nor bad."""
    return Finding(check, INFO, code, message, remedy)


def warn(check: str, code: str, message: str, remedy: str | None = None) -> Finding:
    """A finding that should be looked at while everything works."""
    return Finding(check, WARN, code, message, remedy)


def fail(
    check: str, code: str, message: str, remedy: str | None = None, exit_code: ExitCode = ExitCode.UNREACHABLE
) -> Finding:
    """A finding because of which commands fail, or will."""
    return Finding(check, FAIL, code, message, remedy, exit_code)

"""Every way a command can end other than well, as a tree split by exit code.

    CliError              code for programs, message, hint (what to do next), exit code, retryable
    ├── UsageFault     2  wrong arguments or input
    ├── Refused        3  the daemon would not, before anything was sent
    ├── Forbidden      4  token, key file, a socket that isn't ours
    ├── NoSuchOrder    5
    ├── Unreachable    6  no daemon, no database, another version
    │   └── Stopped       somebody stopped the daemon while the command ran
    │       └── HomeLost  or moved, removed or replaced its home
    └── OutcomeUnknown 9  the daemon's answer stayed lost

`ConnectionLost` and `Terminated` are not ends but happenings: a connection that dropped, a signal that came.
"""

from __future__ import annotations

from typing import Any

from oee_cli.exit_codes import ExitCode


class CliError(Exception):
    """An expected end of a command; shown as what, why and what next, never as a traceback."""

    exit_code = ExitCode.FAULT
    code = "internal"

    def __init__(
        self, message: str, *, hint: str | None = None, code: str | None = None, retryable: bool = False
    ) -> None:
        super().__init__(message)
        self.message = message
        #: The order that a refusal is about, as the daemon sent it along.
        self.order: Any = None
        self.hint = hint
        self.retryable = retryable
        if code is not None:
            self.code = code

    def as_dict(self) -> dict[str, object]:
        """The error object that `--json` prints."""
        return {"code": self.code, "message": self.message, "retryable": self.retryable, "hint": self.hint}


class UsageFault(CliError):
    exit_code = ExitCode.USAGE
    code = "usage"


class Refused(CliError):
    exit_code = ExitCode.REFUSED
    code = "refused"


class Forbidden(CliError):
    exit_code = ExitCode.FORBIDDEN
    code = "forbidden"


class NoSuchOrder(CliError):
    exit_code = ExitCode.NO_SUCH_ORDER
    code = "not_found"


class Unreachable(CliError):
    exit_code = ExitCode.UNREACHABLE
    code = "daemon_unreachable"


class Stopped(Unreachable):
    code = "daemon_stopped"


class HomeLost(Stopped):
    code = "home_lost"


class OutcomeUnknown(CliError):
    exit_code = ExitCode.UNKNOWN
    code = "outcome_unknown"


def no_threads() -> CliError:
    """The account's processes and threads are at their limit; what was placed goes on."""
    return CliError(
        "No more threads or processes may be started here.",
        hint="Raise what this account may run (ulimit -u), or end other processes of it. Orders: oee history",
        code="out_of_threads",
        retryable=True,
    )


class ConnectionLost(Exception):
    """The connection dropped or timed out. `sent`: the request may have reached the daemon."""

    def __init__(self, reason: str, *, sent: bool, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.sent = sent
        self.timed_out = timed_out


class Terminated(BaseException):
    """SIGTERM came. Like `KeyboardInterrupt` it must pass every `except Exception`."""

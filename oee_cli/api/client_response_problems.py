"""What the daemon's responses mean for a command: protocol check, problem documents, exit codes.

The one place where an HTTP status becomes an error of ours.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from oee_cli.cli_errors import (
    CliError,
    Forbidden,
    NoSuchOrder,
    OutcomeUnknown,
    Refused,
    Unreachable,
    UsageFault,
)
from oee_daemon.contract.protocol import PROTOCOL, PROTOCOL_HEADER, VERSION, VERSION_HEADER


@dataclass(frozen=True, slots=True)
class Response:
    """A status, its headers and its content, read or not."""

    status: int
    headers: Any
    content: bytes

    @property
    def body(self) -> Any:
        try:
            return json.loads(self.content)
        except ValueError:
            return None


_BY_STATUS: dict[int, type[CliError]] = {
    400: UsageFault,
    401: Forbidden,
    403: Forbidden,
    404: NoSuchOrder,
    409: Refused,
    421: Unreachable,
    422: UsageFault,
    426: Unreachable,
    503: Unreachable,
}
_HINTS: dict[type[CliError] | str, str] = {
    "unauthorized": "Set OEE_TOKEN to what `oee daemon token` prints where the daemon runs.",
    "foreign_host": "Where the daemon runs: oee config set hostnames NAME, with NAME as in OEE_URL, and "
    "oee daemon restart",
    "foreign_origin": "What is between here and the daemon may send no Origin header.",
    "chain_unavailable": "Which of those outside is away: oee doctor",
    NoSuchOrder: "Past orders: oee history",
    Unreachable: "See: oee daemon status",
}


def check_response(answer: Response) -> Response:
    """Returns a response of our protocol that is a success. Raises the error that another stands for."""
    if (error := error_of(answer)) is not None:
        raise error
    return answer


def error_of(answer: Response) -> CliError | None:
    """The error that a response stands for; none that of a success in our protocol."""
    spoken = answer.headers.get(PROTOCOL_HEADER)
    if spoken != str(PROTOCOL) or answer.status == 426:
        return _protocol_mismatch(answer, spoken)
    if answer.status < 400:
        return None
    return error_of_problem(answer.status, answer.body if isinstance(answer.body, dict) else {})


def error_of_problem(status: int, problem: dict[str, Any]) -> CliError:
    """A problem document as an error."""
    code = str(problem.get("code") or f"http_{status}")
    kind = _BY_STATUS.get(status, CliError if status >= 500 else UsageFault)
    if code == "idempotency_key_reused":
        kind = Refused
    elif code == OutcomeUnknown.code:
        # Postgres was lost while it stored.
        kind = OutcomeUnknown
    message = str(problem.get("detail") or problem.get("title") or f"The daemon answered {status}.")
    hint = problem.get("hint")
    if hint is None:
        hint = _HINTS.get(code) or _HINTS.get(kind, "Its log: oee daemon logs" if status >= 500 else None)
    error = kind(message, hint=hint, code=code, retryable=bool(problem.get("retryable")))
    if isinstance(problem.get("order"), dict):
        error.order = problem["order"]
    return error


def _protocol_mismatch(answer: Response, spoken: str | None) -> CliError:
    problem = answer.body if isinstance(answer.body, dict) else {}
    theirs = problem.get("protocol") or spoken
    version = problem.get("version") or answer.headers.get(VERSION_HEADER) or "unknown"
    if theirs is None:
        return Unreachable(
            "What answered is not a daemon of this product, or a very old one.",
            hint="Restart it: oee daemon restart, or check OEE_URL.",
            code="protocol_mismatch",
        )
    return Unreachable(
        f"The daemon is {version} and speaks protocol {theirs}; this command is {VERSION} "
        f"and speaks protocol {PROTOCOL}.",
        hint="Bring them together: oee daemon restart",
        code="protocol_mismatch",
    )

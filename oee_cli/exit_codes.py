"""How every command can end, and how an order's status becomes one of these numbers.

Frozen: scripts branch on them. `oee help exit-codes` prints `MEANINGS`; nothing else in the package writes
an exit code as a number.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from oee_daemon.contract.shapes import Order


class ExitCode(IntEnum):
    DONE = 0
    FAULT = 1
    USAGE = 2
    REFUSED = 3
    FORBIDDEN = 4
    NO_SUCH_ORDER = 5
    UNREACHABLE = 6
    FAILED = 7
    PARTLY_FILLED = 8
    UNKNOWN = 9
    STOPPED = 10
    TIMEOUT = 124
    INTERRUPTED = 130
    CLOSED_PIPE = 141
    TERMINATED = 143


MEANINGS: dict[ExitCode, str] = {
    ExitCode.DONE: "done: the order is confirmed, or durable with --detach",
    ExitCode.FAULT: "a fault of ours",
    ExitCode.USAGE: "wrong usage or input, found here or by the daemon",
    ExitCode.REFUSED: "refused before anything was sent: a limit, a halt,\na conflict of idempotency keys",
    ExitCode.FORBIDDEN: "no permission: token, key file, a locked wallet",
    ExitCode.NO_SUCH_ORDER: "no such order",
    ExitCode.UNREACHABLE: "the daemon can't be reached or started, or speaks another version",
    ExitCode.FAILED: "the order failed: nothing was bought",
    ExitCode.PARTLY_FILLED: "reserved, never given: partly filled",
    ExitCode.UNKNOWN: "outcome unknown: it may be on the chain and goes on being resolved,\n"
    "or nobody could be asked how it stands when the wait ended,\n"
    "or the database was restored and can't know (restored_unknown),\n"
    "or the daemon's answer to a change stayed lost;\n"
    "the key to repeat an order with is printed",
    ExitCode.STOPPED: "cancelled, expired, or declined at a prompt",
    ExitCode.TIMEOUT: "the wait ended, nothing sent yet; the order goes on",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C); the order goes on",
    ExitCode.CLOSED_PIPE: "closed pipe",
    ExitCode.TERMINATED: "terminated",
}

_BY_STATUS = {
    "confirmed": ExitCode.DONE,
    "failed": ExitCode.FAILED,
    "cancelled": ExitCode.STOPPED,
    "expired": ExitCode.STOPPED,
    # Not final: the wait for it ended. Only `submitted` may be on the chain.
    "submitted": ExitCode.UNKNOWN,
}

#: Which of many lines' codes a batch ends with: the first of these that any line had.
_WORST_FIRST = (
    ExitCode.FAULT,
    ExitCode.UNREACHABLE,
    ExitCode.UNKNOWN,
    ExitCode.FAILED,
    ExitCode.REFUSED,
    ExitCode.USAGE,
    ExitCode.TIMEOUT,
    ExitCode.STOPPED,
)


def is_outcome_unknown(order: Order) -> bool:
    """It has ended, and nobody here can know whether it was executed: its database was restored or copied."""
    error = order["error"]
    return error is not None and error["code"] == "restored_unknown"


def exit_code_of(order: Order) -> ExitCode:
    """The code of an order whose wait is over, whether it ended or not."""
    if is_outcome_unknown(order):
        return ExitCode.UNKNOWN
    return _BY_STATUS.get(order["status"], ExitCode.TIMEOUT)


def worst_exit_code(codes: Iterable[ExitCode]) -> ExitCode:
    """The one code of a batch."""
    seen = set(codes)
    for code in _WORST_FIRST:
        if code in seen:
            return code
    # Permission and unknown ids outside the list above: any of them, rather than success.
    return max(seen, default=ExitCode.DONE)


def exit_code_table() -> str:
    """What `oee help exit-codes` prints."""
    indented = {code: meaning.replace("\n", "\n      ") for code, meaning in MEANINGS.items()}
    return "\n".join(f"{code:>4}  {meaning}" for code, meaning in indented.items())

"""Words and exit codes for a request to which no answer came: whether its orders, or its changes, may be
done.
"""

from __future__ import annotations

from oee_cli.api.client_response_problems import Response
from oee_cli.cli_errors import CliError, ConnectionLost, Forbidden, HomeLost, OutcomeUnknown, Unreachable
from oee_cli.exit_codes import ExitCode
from oee_daemon.contract.protocol import PROTOCOL_HEADER

#: By which a gateway says that what it asked has hung up or is late; the last two are Cloudflare's own
#: (https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/).
_GATEWAY = (502, 504, 520, 524)


def may_be_done(e: Unreachable, path: str = "") -> OutcomeUnknown:
    """Of a request to `path` that changes something, was sent, and is not answered."""
    hint = "It may have been done all the same: look before you repeat it."
    if path == "/api/halt":
        # Nobody who is in a hurry has to look first.
        hint = "Halt again until it is answered: that harms nothing."
    return OutcomeUnknown(
        f"Not known whether it was done. {e.message}",
        hint=f"{hint}\n{e.hint}" if e.hint else hint,
        retryable=e.retryable,
    )


def may_be_placed(reason: CliError | ConnectionLost, key: str) -> OutcomeUnknown:
    """Of an order that was sent."""
    again = f"The same command with --idempotency-key {key} finds it, or places it once."
    return OutcomeUnknown(
        "Not known whether the order was placed: the daemon's answer was lost "
        f"({getattr(reason, 'message', reason)}).",
        hint=reason.hint if isinstance(reason, HomeLost) else again,
        retryable=not isinstance(reason, HomeLost),
    )


def not_placed(reason: CliError, key: str) -> CliError:
    """Of an order that did not get as far as the daemon's answer; a fault says nothing about what is
    stored."""
    if reason.exit_code is ExitCode.FAULT:
        reason.hint = f"{reason.hint}\n" if reason.hint else ""
        reason.hint += f"Whether it was placed: the same command with --idempotency-key {key}"
    return reason


def leaves_open(refused: CliError) -> bool:
    """Whether who refuses an order has not looked for its key: another daemon, or none, so that what was sent
    before may be stored all the same."""
    return isinstance(refused, Unreachable | Forbidden) or refused.code == "other_network"


def was_handed_on(answer: Response) -> bool:
    """Whether a gateway answers that may have waited for the daemon in vain."""
    return PROTOCOL_HEADER not in answer.headers and answer.status in _GATEWAY

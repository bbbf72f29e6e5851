"""Every error the engine raises on purpose, as a tree split by what the catcher does with it.

    OeeError                      has a stable code, a sentence, and whether trying again may help
    ├── Refused                   tell the caller; nothing was stored
    │   ├── InvalidInput          422, names the field
    │   │   └── BadCursor
    │   ├── NotFound              404
    │   ├── Conflict              409, or 422 where a key came with another body
    │   │   ├── Halted            nothing is accepted, signed or sent until it is resumed
    │   │   └── OverLimit         more than the user lets all orders spend
    │   ├── WalletLocked          403, nothing can be signed
    │   ├── WrongPassphrase       403, the key stays sealed
    │   └── Unavailable           503, Postgres can't be reached
    ├── AttemptFailed             this attempt ends, another may follow (see `retryable`)
    │   ├── WrongQuote            the swap would do far better than was quoted: its bound keeps nothing
    │   ├── UnsafeToken           checks of a new token stand against buying it
    │   └── VenueError            a venue did not give a price
    │       ├── VenueRefused      it said no: asking again won't help
    │       ├── VenueLate         it did not answer in time: asking again may help
    │       ├── SwapTooLong       no transaction can hold what it built
    │       └── UnsafeSwap        it built a swap that may not be signed
    ├── ChainUnavailable          the chain did not answer; this decides nothing about a swap
    ├── BackupFailed              a backup was not taken or not restored; nothing is half done
    └── StartFailed               the daemon or worker can't start: see `start_errors`

Nothing here knows HTTP beyond a status number. Apart from the tree stand exceptions that only lead from one
place of ours to another: `lease_sql.NoSlot` (wait for a slot), `recall.StillInDoubt` (ask the chain again
later), `failpoints.Lost` (a commit whose answer a test takes away) and `contract.status.IllegalMove` (a fault
of ours, caught by nobody). A fault of ours is any other exception.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oee_daemon.contract.storable import storable


class OeeError(Exception):
    """An expected failure.

    `code` is stable and meant for programs, `message` for people; `retryable` says whether the same
    request may succeed later without a change.
    """

    code = "internal"
    retryable = False

    def __init__(self, message: str, *, code: str | None = None, retryable: bool | None = None) -> None:
        # It may hold a stranger's words, and is stored in events: see `answers` of a choice.
        self.message = storable(message)
        super().__init__(self.message)
        if code is not None:
            self.code = code
        if retryable is not None:
            self.retryable = retryable

    def as_dict(self) -> dict[str, Any]:
        """The error object of orders and events: `code`, `message`, `retryable`."""
        return {"code": self.code, "message": self.message, "retryable": self.retryable}


class Refused(OeeError):
    """The request is answered with an error and nothing is stored."""

    status = 400

    def __init__(
        self, message: str, *, code: str | None = None, field: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, code=code)
        self.field = field
        self.hint = hint


class InvalidInput(Refused):
    """A value that can't be taken; `field` names it, `hint` says what would do."""

    code = "invalid_input"
    status = 422


class BadCursor(InvalidInput):
    """The cursor of a page is none that was given with an earlier page."""

    def __init__(self) -> None:
        super().__init__(
            "cursor is none that this service gave.", field="cursor", hint="Use nextCursor as it came."
        )


class NotFound(Refused):
    """No order goes by that id."""

    code = "not_found"
    status = 404


class Conflict(Refused):
    """The order, or the key, is not in a state that allows this."""

    code = "conflict"
    status = 409


class KeyConflict(Conflict):
    """The idempotency key was used with another body."""

    code = "idempotency_key_reused"
    status = 422


class WalletLocked(Refused):
    """The wallet's key is sealed, and nobody has opened it: no new order, and no new signature."""

    code = "wallet_locked"
    status = 403

    def __init__(self, address: str, why: str = "") -> None:
        super().__init__(
            f"The wallet {address} is locked{why and ': '}{why}. Nothing was stored.",
            hint="oee wallet unlock",
        )


class WrongPassphrase(Refused):
    """The passphrase does not open the wallet, or its file was altered: which of the two nobody can tell."""

    code = "wrong_passphrase"
    status = 403

    def __init__(self, address: str) -> None:
        super().__init__(f"The passphrase does not open the wallet {address}, or its file was altered.")


class Halted(Conflict):
    """Somebody has halted the engine."""

    code = "halted"

    def __init__(self) -> None:
        super().__init__(
            "The engine is halted: nothing is accepted, signed or sent. Nothing was stored.",
            hint="Why, and since when: oee daemon status. To go on: oee resume",
        )


class OverLimit(Conflict):
    """A limit that the user set leaves no room; the message says which, and its use."""

    code = "over_limit"

    def __init__(self, message: str, *, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(f"{message} Nothing was stored.", field=field, hint=hint or "See: oee limits")


class NoReferencePrice(OverLimit):
    """What the order may spend can't be told in US dollars now: a limit that can't be computed is over."""

    code = "no_reference_price"


class Unavailable(Refused):
    """Postgres can't be reached: this request stored nothing, and may be sent again."""

    code = "database_unavailable"
    status = 503
    retryable = True


class AttemptFailed(OeeError):
    """Nothing of this attempt can be on the chain."""


class WrongQuote(AttemptFailed):
    """The price that the swap's bound was made of is far from the one that it would get: it was told
    falsely, or is of another moment. With that bound nearly all of the difference could be taken."""

    code = "quote_wrong"
    retryable = True


class UnsafeToken(AttemptFailed):
    """Checks of a new token stand against buying it, or may pass yet. `checks`: all of them, as JSON."""

    code = "unsafe_token"

    def __init__(
        self, message: str, *, checks: Sequence[dict[str, Any]] = (), retryable: bool = False
    ) -> None:
        super().__init__(message, retryable=retryable)
        self.checks = list(checks)

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | ({"checks": self.checks} if self.checks else {})


class VenueError(AttemptFailed):
    """One venue gave no price."""

    code = "venue_error"


class VenueRefused(VenueError):
    """The venue said no; asking it the same again won't help."""

    code = "venue_refused"


class VenueLate(VenueError):
    """The venue did not answer before its deadline."""

    code = "venue_late"
    retryable = True


class SwapTooLong(VenueError):
    """What a venue built has more bytes than a transaction; over fewer pools it may fit."""

    code = "swap_too_long"
    retryable = True


class UnsafeSwap(VenueError):
    """The venue built a swap that does something else than it was asked for, so it is not signed."""

    code = "unsafe_swap"


class ChainUnavailable(OeeError):
    """The chain could not be asked. Says nothing about any swap."""

    code = "chain_unavailable"
    retryable = True


class BackupFailed(OeeError):
    """A backup could not be taken or restored; `hint` says what to do."""

    code = "backup_failed"

    def __init__(self, message: str, *, code: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, code=code)
        self.hint = hint

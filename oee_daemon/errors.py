"""Every error the engine raises on purpose, as a tree split by what the catcher does with it.

    OeeError                      has a stable code, a sentence, and whether trying again may help
    ├── Refused                   tell the caller; nothing was stored
    │   ├── InvalidInput          422, names the field
    │   ├── NotFound              404
    │   ├── Conflict              409, or 422 where a key came with another body
    │   └── Unavailable           503, Postgres can't be reached
    ├── AttemptFailed             this attempt ends, another may follow (see `retryable`)
    │   └── VenueError            a venue did not give a price
    │       ├── VenueRefused      it said no: asking again won't help
    │       └── VenueLate         it did not answer in time: asking again may help
    ├── ChainUnavailable          the chain did not answer; this decides nothing about a swap
    ├── BackupFailed              a backup was not taken or not restored; nothing is half done
    └── StartFailed               the daemon can't start; the message is for a person
        ├── BadSetting
        ├── OtherRelease          the database is of another release's schema
        ├── OtherDatabase         the home has worked on another database
        └── AlreadyRunning

Nothing here knows HTTP beyond a status number. A fault of ours is any other exception.
"""

from __future__ import annotations


class OeeError(Exception):
    """An expected failure.

    `code` is stable and meant for programs, `message` for people; `retryable` says whether the same
    request may succeed later without a change.
    """

    code = "internal"
    retryable = False

    def __init__(self, message: str, *, code: str | None = None, retryable: bool | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        if retryable is not None:
            self.retryable = retryable

    def as_dict(self) -> dict[str, object]:
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


class Unavailable(Refused):
    """Postgres can't be reached: nothing was stored, the same request may be sent again."""

    code = "database_unavailable"
    status = 503
    retryable = True


class AttemptFailed(OeeError):
    """Nothing of this attempt can be on the chain."""


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


class StartFailed(OeeError):
    """The daemon or worker can't start; the message says why and what to do."""

    code = "start_failed"


class BadSetting(StartFailed):
    """A setting that can't be understood; the message names it and where it came from."""

    code = "bad_setting"


class OtherRelease(StartFailed):
    """The database is of another release's schema: a worker leaves it alone. `exit_code` tells the daemon."""

    code = "other_release"
    exit_code = 6


class OtherDatabase(StartFailed):
    """The home has worked on another database, and nobody said that it is to change. `exit_code` tells who
    starts the daemon."""

    code = "other_database"
    exit_code = 3


class AlreadyRunning(StartFailed):
    """Another daemon holds this home; the message says its process id."""

    code = "already_running"

"""Every error that keeps a process of the engine from starting, or ends it: the `StartFailed` of `errors`.

    StartFailed                   the message is for a person, `exit_code` for whoever started the process
    ├── BadSetting                a setting can't be understood
    ├── OtherRelease              the database is of another release's schema
    ├── BadKeyFile                a file with a key or a passphrase can't be used
    ├── OtherEngine               the database belongs to another network, chain or wallet
    │   └── OtherWallet           to another wallet, or the one here is gone
    ├── OtherDatabase             the home has worked on another database
    ├── Unreachable               an outside server is away, or lets nobody in
    ├── Unsuitable                a server that orders would not be safe in, or that is too old
    ├── OutOfThreads              the machine or the account gives no more threads or processes
    ├── AlreadyRunning            another daemon holds the home
    └── HomeLost                  the home was moved, removed or replaced under its daemon

Whoever catches one ends the process, with its `exit_code`; no request is answered with it.
"""

from __future__ import annotations

from oee_daemon.contract.protocol import (
    EXIT_FAULT,
    EXIT_HELD,
    EXIT_KEY,
    EXIT_OTHER_DATABASE,
    EXIT_OUTSIDE,
    EXIT_THREADS,
    EXIT_USAGE,
)
from oee_daemon.errors import OeeError


class StartFailed(OeeError):
    """The daemon or worker can't start; the message says why and what to do. `exit_code` is the process's."""

    code = "start_failed"
    exit_code = EXIT_FAULT


class BadSetting(StartFailed):
    """A setting that can't be understood; the message names it and where it came from."""

    code = "bad_setting"
    exit_code = EXIT_USAGE


class OtherRelease(StartFailed):
    """The database is of another release's schema: a worker leaves it alone. `exit_code` tells the daemon."""

    code = "other_release"
    exit_code = EXIT_OUTSIDE


class BadKeyFile(StartFailed):
    """A file with a key or a passphrase is missing, may be read by others, or holds none."""

    code = "key_file"
    exit_code = EXIT_KEY


class OtherEngine(StartFailed):
    """The database belongs to an engine with another wallet, network or chain; the message names both."""

    code = "other_engine"
    exit_code = EXIT_USAGE


class OtherWallet(OtherEngine):
    """It has another wallet than the one here, or the one here is gone."""

    exit_code = EXIT_KEY


class Unreachable(StartFailed):
    """A server that was given does not answer, or not to us."""

    code = "server_unreachable"
    exit_code = EXIT_OUTSIDE


class Unsuitable(StartFailed):
    """A server that was given can't hold what is promised."""

    code = "server_unsuitable"
    exit_code = EXIT_OUTSIDE


class OutOfThreads(StartFailed):
    """No more threads or processes may be had here. `exit_code`, from sysexits.h, tells the daemon."""

    code = "out_of_threads"
    exit_code = EXIT_THREADS

    def __init__(self, who: str) -> None:
        super().__init__(
            f"{who} can't start its threads: this account, or its container, may run no more of them. Raise "
            "what it may (ulimit -u, ulimit -v, TasksMax, --pids-limit), or end other processes of it."
        )

    @staticmethod
    def means(error: BaseException) -> bool:
        """Python has no exception of its own for it."""
        return isinstance(error, RuntimeError) and "can't start new thread" in str(error)


class OtherDatabase(StartFailed):
    """The home has worked on another database, and nobody said that it is to change. `exit_code` tells who
    starts the daemon."""

    code = "other_database"
    exit_code = EXIT_OTHER_DATABASE


class AlreadyRunning(StartFailed):
    """Another daemon holds this home; the message says its process id."""

    code = "already_running"
    exit_code = EXIT_HELD


class HomeLost(StartFailed):
    """The home at its path is not the one this process holds: it ends and touches nothing there."""

    code = "home_lost"

    def __init__(self, path: object) -> None:
        super().__init__(
            f"{path} was moved, removed or replaced under the process that held it, which ends and leaves "
            "alone what is there now."
        )

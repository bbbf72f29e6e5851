"""What a process of the engine takes over from whoever started it; all else is put back.

`settle` is the one list, and the first thing that the daemon, a worker, a backup and a restore do: what they
start in their turn (servers, initdb, pg_dump, the worker) inherits from them. Whoever types the first
command of a day thus decides nothing for those who come after.

Imports nothing at its head but what Python itself has loaded by then: before `settle` has looked at the
search path, another module's name may be anybody's file.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from signal import Signals
    from types import FrameType

#: All that a server or a program of PostgreSQL sees of our environment: nothing of it.
SERVER_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C", "LC_ALL": "C", "TZ": "UTC"}
#: What is taken over, by whole names: the account, its folders, where certificates are.
_NAMES = frozenset(
    ("HOME", "PATH", "USER", "LOGNAME", "TMPDIR", "TZ", "LANG", "LANGUAGE", "SSL_CERT_FILE", "SSL_CERT_DIR")
)
#: By how they begin: ours, the locale, the desktop's folders, the dynamic loader's (a Python that needs them
#: could start no worker without them).
_PREFIXES = ("OEE_", "LC_", "XDG_", "LD_", "DYLD_")
#: For a database that is somebody else's: who one is there and how the line is kept safe, by libpq. Where the
#: server is, what its answers look like and how it plans is the address's and ours to say.
_DATABASE_NAMES = frozenset(
    ("PGUSER", "PGPASSWORD", "PGPASSFILE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGREQUIREAUTH", "PGREQUIREPEER")
)
_DATABASE_PREFIXES = ("PGSSL", "PGCHANNEL", "PGGSS", "PGKRB", "KRB5")
#: Where Python looks for itself and, if it was installed in no folder of Python's own, for this program.
_PYTHON = ("PYTHONPATH", "PYTHONUSERBASE", "PYTHONHOME", "PYTHONPLATLIBDIR")
#: They would end a process without a word, and ask for nothing that we do.
_MEANINGLESS = (
    "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGPWR", "SIGSTKFLT", "SIGEMT",
)  # fmt: skip
#: Bytes of stack that are enough; with an unlimited one Linux lays out memory in the old, guessable way.
_STACK = 8 * 1024 * 1024

#: What could not be put back, in words; set by `settle`.
left: list[str] = []
#: Signals that ask to end in order.
_farewells = {"SIGTERM", "SIGINT", "SIGQUIT", "SIGXCPU"}


def settle() -> None:
    """Makes this process one that was started by nobody in particular. Raises nothing."""
    _only_our_modules()
    _environment()
    _descriptors()
    _signals()
    _limits()
    _priority()
    # Root's servers run under another account, which has to pass the folders on the way to its own.
    os.umask(0o022 if os.geteuid() == 0 else 0o077)


def farewells() -> list[Signals]:
    """The signals that ask this process to end in order: SIGHUP too where it tells of a lost terminal."""
    import signal

    return [signal.Signals[name] for name in sorted(_farewells)]


def forget_database() -> None:
    """Where the database is our own, its connections depend on nothing but us."""
    for name in list(os.environ):
        if name in _DATABASE_NAMES or name.startswith(_DATABASE_PREFIXES):
            del os.environ[name]


def _only_our_modules() -> None:
    """Takes the working folder, the script's and PYTHONPATH's from the search path, where the program is
    found without them."""
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - before pathlib
    if sys.flags.ignore_environment:
        # Found without them; so are those whom we start.
        for name in _PYTHON:
            os.environ.pop(name, None)
    told = os.environ.get("PYTHONPATH", "")
    foreign = {_absolute(part) for part in told.split(os.pathsep)} if told else set()
    if not sys.flags.safe_path and sys.path:
        foreign.add(_absolute(sys.path[0]))
    if not foreign:
        return
    before = sys.path[:]
    sys.path[:] = [part for part in before if _absolute(part) not in foreign]
    if told and not sys.flags.no_site:
        # A folder may be PYTHONPATH's and Python's own at once: Python adds its own again.
        import site

        site.main()
    kept: list[str] = []
    if own not in map(_absolute, sys.path):
        # PYTHONPATH is how it was installed, so what we need may be in any of the folders that it names.
        kept = [part for part in told.split(os.pathsep) if os.path.isabs(part)]  # noqa: PTH117
        kept += [own] if own not in map(_absolute, kept) else []
        sys.path[:0] = kept
    if told and not kept:
        os.environ.pop("PYTHONPATH", None)
    elif kept:
        os.environ["PYTHONPATH"] = os.pathsep.join(kept)


def _absolute(part: str) -> str:
    try:
        return os.path.abspath(part)  # noqa: PTH100 - before pathlib
    except OSError:  # the working folder is gone
        return part


def _environment() -> None:
    """By this list: no variable of a library's own decides anything here, whichever library it is."""
    for name in list(os.environ):
        taken = name in _NAMES or name.startswith(_PREFIXES) or name in _PYTHON
        if not taken and name not in _DATABASE_NAMES and not name.startswith(_DATABASE_PREFIXES):
            del os.environ[name]


def _descriptors() -> None:
    """Nothing is held open that is somebody else's, and what we open is never taken for a standard stream."""
    import contextlib

    try:
        named = os.listdir("/dev/fd")  # noqa: PTH208 - before pathlib
    except OSError:
        named = []
    # The daemon gives its worker one more, by which it says that it works.
    given = {part.removeprefix("--beats=") for part in sys.argv[1:]}
    for number in map(int, named):
        if number > 2 and str(number) not in given:
            # The one that listed them is closed by now.
            with contextlib.suppress(OSError):
                os.close(number)
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free
            os.set_inheritable(number, True)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115 - to the end


def descriptor_is_left() -> bool:
    """Whether one more file or connection can be opened."""
    try:
        os.close(os.dup(0))
    except OSError:
        return False
    return True


def _signals() -> None:
    """Nothing is blocked, ignored or due. What a terminal or a stranger sends ends us in order or not at all.

    A SIGHUP that was to be ignored stays so (nohup); where there is no terminal it is told to reopen the log.
    """
    import signal

    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
        signal.setitimer(timer, 0)
    terminal = _has_terminal()
    # Python itself wants to see a broken pipe and a file that is too long as errors.
    kept = {signal.SIGPIPE, signal.SIGXFSZ, *((signal.SIGHUP,) if terminal else ())}
    for ignored in signal.valid_signals() - kept:
        if signal.getsignal(ignored) is signal.SIG_IGN:
            signal.signal(ignored, signal.SIG_DFL)
    if not terminal:
        # Until somebody knows better.
        signal.signal(signal.SIGHUP, _meaningless)
    elif signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        _farewells.add("SIGHUP")
    for farewell in farewells():
        # Until there is something to end in order.
        signal.signal(farewell, signal.default_int_handler)
    real_time = range(getattr(signal, "SIGRTMIN", 0), getattr(signal, "SIGRTMAX", -1) + 1)
    for number in (*(getattr(signal, name) for name in _MEANINGLESS if hasattr(signal, name)), *real_time):
        signal.signal(number, _meaningless)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _meaningless(number: int, _frame: FrameType | None) -> None:
    import logging
    import signal

    try:
        name = signal.Signals(number).name
    except ValueError:  # one of the real-time signals between the first and the last
        name = str(number)
    logging.getLogger("oee_daemon").warning("a signal without a meaning here", extra={"signal": name})


def _limits() -> None:
    """What may be had is had: soft limits go up to the hard ones. No core is dumped: it would hold keys."""
    import contextlib
    import resource

    for name in (name for name in dir(resource) if name.startswith("RLIMIT_")):
        limit = getattr(resource, name)
        with contextlib.suppress(OSError, ValueError):
            soft, hard = resource.getrlimit(limit)
            most = hard
            if name == "RLIMIT_CORE":
                most = 0
            elif name == "RLIMIT_STACK":
                most = soft if _is_enough(soft) else _STACK if _is_enough(hard) else hard
            if soft != most:
                resource.setrlimit(limit, (most, hard))


def _is_enough(stack: int) -> bool:
    return stack < 0 or stack >= _STACK  # -1: no limit


def _priority() -> None:
    """Neither nicer than others nor a batch job, where the account may undo that."""
    try:
        if os.getpriority(os.PRIO_PROCESS, 0) > 0:
            os.setpriority(os.PRIO_PROCESS, 0, 0)
    except OSError:
        left.append(f"nice {os.getpriority(os.PRIO_PROCESS, 0)}")
    if sys.platform == "linux":
        try:
            if os.sched_getscheduler(0) in (os.SCHED_BATCH, os.SCHED_IDLE):
                os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        except OSError:
            left.append("a scheduling policy of batch jobs")

"""A worker as a process: whose it is, what ends it, and how it says that it lives.

The daemon runs one as its child; `oee worker` runs one more, here or on another host, against the same
Postgres and Redis. A child knows that its daemon is gone when its standard input ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import platform
import queue
import secrets
import signal
import threading
from functools import partial
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from oee_daemon import gc_tuning, inherited
from oee_daemon.contract import home_files
from oee_daemon.engine import engine_durability
from oee_daemon.engine.engine_key_holder import KeyHolder, guard_memory
from oee_daemon.engine.engine_worker import Worker
from oee_daemon.errors import OeeError
from oee_daemon.home.home_held_path import Held
from oee_daemon.logfile import OwnLog
from oee_daemon.settings import Settings
from oee_daemon.start_errors import HomeLost, StartFailed
from oee_daemon.store import migrations
from oee_daemon.store.database import open_database

log = logging.getLogger(__name__)

#: Seconds that a worker has to end once it was told to: less than its supervisor gives it.
END_S = 25.0
#: Seconds after which the main thread wakes: a signal that another thread was given is acted upon only then.
AWAKE_S = 0.5


def owner_here() -> str:
    """Names this process among all that ever ran, for leases: host, boot, process, and a draw, since two
    containers may share the first three."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    started = boot.read_text().strip()[:8] if boot.exists() else "-"
    return f"{platform.node()}:{started}:{os.getpid()}:{secrets.token_hex(4)}"


class Ending(threading.Event):
    """Set when the worker has to end. What then hangs for longer than `END_S` is left to the next one."""

    def set(self) -> None:
        if not self.is_set():
            last = threading.Timer(END_S, _give_up)
            last.daemon = True
            last.start()
        super().set()


def _give_up() -> None:
    log.error("what runs did not end in time, and goes on elsewhere")
    os._exit(1)


def run(settings: Settings, *, home_id: str | None, beats: int | None = None, locked: bool = False) -> None:
    """Works until told to stop. `home_id`: this is the one worker of that home's daemon, which is told of
    each beat through the descriptor `beats`; `locked`: somebody has locked the wallet, and no file opens it.

    Raises `OtherRelease`, at the start or later, where the database is not of this release's schema, and
    `HomeLost` where the home is no longer that one; a worker that stands alone also `Unreachable` and
    `Unsuitable`, as its daemon would.
    """
    stop = Ending()
    _heed_signals(stop, OwnLog(settings.home / home_files.DAEMON_LOG))
    owner = owner_here()
    held = Held()
    told: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    if home_id is not None:
        owner = f"{home_id}:{owner}"
        threading.Thread(target=_watch_parent, args=(stop, told), daemon=True).start()
        _alone(held, settings.home / home_files.ID, home_id)
    # The lock is ours, so whoever held leases in this home's name is dead.
    former = "" if home_id is None else f"{home_id}:"
    # Only the home's own: a file that nobody flushes tells nothing of another host's.
    mark = settings.home / "mark" if home_id is not None else None
    say = partial(_say, beats)
    if home_id is None:
        _require_servers(settings)
    keys: list[KeyHolder] = []
    worker = Worker(
        settings,
        owner=owner,
        stop=stop,
        former=former,
        mark=mark,
        alive=lambda: keys[0].say(),
        held=held,
    )
    guard_memory()
    keys.append(KeyHolder(worker.wallet, say=say, unlocked=worker.recovery.unlocked))
    if not locked:
        _open_wallet(keys[0], settings, alone=home_id is None)
    threading.Thread(target=_heed_daemon, args=(keys[0], told), daemon=True).start()
    _settle(worker)
    gc_tuning.started()
    worker.start()
    log.info("worker ready", extra={"threads": settings.worker_threads, "lease_owner": owner})
    while not stop.wait(AWAKE_S):
        pass
    worker.stop()
    log.info("worker stopped")
    if worker.other is not None:
        raise worker.other


def _settle(worker: Worker) -> None:
    """Before the first order. A Postgres that is away is asked again by a beat; leases end by themselves."""
    try:
        migrations.require(worker.db)
        worker.settle()
    except SQLAlchemyError as e:
        log.warning("Postgres can't be reached", extra={"reason": str(e.__cause__ or e)})


def _heed_signals(stop: threading.Event, own_log: OwnLog) -> None:
    """Those that ask a process to end set `stop`; SIGHUP opens the log anew."""
    for farewell in inherited.farewells():
        signal.signal(farewell, lambda *_: stop.set())
    if signal.SIGHUP not in inherited.farewells():
        signal.signal(signal.SIGHUP, lambda *_: own_log.reopen())


def _require_servers(settings: Settings) -> None:
    """Before anything asks them: whose fault it is, is then said. Raises `Unreachable` and `Unsuitable`."""
    assert settings.database_url is not None and settings.redis_url is not None
    # Two connections: whether a pool mixes them shows with the second.
    db = open_database(settings.database_url, pool_size=2)
    try:
        engine_durability.require(db)
    finally:
        db.dispose()
    engine_durability.require_queue(settings.redis_url)


def _open_wallet(keys: KeyHolder, settings: Settings, *, alone: bool) -> None:
    """By the passphrase's file, where there is one. Raises `StartFailed` where a worker that nobody could
    unlock later would stay locked."""
    if settings.wallet_passphrase_file is None:
        return
    try:
        keys.open_by_file(settings.wallet_passphrase_file)
    except OeeError as e:
        if alone:
            raise StartFailed(f"{settings.wallet_passphrase_file}: {e.message}", code=e.code) from None
        log.error("wallet not unlocked by its passphrase's file", extra={"reason": e.message})


def _heed_daemon(keys: KeyHolder, told: queue.SimpleQueue[bytes]) -> None:
    """One after the other: opening a key takes 64 MiB."""
    while True:
        keys.heed(told.get())


def _say(descriptor: int | None, word: bytes) -> None:
    if descriptor is None:
        return
    # Full: nobody has read for a while; gone: our standard input ends with it.
    with contextlib.suppress(OSError):
        os.write(descriptor, word)


def _alone(held: Held, path: Path, home_id: str) -> None:
    """Waits until the home's former worker is gone, and holds its place: the file that names the home, so
    that a lock and the leases in that name go together. Raises `HomeLost` where it is not that home."""
    try:
        lock = held.keep(path, os.O_RDWR)
    except OSError:
        raise HomeLost(path) from None
    fcntl.flock(lock, fcntl.LOCK_EX)
    held.check()
    if os.pread(lock, 100, 0).decode(errors="replace").strip() != home_id:
        raise HomeLost(path)


def _watch_parent(stop: threading.Event, told: queue.SimpleQueue[bytes]) -> None:
    """The daemon holds the other end of our standard input: its end is the daemon's end. Its lines are what
    it tells of the wallet's key.

    Read past Python's buffers, whose lock would be held by this thread when the process ends.
    """
    line = b""
    while part := os.read(0, 65_536):
        *lines, line = (line + part).split(b"\n")
        for whole in lines:
            told.put(whole)
    stop.set()

"""A worker: Dramatiq's threads on the queue, and the beat that rings what the queue forgot.

The daemon runs one as its child; `oee worker` runs one more, here or on another host, against the same
Postgres and Redis. A child knows that its daemon is gone when its standard input ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import platform
import secrets
import signal
import threading
from pathlib import Path
from types import FrameType

import dramatiq
from sqlalchemy.exc import OperationalError

from oee_daemon import actors, garbage, leases, migrations
from oee_daemon.broker import open_broker
from oee_daemon.database import open_database
from oee_daemon.errors import HomeLost, OtherRelease, StartFailed
from oee_daemon.execution import Execution
from oee_daemon.feed import Feed
from oee_daemon.held import Held
from oee_daemon.networks import open_network
from oee_daemon.recovery import Recovery
from oee_daemon.retention import Retention
from oee_daemon.roster import Roster
from oee_daemon.settings import Settings

log = logging.getLogger(__name__)

#: Milliseconds after which a silent queue is looked at anyway: Dramatiq's heartbeat, which has 60 s.
LOOK_MS = 5000
#: Connections beside one for each thread: recovery's, retention's, and those for a lost answer.
SPARE_CONNECTIONS = 3


def owner_here() -> str:
    """Names this process among all that ever ran, for leases: host, boot, process, and a draw, since two
    containers may share the first three."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    started = boot.read_text().strip()[:8] if boot.exists() else "-"
    return f"{platform.node()}:{started}:{os.getpid()}:{secrets.token_hex(4)}"


class Worker:
    """Everything one worker process holds, opened in order and closed in the reverse.

    `stop` is set where it has to end by itself; `other` then says why. `held` is what has to stay in place.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        owner: str,
        stop: threading.Event | None = None,
        held: Held | None = None,
    ) -> None:
        assert settings.database_url is not None and settings.redis_url is not None
        threads = settings.worker_threads
        self.owner = owner
        self.other: StartFailed | None = None
        self._held = held or Held()
        self._stop = stop or threading.Event()
        self.db = open_database(settings.database_url, pool_size=threads + SPARE_CONNECTIONS)
        self.feed = Feed(settings.redis_url)
        self.broker = open_broker(settings.redis_url)
        self._network = network = open_network(settings, settings.database_url)
        self.execution = Execution(
            self.db,
            network,
            self.feed,
            owner=owner,
            threads=threads,
            max_attempts=settings.max_attempts,
            max_active=settings.max_active,
        )
        actors.declare(self.broker, self.execution)
        self.recovery = Recovery(
            self.db,
            self.broker,
            self.execution,
            owner=owner,
            network=network.name,
            threads=threads,
            each_beat=self.check_release,
        )
        self.roster = Roster(
            settings.redis_url, owner=owner, threads=threads, busy=lambda: len(self.execution.busy)
        )
        self.retention = Retention(self.db, days=settings.keep_days) if settings.keep_days else None
        self._threads = dramatiq.Worker(self.broker, worker_threads=threads, worker_timeout=LOOK_MS)

    def check_release(self) -> None:
        """A newer daemon may migrate the database at any time: from then on its workers have the orders. And
        once the home is another one, its sockets lead to another one's database."""
        try:
            self._held.check()
            migrations.require(self.db)
        except (OtherRelease, HomeLost) as other:
            self.other = other
            self._stop.set()

    def start(self) -> None:
        self._threads.start()
        self.recovery.start()
        self.roster.start()
        if self.retention is not None:
            self.retention.start()

    def stop(self) -> None:
        """What runs ends, or is left where another worker can go on; nothing new begins."""
        if self.retention is not None:
            self.retention.stop()
        self.recovery.stop()
        self.execution.stop()
        self._threads.stop()
        self.roster.stop()
        self.execution.close()
        self.broker.close()
        self.feed.close()
        self._network.close()
        self.db.dispose()


def run(settings: Settings, *, home_id: str | None) -> None:
    """Works until told to stop. `home_id`: this is the one worker of that home's daemon.

    Raises `OtherRelease`, at the start or later, where the database is not of this release's schema, and
    `HomeLost` where the home is no longer that one.
    """
    stop = threading.Event()

    def asked(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, asked)
    owner = owner_here()
    held = Held()
    if home_id is not None:
        owner = f"{home_id}:{owner}"
        threading.Thread(target=_watch_parent, args=(stop,), daemon=True).start()
        _alone(held, settings.home / "id", home_id)
    worker = Worker(settings, owner=owner, stop=stop, held=held)
    # Before the first order. A Postgres that is away is asked again by the beat.
    with contextlib.suppress(OperationalError):
        migrations.require(worker.db)
    if home_id is not None:
        # The lock is ours, so whoever held leases in this home's name is dead.
        with worker.db.connect() as conn:
            freed = leases.clear_leases(conn, f"{home_id}:")
        log.info("took over", extra={"leases": freed})
    garbage.started()
    worker.start()
    log.info("worker ready", extra={"threads": settings.worker_threads, "lease_owner": owner})
    stop.wait()
    worker.stop()
    log.info("worker stopped")
    if worker.other is not None:
        raise worker.other


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


def _watch_parent(stop: threading.Event) -> None:
    """The daemon holds the other end of our standard input: its end is the daemon's end.

    Read past Python's buffers, whose lock would be held by this thread when the process ends.
    """
    while os.read(0, 1):
        pass
    stop.set()

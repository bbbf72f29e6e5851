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
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import dramatiq
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from oee_daemon import gc_tuning, inherited
from oee_daemon.engine import actors, foundation
from oee_daemon.engine.execution import Execution
from oee_daemon.engine.identity import NOWHERE, Identity, named_wallet, try_to_settle
from oee_daemon.engine.recovery import Recovery
from oee_daemon.engine.retention import Retention
from oee_daemon.errors import ChainUnavailable, HomeLost, OtherEngine, OtherRelease, StartFailed
from oee_daemon.home.held import Held
from oee_daemon.logfile import OwnLog
from oee_daemon.networks.network import open_network
from oee_daemon.queue.broker import open_broker
from oee_daemon.queue.feed import Feed
from oee_daemon.queue.roster import Roster
from oee_daemon.settings import Settings
from oee_daemon.store import migrations
from oee_daemon.store.database import open_database

log = logging.getLogger(__name__)

#: Milliseconds after which a silent queue is looked at anyway: Dramatiq's heartbeat, which has 60 s.
LOOK_MS = 5000
#: Seconds that a worker has to end once it was told to: less than its supervisor gives it.
END_S = 25.0
#: Seconds in a thread's hands, past what the chain may take, after which an order says that the thread hangs.
HANGS_S = 120.0
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


class Worker:
    """Everything one worker process holds, opened in order and closed in the reverse. `former`: see
    `Recovery`.

    `stop` is set where it has to end by itself; `other` then says why. `held` is what has to stay in place.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        owner: str,
        stop: threading.Event | None = None,
        former: str = "",
        mark: Path | None = None,
        beat: Callable[[], None] = lambda: None,
        held: Held | None = None,
    ) -> None:
        assert settings.database_url is not None and settings.redis_url is not None
        threads = settings.worker_threads
        self.owner = owner
        self.other: StartFailed | None = None
        self._held = held or Held()
        self._stop = stop or threading.Event()
        self._beat = beat
        self._database: str | None = None
        self.db = open_database(settings.database_url, pool_size=settings.worker_connections)
        self.feed = Feed(settings.redis_url)
        self.broker = open_broker(settings.redis_url)
        self._network = network = open_network(settings, settings.database_url, self._named_wallet)
        self.execution = Execution(
            self.db,
            network,
            self.feed,
            owner=owner,
            threads=threads,
            max_attempts=settings.max_attempts,
            max_active=settings.max_active,
        )
        self.identity = Identity(self.db, network, mark=mark, keep_days=settings.keep_days)
        actors.declare(self.broker, self.execution)
        self.recovery = Recovery(
            self.db,
            self.broker,
            self.execution,
            owner=owner,
            network=network.name,
            threads=threads,
            former=former,
            each_beat=self.each_beat,
        )
        self.roster = Roster(
            settings.redis_url,
            owner=owner,
            threads=threads,
            busy=lambda: len(self.execution.busy),
            more=self._told,
        )
        self.retention = Retention(self.db, days=settings.keep_days) if settings.keep_days else None
        self._threads = dramatiq.Worker(self.broker, worker_threads=threads, worker_timeout=LOOK_MS)

    def _told(self) -> dict[str, Any]:
        return {"longestS": round(self.execution.longest_s, 1), "database": self._database}

    def each_beat(self) -> None:
        """Says that this worker works: recovery's turns go on, and no thread hangs. Looks at the database."""
        if max(self.execution.longest_s, self.identity.hang_s) <= self._network.chain.expected_s() + HANGS_S:
            self._beat()
        self.check()
        if self._database is None:
            with self.db.connect() as conn:
                self._database = foundation.identity(conn)

    def _named_wallet(self) -> str | None:
        """Asked where this home has no wallet: only a database that nobody has worked on gets a new one."""
        try:
            migrations.require(self.db)
            return named_wallet(self.db)
        except OperationalError:
            raise StartFailed(
                "This home has no wallet, and Postgres does not answer when asked whose orders it has."
                " Try again when it does."
            ) from None

    def check(self) -> None:
        """A newer daemon may migrate the database at any time: from then on its workers have the orders. The
        database may be another, or an older one, than it was a moment ago. And once the home is another one,
        its sockets lead to another one's database."""
        try:
            self._held.check()
            migrations.require(self.db)
            self.identity.look()
        except (OtherRelease, OtherEngine, HomeLost) as other:
            self.other = other
            self._stop.set()
        except ChainUnavailable as e:
            log.warning("not known yet whether the database forgot", extra={"reason": e.message})
        finally:
            self._allow()

    def settle(self) -> None:
        """Before the first order. Raises `OtherEngine`."""
        try_to_settle(self.identity)
        self._allow()

    def _allow(self) -> None:
        # Until it is known whose database it is, and where, nothing is claimed.
        self.execution.places.where = self.identity.known if self.identity.settled else NOWHERE

    def start(self) -> None:
        if not self.identity.settled:
            self.settle()
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
        self.close()

    def close(self) -> None:
        """Gives back what it holds open."""
        self.execution.close()
        self.broker.close()
        self.feed.close()
        self._network.close()
        self.db.dispose()


def run(settings: Settings, *, home_id: str | None, beats: int | None = None) -> None:
    """Works until told to stop. `home_id`: this is the one worker of that home's daemon, which is told of
    each beat through the descriptor `beats`.

    Raises `OtherRelease`, at the start or later, where the database is not of this release's schema, and
    `HomeLost` where the home is no longer that one; a worker that stands alone also `Unreachable` and
    `Unsuitable`, as its daemon would.
    """
    stop = Ending()

    def asked(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    own_log = OwnLog(settings.log_dir / "daemon.log")

    def hung_up(_number: int, _frame: FrameType | None) -> None:
        own_log.reopen()

    for number in inherited.farewells():
        signal.signal(number, asked)
    if signal.SIGHUP not in inherited.farewells():
        signal.signal(signal.SIGHUP, hung_up)
    owner = owner_here()
    held = Held()
    if home_id is not None:
        owner = f"{home_id}:{owner}"
        threading.Thread(target=_watch_parent, args=(stop,), daemon=True).start()
        _alone(held, settings.home / "id", home_id)
    # The lock is ours, so whoever held leases in this home's name is dead.
    former = "" if home_id is None else f"{home_id}:"
    # Only the home's own: a file that nobody flushes tells nothing of another host's.
    mark = settings.home / "mark" if home_id is not None else None
    beat = (lambda: None) if beats is None else (lambda: _beat(beats))
    if home_id is None:
        _require_servers(settings)
    worker = Worker(settings, owner=owner, stop=stop, former=former, mark=mark, beat=beat, held=held)
    # Before the first order. A Postgres that is away is asked again by the beat; leases end by themselves.
    try:
        migrations.require(worker.db)
        worker.settle()
    except SQLAlchemyError as e:
        log.warning("Postgres can't be reached", extra={"reason": str(e.__cause__ or e)})
    gc_tuning.started()
    worker.start()
    log.info("worker ready", extra={"threads": settings.worker_threads, "lease_owner": owner})
    while not stop.wait(AWAKE_S):
        pass
    worker.stop()
    log.info("worker stopped")
    if worker.other is not None:
        raise worker.other


def _require_servers(settings: Settings) -> None:
    """Before anything asks them: whose fault it is, is then said. Raises `Unreachable` and `Unsuitable`."""
    assert settings.database_url is not None and settings.redis_url is not None
    # Two connections: whether a pool mixes them shows with the second.
    db = open_database(settings.database_url, pool_size=2)
    try:
        foundation.require(db)
    finally:
        db.dispose()
    foundation.require_queue(settings.redis_url)


def _beat(descriptor: int) -> None:
    # Full: nobody has read for a while; gone: our standard input ends with it.
    with contextlib.suppress(OSError):
        os.write(descriptor, b".")


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

"""A worker: Dramatiq's threads on the queue, an execution for them, and the chores beside it.

How it becomes a process, and is one of a daemon's, is in `engine_process`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import dramatiq
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from oee_daemon.contract.setting_protection import OF_WORKERS
from oee_daemon.engine import engine_actors, recovery, retention
from oee_daemon.engine.engine_beats import Beat, Chore
from oee_daemon.engine.engine_identity import NOWHERE, Identity, named_wallet, try_to_settle
from oee_daemon.engine.engine_loop import Loop
from oee_daemon.engine.engine_send_gate import Gate
from oee_daemon.engine.engine_urgent_orders import UrgentOrders
from oee_daemon.engine.engine_watcher import Watcher
from oee_daemon.engine.execution import Execution
from oee_daemon.engine.recovery import Recovery
from oee_daemon.engine.retention import Retention
from oee_daemon.errors import ChainUnavailable
from oee_daemon.home.home_held_path import Held
from oee_daemon.networks.network_opening import open_network
from oee_daemon.queue import queue_roster
from oee_daemon.queue.queue_broker import open_broker
from oee_daemon.queue.queue_hints import Feed
from oee_daemon.queue.queue_roster import Roster
from oee_daemon.settings import Settings
from oee_daemon.start_errors import HomeLost, OtherEngine, OtherRelease, StartFailed
from oee_daemon.store import migrations, server_fact_sql
from oee_daemon.store.database import LEAD_S, look_anew, open_database
from oee_daemon.store.postgres_line import Line

log = logging.getLogger(__name__)

#: Milliseconds after which a silent queue is asked anyway. Dramatiq takes a worker whose last command is
#: older than 60 s for dead, and its messages for anybody's (`heartbeat_timeout` of its `RedisBroker`:
#: https://dramatiq.io/reference.html#dramatiq.brokers.redis.RedisBroker).
LOOK_MS = 5000
#: Seconds between two beats of a worker that only ends what it has.
LEAVING_S = 1.0
#: Signatures that a worker names of those that its nodes don't agree about.
_TOLD = 10


class Worker:
    """Everything one worker holds. `former`: see `Recovery`. `alive` is called while nothing hangs.

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
        alive: Callable[[], None] = lambda: None,
        held: Held | None = None,
    ) -> None:
        assert settings.database_url is not None and settings.redis_url is not None
        self.owner = owner
        self.other: StartFailed | None = None
        self._held = held or Held()
        self._stop = stop or threading.Event()
        self._alive = alive
        self._hangs_s = settings.timing.hangs_s
        self._database: str | None = None
        self.db = open_database(settings.database_url, pool_size=settings.worker_connections)
        self.feed = Feed(settings.redis_url)
        self.broker = open_broker(settings.redis_url)
        self._network = open_network(
            settings, settings.database_url, partial(self._named_wallet, settings.network)
        )
        self.wallet = self._network.wallet
        kept = settings.dump() | {"venues": ",".join(venue.name for venue in self._network.venues)}
        self._keeps = {name: kept.get(name) for name in OF_WORKERS}
        self.loop = Loop(settings.worker_threads)
        self._line = Line(settings.database_url, most=int(settings.timing.flight_rows))
        self.execution = self._make_execution(settings)
        self.urgent = UrgentOrders(self.execution, self.loop, most=self.execution.slots.most)
        self.identity = self._make_identity(settings, mark)
        self.watcher = self._make_watcher(settings)
        self._watching: Future[None] | None = None
        engine_actors.declare(self.broker, self.execution, lambda: self.loop.call(self.watcher.wake))
        self.recovery = self._make_recovery(settings, former)
        self.roster = self._make_roster(settings.redis_url, settings.worker_threads)
        self._threads = dramatiq.Worker(
            self.broker, worker_threads=settings.worker_threads, worker_timeout=LOOK_MS
        )
        # One for each party that chores ask, so that neither Postgres nor Valkey holds up what the other one
        # gets to hear.
        self._beat = Beat("postgres", self._chores(settings))
        self._roster_beat = Beat(
            "valkey", [Chore(name="roster", once=self.roster.once, every_s=queue_roster.EVERY_S)]
        )
        # A new connection may be slow to come where those that are there answer.
        leads = Chore(name="where new connections lead", once=lambda: look_anew(self.db), every_s=LEAD_S)
        self._lead_beat = Beat("new connections", [leads])

    def _make_execution(self, settings: Settings) -> Execution:
        return Execution(
            self.db,
            self._line,
            self.loop,
            self._network,
            self.feed,
            owner=self.owner,
            max_attempts=settings.max_attempts,
            max_active=settings.max_active,
            urgent_places=settings.urgent_places,
            timing=settings.timing,
            gate=Gate(settings.home, self._network.name),
        )

    def _make_identity(self, settings: Settings, mark: Path | None) -> Identity:
        return Identity(
            self.db,
            self._network,
            self.loop.run,
            mark=mark,
            must_be_held=self._held.check,
            keep_days=settings.keep_days,
            alive=self._alive,
        )

    def _make_watcher(self, settings: Settings) -> Watcher:
        assert settings.database_url is not None
        return Watcher(
            self.db,
            self._network,
            self.broker,
            self.feed,
            owner=self.owner,
            max_active=settings.max_active,
            may=lambda: self.identity.settled and self.other is None,
            where=lambda: self.identity.known,
            urgent=self.urgent,
            line=Line(settings.database_url),
        )

    def _make_roster(self, redis_url: str, threads: int) -> Roster:
        return Roster(
            redis_url,
            owner=self.owner,
            threads=threads,
            busy=lambda: len(self.execution.busy),
            more=self._describe,
        )

    def _make_recovery(self, settings: Settings, former: str) -> Recovery:
        return Recovery(
            self.db,
            self.broker,
            self.execution,
            self.urgent,
            owner=self.owner,
            network=self._network.name,
            threads=settings.worker_threads,
            former=former,
            timing=settings.timing,
        )

    def _chores(self, settings: Settings) -> list[Chore]:
        wait = settings.timing
        # Recovery may have been away for long: what was stuck by then is given a minute.
        look_s = recovery.LOOK_EVERY_S
        chores = [
            Chore(name="presence", once=self.show_presence, every_s=wait.beat_s),
            Chore(name="recovery", once=self.recovery.once, every_s=wait.beat_s, soon_s=wait.soon_s),
            Chore(name="stuck", once=self.recovery.look_for_stuck, every_s=look_s, first_s=look_s),
        ]
        if settings.keep_days:
            old = Retention(self.db, days=settings.keep_days)
            soon_s = retention.MORE_S
            chores.append(
                Chore(
                    name="retention",
                    once=old.once,
                    every_s=retention.EVERY_S,
                    soon_s=soon_s,
                    first_s=soon_s,
                )
            )
        return chores

    def _describe(self) -> dict[str, Any]:
        # A chore that hangs is worth a look as much as an order that does.
        longest_s = max(self.execution.longest_s, self._beat.hang_s)
        contested = self._network.contests.lasting()[:_TOLD]
        told = {"database": self._database, "keeps": self._keeps, "contested": contested}
        return {"longestS": round(longest_s, 1), **told}

    def show_presence(self) -> bool:
        """Says that this worker works: its chores are done, and no thread hangs. Looks at the database."""
        if self.execution.longest_s <= self._network.chain.expected_s() + self._hangs_s:
            self._alive()
        self.check()
        if self._database is None:
            with self.db.connect() as conn:
                self._database = server_fact_sql.fingerprint(conn)
        return False

    def _named_wallet(self, network: str) -> str | None:
        """Asked where this home has no wallet: only a database that nobody has worked on gets a new one."""
        try:
            migrations.require(self.db)
            return named_wallet(self.db, network)
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
        self.execution.slots.where = self.identity.known if self.identity.settled else NOWHERE

    def start(self) -> None:
        if not self.identity.settled:
            self.settle()
        # Before anything is sent; where Postgres is away nothing is, either.
        with suppress(SQLAlchemyError):
            self.recovery.beat()
        # The threads first: what recovery finds is handed to them.
        self._threads.start()
        self._beat.start()
        self._roster_beat.start()
        self._lead_beat.start()
        self._watching = self.loop.begin(self.watcher.run())

    def stop(self) -> None:
        """What runs ends, or is left where another worker can go on; nothing new begins."""
        # First, or orders would be taken up for threads that end; whoever asks Postgres then sees one worker
        # less, which is true: this one only ends what it has.
        self._beat.stop()
        if self._watching is not None:
            self.loop.call(self.watcher.stop)
            self._watching.result()
            self.loop.run(self.watcher.leave())
        self.recovery.leave()
        leaving = Beat(
            "leaving",
            [Chore(name="leaving", once=partial(self.recovery.beat, leaving=True), every_s=LEAVING_S)],
        )
        leaving.start()
        # Before the threads are told: one that waits for a slot, which others may hold for long, would be
        # waited for.
        self.execution.stop()
        self.loop.call(self.urgent.stop)
        # Gives back to the queue what was fetched and not begun, and returns once what runs has ended or been
        # let go.
        self._threads.stop()
        self.loop.run(self.urgent.finish())
        leaving.stop()
        self.recovery.end()
        self._lead_beat.stop()
        # As long as an order ran, people saw at whose hands.
        self._roster_beat.stop()
        self.roster.leave()
        self.close()

    def close(self) -> None:
        """Gives back what it holds open."""
        self.broker.close()
        self.feed.close()
        self.loop.run(self._line.close())
        self.loop.run(self._network.close())
        self.loop.stop()
        self.db.dispose()

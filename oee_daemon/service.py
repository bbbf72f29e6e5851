"""The daemon once its servers answer: migrates, hands the worker its settings, opens the listeners, keeps
what runs alive, and takes it all down in order; each line with its reason.

It runs on the main thread: on Linux a child dies with the thread that made it, which is how nothing
outlives the daemon.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from oee_daemon import event_loop, gc_tuning, inherited
from oee_daemon.api import api_app
from oee_daemon.api.api_auth import token_of
from oee_daemon.api.api_listeners import Listeners
from oee_daemon.api.api_order_door import OrderDoor
from oee_daemon.api.api_state import Surroundings
from oee_daemon.api.told_wire import blind_json, told_json
from oee_daemon.contract import halt_mark, home_files
from oee_daemon.contract.moments import rfc3339
from oee_daemon.contract.protocol import PROTOCOL, READY, VERSION
from oee_daemon.embedded import Servers
from oee_daemon.embedded.embedded_supervision import Watch
from oee_daemon.embedded.embedded_worker import STOP_S, WorkerProcess
from oee_daemon.engine import engine_durability
from oee_daemon.engine.engine_beats import Beat, Chore
from oee_daemon.engine.engine_identity import Identity, named_wallet, try_to_settle
from oee_daemon.engine.engine_telling import Teller, open_targets
from oee_daemon.engine.engine_wallet_lock import WalletLock
from oee_daemon.engine.halting import Halting
from oee_daemon.errors import Unavailable
from oee_daemon.home import home_protection
from oee_daemon.home.home_folder import Home
from oee_daemon.logfile import OwnLog
from oee_daemon.networks.network_opening import open_network
from oee_daemon.networks.wallet.key_passphrase import read_passphrase_file
from oee_daemon.queue.queue_broker import open_broker
from oee_daemon.queue.queue_hints import Feed
from oee_daemon.settings import API_CONNECTIONS, Settings
from oee_daemon.start_errors import OtherRelease
from oee_daemon.store import migrations, server_fact_sql, tail_sql
from oee_daemon.store.database import LEAD_S, look_anew, open_database

T = TypeVar("T")

log = logging.getLogger(__name__)

#: Seconds between two looks at the children.
BEAT_S = 0.2
#: Beats between two looks at the files by which the daemon is found: a second.
LOOK_BEATS = 5


def _prepare(db: Engine, settings: Settings) -> None:
    """Looks at the servers and brings the schema up to date. Raises `StartFailed`."""
    assert settings.redis_url is not None
    for weakness in engine_durability.require(db):
        log.warning(weakness.message, extra={"code": weakness.code})
    try:
        with db.connect() as conn:
            ours = server_fact_sql.fingerprint(conn)
        engine_durability.require_queue(settings.redis_url, ours)
        migrations.migrate(db)
    except SQLAlchemyError as e:
        raise engine_durability.away(e) from None


class Service:
    """What runs in the event loop of the main thread."""

    def __init__(
        self, settings: Settings, home: Home, servers: Servers, worker: WorkerProcess, watch: Watch
    ) -> None:
        assert settings.database_url is not None and settings.redis_url is not None
        self._home = home
        self._servers = servers
        self._started_at = rfc3339(datetime.now(UTC), "seconds")
        self._loosened: dict[str, tuple[str, str | None]] = {}
        self._db = open_database(settings.database_url, pool_size=API_CONNECTIONS)
        # Before anything reads a table.
        _prepare(self._db, settings)
        tail_sql.begin(self._db)
        self._network = network = open_network(
            settings, settings.database_url, lambda: named_wallet(self._db, settings.network)
        )
        # What signs is the worker: here the address is enough.
        network.wallet.lock()
        if settings.wallet_passphrase_file is not None:
            read_passphrase_file(settings.wallet_passphrase_file)
        self._identity = Identity(
            self._db,
            network,
            self._wait_for,
            mark=home.path / "mark",
            must_be_held=home.must_be_held,
            keep_days=settings.keep_days,
        )
        self._settings = settings
        self._log = OwnLog(settings.home / home_files.DAEMON_LOG)
        self._worker = worker
        self._worker_watch = watch
        self._lock = WalletLock(network.wallet, worker, passphrase_file=settings.wallet_passphrase_file)
        worker.heard, worker.stays_locked = self._lock.heard, self._lock.stays_locked
        self._halting = self._make_halting()
        self._teller = self._make_teller()
        leads = Chore(name="where new connections lead", once=lambda: look_anew(self._db), every_s=LEAD_S)
        self._beat = Beat("postgres", [leads])
        self._feed = Feed(settings.redis_url)
        self._broker = open_broker(settings.redis_url)
        self._state = api_app.open_state(
            settings, self._db, self._broker, self._feed, network, self._surroundings()
        )
        self._listeners = self._make_listeners()

    def _make_listeners(self) -> Listeners:
        home, settings = self._home, self._settings
        return Listeners(
            OrderDoor(api_app.build(self._state)),
            path=home.socket_path,
            host=settings.host,
            port=settings.port,
            names=settings.hostnames,
            token=token_of(home.path / home_files.TOKEN),
            home=home.path,
            tag=home.tag(),
            network=self._network.name,
        )

    def _make_halting(self) -> Halting:
        return Halting(
            self._db,
            home=self._home.path,
            network=self._network.name,
            home_id=self._home.identity(),
            end_worker=lambda: self._wait_for(self._end_worker()),
            identity=self._identity,
            keeps=self._settings.keeps,
        )

    def _make_teller(self) -> Teller:
        return Teller(
            self._db,
            open_targets(self._settings.notify, self._settings.on_event),
            # The home's lock is ours: whoever told in its name before us is dead.
            owner=self._home.identity(),
            network=self._network.name,
            describe=lambda kind, event: told_json(kind, event, self._network.tokens),
            describe_gap=lambda gap: blind_json(gap, self._network.tokens),
        )

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            started_at=self._started_at,
            socket_path=self._home.socket_path(),
            http=lambda: self._listeners.http(),
            servers=self._servers.describe,
            worker_pid=lambda: self._worker.pid,
            home_id=self._home.identity(),
            identity=self._identity,
            lock=self._lock,
            halting=self._halting,
            teller=self._teller,
        )

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """For another thread what our loop makes of it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _end_worker(self) -> None:
        self._worker.end_lost()

    async def _heed_halt(self) -> None:
        """What halted this home while Postgres could not be told."""
        if halt_mark.halts(self._home.path, self._network.name):
            try:
                await asyncio.to_thread(self._halting.heed_mark)
            except (SQLAlchemyError, Unavailable, OSError) as e:
                log.warning("halted, which can't be stored yet", extra={"reason": str(e.__cause__ or e)})

    def run(self, settled: Callable[[], None]) -> None:
        """Until told to stop. `settled` is called, on a thread, once the database says whose it is. Raises
        `HomeLost`, and `OtherEngine` where it is another's."""
        with asyncio.Runner(loop_factory=event_loop.new_loop) as runner:
            runner.run(self._run(settled))

    async def _run(self, settled: Callable[[], None]) -> None:
        stop = asyncio.Event()
        self._loop = loop = asyncio.get_running_loop()
        # Before the worker has anything to work with: the wallet is made here, or it is another engine's.
        await asyncio.to_thread(try_to_settle, self._identity)
        await asyncio.to_thread(settled)
        await self._network.begin()
        await self._heed_halt()
        self._home.phase("schema")
        self._worker.hand(self._settings)
        for number in inherited.farewells():
            loop.add_signal_handler(number, self._stop_asked, stop, number.name)
        if signal.SIGHUP not in inherited.farewells():
            loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        hints = asyncio.create_task(self._state.hub.run())
        try:
            await self._listeners.open()
            self._home.phase("worker")
            self._loosened = home_protection.note(self._home.path, self._settings)
            if self._loosened:
                log.warning("less protects money than before", extra={"settings": self._loosened})
            self._announce()
            self._teller.start()
            self._beat.start()
            gc_tuning.started()
            about = {"pid": os.getpid(), "http": self._listeners.http()["url"], "loop": event_loop.name(loop)}
            log.info("daemon ready", extra=about)
            await self._watch(stop)
            self._home.stopped(asked=True)
        finally:
            await self._stop(hints)

    def _stop_asked(self, stop: asyncio.Event, name: str) -> None:
        log.info("asked to stop", extra={"signal": name})
        stop.set()

    def _hung_up(self) -> None:
        """As a rotation of logs asks for it; no terminal is lost that was ours."""
        reopened = self._log.reopen()
        log.info("SIGHUP: " + ("the log is opened anew" if reopened else "nothing to do"))
        self._worker.reopen_log()

    def _announce(self) -> None:
        http = self._listeners.http()
        self._home.announce(
            {
                "pid": os.getpid(),
                "network": self._settings.network,
                "socket": str(self._home.socket_path()),
                "http": http["url"],
                "version": VERSION,
                "protocol": PROTOCOL,
                "startedAt": self._started_at,
                "loosened": self._loosened,
            }
        )
        self._home.phase(READY)

    async def _watch(self, stop: asyncio.Event) -> None:
        """Replaces what dies, or is taken away, until told to stop. Raises `HomeLost`."""
        listening = self._listeners.http()["listening"]
        for beat in itertools.count():
            if stop.is_set():
                return
            # `check` asks first whether the home is still ours: all that follows goes by path.
            for name in self._servers.check():
                log.warning("restarted", extra={"server": name})
            await self._look_after_worker()
            if self._log.keep():
                self._worker.reopen_log()
            if beat % LOOK_BEATS == 0:
                # uvloop closes whoever comes then, and says nothing.
                if not inherited.descriptor_is_left():
                    log.error("out of descriptors: whoever connects is not served")
                self._home.mend()
                await self._heed_halt()
                await self._listeners.mend()
            if self._listeners.http()["listening"] != listening:
                # The port was taken at the start and is ours now.
                listening = not listening
                self._announce()
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):
                    await stop.wait()

    async def _look_after_worker(self) -> None:
        """Raises `OtherRelease` where the database is not of ours: why not, by what is there now."""
        try:
            self._worker_watch.check()
        except OtherRelease as left:
            with suppress(SQLAlchemyError):
                if why := await asyncio.to_thread(migrations.why_left, self._db):
                    raise why from None
            raise left from None

    async def _stop(self, hints: asyncio.Task[None]) -> None:
        # Of a lost home nothing is waited for or tidied up: whoever started us ends its processes.
        self._home.must_be_held()
        log.info("stopping")
        # Nothing new is accepted, but those who watch see how what runs ends.
        self._state.draining.set()
        self._worker.ask_to_stop()
        deadline = asyncio.get_running_loop().time() + STOP_S
        while not self._worker.stopped() and asyncio.get_running_loop().time() < deadline:
            self._servers.check()
            await asyncio.sleep(0.02)
        self._worker.kill()
        await asyncio.to_thread(self._teller.stop)
        await asyncio.to_thread(self._beat.stop)
        # Clients that look from now on find no daemon, instead of one that is going away.
        self._home.announce(None)
        await self._listeners.close()
        hints.cancel()
        await self._state.line.close()
        self._state.intake.close()
        self._broker.close()
        self._feed.close()
        await self._network.close()
        self._db.dispose()
        log.info("stopped")

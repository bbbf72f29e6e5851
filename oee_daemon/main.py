"""Starts the daemon in the order that is quickest: servers and worker first, imports while they come up.

Nothing heavy may be imported here. Everything that starts a process runs on the main thread: on Linux a
child dies with the thread that made it, which is how nothing outlives the daemon.
"""

from __future__ import annotations

import dataclasses
import importlib
import threading

from oee_daemon.contract import home_files
from oee_daemon.embedded import Servers
from oee_daemon.embedded.embedded_supervision import Watch
from oee_daemon.embedded.embedded_worker import WorkerProcess
from oee_daemon.home import home_database
from oee_daemon.home.home_folder import Home
from oee_daemon.networks.solana.solana_profile import runs_chain
from oee_daemon.settings import LEDGER_CONNECTIONS, Settings
from oee_daemon.start_errors import OutOfThreads
from oee_daemon.store import unopened_sql

#: Threads and processes beside the worker's and those of its connections: the servers', the API's.
SPARE_THREADS = 32


def run(settings: Settings, home: Home) -> None:
    """The daemon, until SIGTERM or SIGINT. Raises `StartFailed`, with nothing left running.

    The caller holds `home`: that is what allows to clean up what an earlier daemon left.
    """
    _need_threads(2 * settings.worker_threads + SPARE_THREADS)
    home.announce(None)
    home.stopped(asked=False)
    home.phase(None)
    servers = Servers(
        home.path,
        postgres=settings.database_url is None,
        valkey=settings.redis_url is None,
        localnet=runs_chain(settings),
        listing_slots=settings.sim_listing_slots,
        network=settings.network,
        service_user=settings.service_user,
        # Twice a worker's: those of one that was killed may be there when the next one comes.
        connections=settings.connections + settings.worker_connections + LEDGER_CONNECTIONS,
        must_be_held=home.must_be_held,
    )
    worker = WorkerProcess(home.identity())
    watch = Watch(worker)
    # Half a second of imports, while the servers come up; an import that fails will fail again below.
    imports = threading.Thread(target=importlib.import_module, args=("oee_daemon.service",), daemon=True)
    try:
        watch.advance()
        imports.start()
        servers.start(home.phase)
        given = settings.database_url
        if given is None:
            # Written once by initdb: with it the whole database has to stay in its place.
            home.keep(home_files.PG_VERSION)
        settings = dataclasses.replace(
            settings,
            database_url=settings.database_url or servers.database_url,
            redis_url=settings.redis_url or servers.redis_url,
        )
        imports.join()
        from oee_daemon.service import Service

        service = Service(settings, home, servers, worker, watch)
        service.run(lambda: home_database.note(home.path, given, given and unopened_sql.engine_in(given)))
    finally:
        worker.kill()
        # Last, when nobody can want them any more.
        servers.stop()


def _need_threads(count: int) -> None:
    """Has `count` of them for a moment: what would run short takes no orders. Raises `OutOfThreads`."""
    enough = threading.Event()
    threads = [threading.Thread(target=enough.wait, daemon=True) for _ in range(count)]
    begun = 0
    try:
        for thread in threads:
            thread.start()
            begun += 1
    except RuntimeError:
        raise OutOfThreads("The daemon") from None
    finally:
        enough.set()
        for thread in threads[:begun]:
            thread.join()

"""The daemon's own servers, for real: started, killed, orphaned, and found again with their data."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest

from oee_daemon.embedded import Servers, embedded_folders, embedded_orphans, embedded_postgres
from oee_daemon.embedded.embedded_account import choose
from oee_daemon.start_errors import HomeLost, StartFailed
from tests.kit.accounts import LINUX, ROOT, on_linux
from tests.kit.homes import furnished
from tests.kit.own_servers import alive, mode, pids, queue, sql

Answer = TypeVar("Answer")

#: Starts a home's servers, says so, and waits to be killed; argument 2 switches the death signal off.
STARTER = """
import signal, sys
from pathlib import Path
from oee_daemon.embedded import Servers, embedded_child
if sys.argv[2] == "orphan":
    embedded_child._PR_SET_PDEATHSIG = 0
servers = Servers(Path(sys.argv[1]), postgres=True, valkey=True)
servers.start()
print(*[server["pid"] for server in servers.describe()], flush=True)
signal.pause()
"""


def until(true: Callable[[], Answer], seconds: float = 20.0) -> Answer:
    """Asks every few milliseconds until it is true, and returns what it then says."""
    deadline = time.monotonic() + seconds
    while not (answer := true()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
    return answer


def holds_its_data(servers: Servers) -> bool:
    return sql(servers, "SELECT n FROM kept") == 42 and queue(servers).get("kept") == b"42"


def test_a_sign_of_life_wakes_no_disk(used: Servers) -> None:
    used.start()
    with psycopg.connect(used.database_url.replace("+psycopg", ""), autocommit=True) as conn:
        conn.execute("CREATE UNLOGGED TABLE signs AS SELECT now() AS at")
        # By its usual delay the writer of the log would flush behind each; one round may fall in here.
        signs = [
            conn.execute("UPDATE signs SET at = now() RETURNING pg_sleep(0.3), pg_current_wal_flush_lsn()")
            for _ in range(6)
        ]
        assert len({at for sign in signs for _, at in sign}) <= 2


def test_a_bare_home_gets_two_servers_that_answer_and_nobody_else_hears(
    home: Path, make: Callable[..., Servers]
) -> None:
    servers, ready = make(), list[str]()
    servers.start(ready.append)
    assert sorted(ready) == ["postgres", "queue"]
    assert sql(servers, "SELECT current_user") == "oee"
    assert queue(servers).ping()
    assert [(s["name"], str(s["version"])[:2], s["state"]) for s in servers.describe()] == [
        ("valkey", "9.", "running"),
        ("postgres", "18", "running"),
    ]
    account = choose(None)
    for name in ("postgres", "valkey", "sockets"):
        assert (mode(home / name), (home / name).stat().st_uid) == (0o700, account.uid)
    assert mode(home) == (0o711 if ROOT else 0o700)
    shown = {name: sql(servers, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "data_checksums")}
    assert shown == dict.fromkeys(shown, "on")
    settings = queue(servers).config_get("append*")
    assert (settings["appendonly"], settings["appendfsync"]) == ("yes", "everysec")
    if LINUX:
        assert not listening(pids(servers).values())
    assert servers.check() == []


@on_linux
def test_a_system_without_room_for_shared_memory_has_a_database_all_the_same(
    make: Callable[..., Servers], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place, enough, kind in (
        (tmp_path / "none", 1, "mmap"), (tmp_path, 1, "mmap"), (Path("/dev/shm"), 1, "posix"),
        (Path("/dev/shm"), 2**62, "mmap"),
    ):  # fmt: skip
        monkeypatch.setattr(embedded_postgres, "_SHARED_MEMORY", place)
        monkeypatch.setattr(embedded_postgres, "_ENOUGH", enough)
        servers = make()
        servers.start()
        assert sql(servers, "SHOW dynamic_shared_memory_type") == kind
        servers.stop()


def listening(of: Any) -> set[str]:
    """The network sockets on which any of these processes listens."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        inodes |= {line.split()[9] for line in lines if line.split()[3] == "0A"}
    held = {os.readlink(link) for pid in of for link in Path(f"/proc/{pid}/fd").iterdir()}
    return {inode for inode in inodes if f"socket:[{inode}]" in held}


def test_data_outlives_a_stop(used: Servers) -> None:
    used.start()
    assert holds_its_data(used)
    sql(used, "UPDATE kept SET n = n + 1")
    used.stop()
    assert [server["state"] for server in used.describe()] == ["stopped", "stopped"]
    used.start()
    assert sql(used, "SELECT n FROM kept") == 43


def test_a_killed_server_comes_back(used: Servers) -> None:
    used.start()
    for name, pid in pids(used).items():
        os.kill(pid, signal.SIGKILL)
        assert until(used.check) == [name]
        assert pids(used)[name] != pid
        assert holds_its_data(used)


def test_a_postgres_whose_recovery_failed_comes_back_once_the_disk_does(used: Servers, home: Path) -> None:
    """As where the disk is full when a backend crashes. PostgreSQL 18 that starts anew by itself, and fails
    at that, lives on and lets nobody in, for good."""
    used.start()
    folder = home / "postgres" / "pg_wal"
    url = used.database_url.replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        folder.rename(home / "gone")
        os.kill(connection.info.backend_pid, signal.SIGKILL)
        log = home / "logs" / "postgres.log"
        until(lambda: used.check() or failed(log.read_text()))
    (home / "gone").rename(folder)
    assert until(used.check) == ["postgres"]
    assert holds_its_data(used)


def failed(log: str) -> bool:
    """Whether Postgres has tried to come up without its log."""
    return "pg_wal" in log


@pytest.mark.parametrize("how", ["removed", "replaced", "with its folder"])
def test_a_server_that_lost_its_socket_gets_it_back(used: Servers, home: Path, how: str) -> None:
    """As a cleaner of temporary folders leaves it: the server runs, and nobody new gets in."""
    used.start()
    before = pids(used)
    for name in ("valkey.sock", ".s.PGSQL.5432"):
        (home / "sockets" / name).unlink()
        if how == "replaced":
            (home / "sockets" / name).write_text("somebody else's")
    if how == "with its folder":
        shutil.rmtree(home / "sockets")
    back: list[str] = []
    until(lambda: len(back.__iadd__(used.check())) == 2, 60)
    assert sorted(back) == sorted(before)
    assert holds_its_data(used)
    assert not pids(used).items() & before.items()
    assert used.check() == []


@on_linux
def test_servers_of_a_folder_that_was_moved_are_its_own_wherever_it_is(
    used: Servers, home: Path, folder: Path
) -> None:
    """Another home at the former path, or in another container, must not take them for its orphans."""
    used.start()
    started = pids(used)
    home.rename(folder / "aside")
    for name, program in (("postgres", "postgres"), ("valkey", "valkey-server")):
        assert embedded_orphans.working_in(home / name, program) == {}
        (home / name).mkdir(parents=True)
        assert embedded_orphans.working_in(home / name, program) == {}
        assert embedded_orphans.working_in(folder / "aside" / name, program)[started[name]] is True
    shutil.rmtree(home)
    (folder / "aside").rename(home)


def test_servers_of_a_lost_home_are_killed_and_leave_sockets_alone(home: Path, folder: Path) -> None:
    lost: list[HomeLost] = []

    def must_be_held() -> None:
        for loss in lost:
            raise loss

    servers = Servers(furnished(home), postgres=True, valkey=True, must_be_held=must_be_held)
    servers.start()
    started = pids(servers)
    lost.append(HomeLost(home))
    os.kill(started["postgres"], signal.SIGKILL)
    with pytest.raises(HomeLost):
        servers.check()
    servers.stop()
    assert not any(alive(pid) for pid in started.values())
    assert sorted(os.listdir(home / "sockets")) == [".s.PGSQL.5432", ".s.PGSQL.5432.lock", "valkey.sock"]
    with pytest.raises(HomeLost):
        servers.start()


def test_restarts_pause_longer_and_longer_and_a_check_never_raises(used: Servers, home: Path) -> None:
    used.start()
    (home / "postgres").rename(home / "gone")
    (home / "postgres").write_text("not a folder")
    os.kill(pids(used)["postgres"], signal.SIGKILL)
    watch = next(w for w in used._watches if w.server.name == "postgres")
    until(lambda: used.check() or watch._pause >= 0.4)
    assert used.describe()[1]["state"] == "restarting"
    (home / "postgres").unlink()
    (home / "gone").rename(home / "postgres")
    until(used.check)
    assert holds_its_data(used)
    assert watch._pause == 0.1


def test_a_stale_lock_does_not_stop_a_start(used: Servers, home: Path) -> None:
    account = choose(None)
    other = subprocess.Popen(["sleep", "60"], cwd="/", user=account.uid if ROOT else None)
    try:
        for content in ("", "not a number\n", f"{other.pid}\n{home / 'postgres'}\n"):
            lock = home / "postgres" / "postmaster.pid"
            lock.write_text(content)
            lock.chmod(0o600)
            os.chown(lock, account.uid, account.gid)
            embedded_folders.own(home / "sockets", account)
            (home / "sockets" / ".s.PGSQL.5432.lock").write_text(f"{other.pid}\n")
            (home / "valkey" / "valkey.pid").write_text(f"{other.pid}\n")
            used.start()
            assert holds_its_data(used)
            assert other.poll() is None
            used.stop()
    finally:
        other.kill()
        other.wait()


def test_a_half_made_database_is_made_anew(home: Path, make: Callable[..., Servers]) -> None:
    starter = subprocess.Popen([sys.executable, "-c", STARTER, str(home), "-"], stdout=subprocess.DEVNULL)
    until(lambda: list(home.glob("postgres.making-*/global")))
    starter.kill()
    starter.wait()
    assert not (home / "postgres").exists()
    servers = make()
    servers.start()
    assert sql(servers, "SELECT 1") == 1
    assert not list(home.glob("postgres.making-*"))


@on_linux
@pytest.mark.parametrize("way", ["die with it", "orphan"])
def test_a_killed_daemon_leaves_nothing_in_the_way(used: Servers, home: Path, way: str) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(home), way], stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    started = [int(pid) for pid in starter.stdout.readline().split()]
    assert len(started) == 2
    starter.kill()
    starter.communicate()
    if way == "orphan":
        assert all(alive(pid) for pid in started)
        used.start()
        assert not any(alive(pid) for pid in started)
    else:
        until(lambda: not any(alive(pid) for pid in started))
        used.start()
    assert holds_its_data(used)


def test_another_version_s_data_is_named_not_touched(used: Servers, home: Path) -> None:
    (home / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(StartFailed, match=r"PostgreSQL 17.*OEE_DATABASE_URL"):
        used.start()
    assert not any(server["pid"] for server in used.describe())
    (home / "postgres" / "PG_VERSION").write_text("18\n")
    used.start()
    assert holds_its_data(used)


def test_a_failed_start_shows_the_log_and_leaves_nothing(used: Servers, home: Path) -> None:
    (home / "postgres" / "postgresql.auto.conf").write_text("shared_buffers = 'no size'\n")
    with pytest.raises(StartFailed) as failure:
        used.start()
    assert "shared_buffers" in failure.value.message
    assert str(home / "logs" / "postgres.log") in failure.value.message
    assert not any(server["pid"] for server in used.describe())


def test_a_queue_that_cannot_be_read_is_put_aside(used: Servers, home: Path) -> None:
    for file in (home / "valkey" / "appendonlydir").iterdir():
        file.write_bytes(b"nonsense\r\n")
    used.start()
    assert queue(used).ping()
    assert (home / "valkey" / "appendonlydir.unreadable").is_dir()
    assert sql(used, "SELECT n FROM kept") == 42


def test_logs_do_not_grow_without_bound(used: Servers, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oee_daemon.logfile.LIMIT", 1000)
    used.start()
    log = home / "logs" / "postgres.log"
    sql(used, f"DO $$ BEGIN RAISE LOG '{'x' * 2000}'; END $$")
    until(lambda: log.stat().st_size > 1000)
    written = used._watches[1].server.log
    assert written is not None
    written.trim()
    assert log.stat().st_size == 0
    sql(used, "DO $$ BEGIN RAISE LOG 'short'; END $$")
    until(lambda: log.read_bytes().startswith(b"2"))

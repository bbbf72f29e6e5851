"""`oee backup` of a real home: whole under load, and under any name that takes it.

One daemon with its own servers is the original for the whole file; it works on after every backup.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import stat
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oee_cli.backup.backup_run import backup
from oee_cli.cli_errors import UsageFault
from oee_cli.output import Output
from oee_daemon.backups import archive_dump, archive_file
from oee_daemon.backups.archive_take import take
from oee_daemon.embedded import Servers
from oee_daemon.errors import BackupFailed
from oee_daemon.settings import Settings
from tests.kit.api_daemon import SELL, Shared, alone
from tests.kit.commands import OEE, Cli, end
from tests.kit.daemons import until
from tests.kit.databases import Connection, connect


@pytest.fixture(scope="module")
def original(file_homes: Path) -> Iterator[Shared]:
    with alone(file_homes / "a") as running:
        yield running


@pytest.fixture
def cli(original: Shared) -> Cli:
    return Cli(original.daemon.home)


def test_a_backup_taken_under_load_is_one_moment_of_it(
    original: Shared, cli: Cli, file_homes: Path, servers: Servers
) -> None:
    enough, stop = threading.Event(), threading.Event()

    def trade() -> None:
        with original.daemon.client() as http:
            while not stop.is_set():
                http.post("/api/orders/execute", json=SELL).raise_for_status()
                if original.http.get("/api/orders?status=confirmed&limit=5").json()["nextCursor"]:
                    enough.set()

    trader = threading.Thread(target=trade)
    trader.start()
    assert enough.wait(30)
    target = file_homes / "load.oee"
    done = cli.json("backup", str(target))
    stop.set()
    trader.join()
    assert 5 < done["orders"] < original.stored()
    assert (done["file"], done["bytes"]) == (str(target), target.stat().st_size)
    assert (done["version"], done["wallets"]) == ("0.1.0", [])

    # As somebody without `oee` would read it: with tar and pg_restore.
    name = f"load_{os.getpid()}"
    url = servers.database_url.replace("/oee?", f"/{name}?")
    with connect(servers.database_url.replace("/oee?", "/postgres?")) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            with tarfile.open(target) as archive:
                content = archive.extractfile(archive_file.DUMP)
                assert content is not None
                archive_dump.write(url, iter(lambda: content.read(65536), b""))
            with connect(url) as sql:
                assert_whole(sql, done)
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def assert_whole(sql: Connection, done: dict[str, Any]) -> None:
    """Every order with all its events, and `confirmed` if and only if its swap landed."""
    rows = sql.execute("""
        SELECT o.status = e.last, o.event_seq = e.count, o.event_seq = e.newest,
            (o.status = 'confirmed') = coalesce(s.landed, false),
            o.status != 'confirmed' OR l.signature IS NOT NULL
        FROM orders o
        JOIN (SELECT order_id, count(*), max(seq) AS newest, (array_agg(status ORDER BY seq DESC))[1] AS last
              FROM order_events GROUP BY 1) e ON e.order_id = o.id
        LEFT JOIN (SELECT order_id, bool_or(state = 'landed') AS landed FROM swaps GROUP BY 1) s
            ON s.order_id = o.id
        LEFT JOIN sim_ledger l ON l.signature = o.signature AND l.state = 'landed'
    """).fetchall()
    assert len(rows) == done["orders"]
    assert set(rows) == {(True,) * 5}
    numbers = sql.execute("SELECT array_agg(number ORDER BY number) FROM orders").fetchone()
    assert numbers == (list(range(1, done["orders"] + 1)),)
    live = sql.execute("SELECT count(*) FROM orders WHERE finished_at IS NULL").fetchone()
    assert live == (done["live"],)


def test_a_file_that_exists_is_replaced_only_when_that_is_said(cli: Cli, file_homes: Path) -> None:
    target = file_homes / "taken" / "orders.oee"
    target.parent.mkdir()
    target.write_text("mine")
    with pytest.raises(BackupFailed, match="never takes another file's place") as refused:
        take(Settings(home=cli.home), target, replace=False, wallets=False, say=print)
    assert refused.value.hint and "--force" in refused.value.hint
    assert target.read_text() == "mine"
    link = target.with_name("link.oee")
    link.symlink_to("orders.oee")
    done = cli.run("backup", "--force", str(link))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("✓ backed up ")
    assert "wallets" in done.stderr
    assert link.is_symlink() and stat.S_IMODE(target.stat().st_mode) == 0o600
    assert target.read_bytes().startswith(b"oee-backup.json\0")
    assert sorted(path.name for path in target.parent.iterdir()) == ["link.oee", "orders.oee"]


def test_a_place_where_no_file_can_be_is_refused(cli: Cli, file_homes: Path) -> None:
    done = cli.run("backup", str(file_homes / "none" / "orders.oee"), "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "bad_file"
    assert str(file_homes / "none") in done.stderr
    for place in (file_homes, Path("/dev/null")):
        with pytest.raises(BackupFailed, match=f"{place} is no file"):
            take(Settings(home=cli.home), place, replace=True, wallets=False, say=print)


def test_stdout_gets_all_of_it_or_nothing(cli: Cli, file_homes: Path) -> None:
    with (file_homes / "piped.oee").open("wb") as out:
        running = cli.start("backup", "-", "--quiet", stdout=out)
        code, _, said = end(running, 60)
    assert (code, said) == (0, "")
    with (file_homes / "piped.oee").open("rb") as made:
        assert archive_file.check(made, "it").about["orders"] > 0
    with pytest.raises(UsageFault, match="both want stdout"):
        backup("-", False, False, Output(json=True))


def test_an_interrupted_backup_leaves_nothing(original: Shared, cli: Cli, file_homes: Path) -> None:
    folder = file_homes / "cut"
    folder.mkdir()
    with connect(original.url) as other, other.transaction():
        # `pg_dump` waits for it.
        other.execute("LOCK TABLE swaps IN ACCESS EXCLUSIVE MODE")
        running = cli.start("backup", str(folder / "orders.oee"))
        until(lambda: list(folder.glob(".orders.oee.*.part")), what="the beginning of the file")
        running.send_signal(signal.SIGTERM)
        assert end(running, 60)[0] == 143
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("named", ["OEE_DATABASE_URL", "OEE_URL"])
def test_a_database_or_a_daemon_elsewhere_is_not_backed_up_here(
    cli: Cli, file_homes: Path, named: str
) -> None:
    elsewhere = {"OEE_DATABASE_URL": "postgresql://x@127.0.0.1:1/y", "OEE_URL": "http://localhost:1"}
    for command in ("backup", "restore"):
        done = cli.run(command, str(file_homes / "no.oee"), **{named: elsewhere[named]})
        assert (done.returncode, done.stdout) == (2, "")
        assert named in done.stderr
        assert named == "OEE_URL" or "pg_dump" in done.stderr


# Names that are no file's.


def test_a_shells_own_streams_take_a_backup_and_give_it(cli: Cli, file_homes: Path, original: Shared) -> None:
    """`>( )`, `<( )`, `/dev/stdout`, a FIFO: whatever it is called, and nothing is written over."""
    oee = shlex.join(OEE)
    program = f"""
        set -e
        {oee} backup >(cat > one.oee) --quiet; wait $!
        echo before > two.oee; {oee} backup /dev/stdout --quiet >> two.oee
        mkfifo f; cat f > three.oee & {oee} backup f --quiet; wait
        OEE_HOME=$PWD/r1 {oee} restore <(cat one.oee)
        tail -c +8 two.oee | OEE_HOME=$PWD/r2 {oee} restore /dev/stdin
        test -s three.oee
    """
    place = file_homes / "streams"
    place.mkdir(mode=0o711)
    done = subprocess.run(
        ["bash", "-c", program], cwd=place, env=cli.environ, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"restored {original.stored():,} order") == 2


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_place_that_can_not_be_is_named(cli: Cli, file_homes: Path, command: str) -> None:
    gone = file_homes / f"gone-{command}"
    for typed, said in (
        ("x" * 300, "File name too long"),
        ("/dev/fd/77", "Bad file descriptor"),
        (str(file_homes), "no file" if command == "backup" else "Is a directory"),
        (f"{file_homes}/no/where", "no folder" if command == "backup" else "No such file"),
    ):
        done = cli.run(command, typed, OEE_HOME=str(cli.home if command == "backup" else file_homes / "none"))
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert said in done.stderr and "fault of ours" not in done.stderr
    gone.mkdir()
    program = f"cd {gone} && rmdir {gone} && exec {shlex.join(OEE)} {command} x.oee"
    done = subprocess.run(["sh", "-c", program], env=cli.environ, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "working folder is gone" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("command", "only"),
    [
        ("backup <(:)", "reading"),
        ("backup - 1</dev/null", "reading"),
        ("restore >(cat)", "writing"),
        ("restore - 0>/dev/null", "writing"),
    ],
)
def test_a_descriptor_that_goes_the_other_way_is_named(
    cli: Cli, file_homes: Path, command: str, only: str
) -> None:
    home = cli.home if only == "reading" else file_homes / "none"
    done = cli.sh(f"oee {command}", fresh=True, OEE_HOME=str(home))
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert f"it is open for {only} only" in done.stderr and "fault of ours" not in done.stderr
    assert not (file_homes / "none").exists()


def test_a_long_name_that_a_disk_takes_is_taken(cli: Cli, file_homes: Path) -> None:
    assert cli.run("backup", str(file_homes / ("\u00e4" * 120))).returncode == 0

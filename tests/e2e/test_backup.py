"""`oee backup` and `oee restore` on real homes: whole under load, and nothing executed again.

One daemon with its own servers is the original for the whole file; it works on after every backup.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from oee_cli.backup.backup_run import backup
from oee_cli.errors import UsageFault
from oee_cli.output import Output
from oee_daemon import failpoints
from oee_daemon.backups import dump, file
from oee_daemon.backups.restore import restore
from oee_daemon.backups.take import take
from oee_daemon.contract.atomic_file import atomic_file
from oee_daemon.embedded import Servers
from oee_daemon.engine.worker import Worker
from oee_daemon.errors import BackupFailed
from oee_daemon.settings import Settings
from tests.kit.api_daemon import QUICK, SELL, Shared
from tests.kit.commands import OEE, Cli, end, frozen_worker
from tests.kit.daemons import Daemon, Process, until
from tests.kit.databases import Connection, connect
from tests.kit.homes import open_folder

LIVE = ("waiting", "pending", "between attempts", "routing", "building", "stored", "landed")


@pytest.fixture(scope="module")
def base() -> Iterator[Path]:
    """A folder for homes that the servers' account can pass."""
    path = open_folder()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def original(base: Path) -> Iterator[Shared]:
    daemon = Daemon(base / "a", **QUICK).start()
    url = Servers(daemon.home, postgres=True, valkey=True).database_url
    with daemon.client() as http, connect(url) as sql:
        yield Shared(daemon, http, url, sql)
    daemon.stop()


@pytest.fixture
def cli(original: Shared) -> Cli:
    return Cli(original.daemon.home)


def landed(sql: Connection) -> set[str]:
    """The chain's own word."""
    return {row[0] for row in sql.execute("SELECT signature FROM sim_ledger WHERE state = 'landed'")}


# The file.


def test_a_backup_taken_under_load_is_one_moment_of_it(
    original: Shared, cli: Cli, base: Path, servers: Servers
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
    target = base / "load.oee"
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
                content = archive.extractfile(file.DUMP)
                assert content is not None
                dump.write(url, iter(lambda: content.read(65536), b""))
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


def test_a_file_that_exists_is_replaced_only_when_that_is_said(cli: Cli, base: Path) -> None:
    target = base / "taken" / "orders.oee"
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


def test_a_place_where_no_file_can_be_is_refused(cli: Cli, base: Path) -> None:
    done = cli.run("backup", str(base / "none" / "orders.oee"), "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "bad_file"
    assert str(base / "none") in done.stderr
    for place in (base, Path("/dev/null")):
        with pytest.raises(BackupFailed, match=f"{place} is no file"):
            take(Settings(home=cli.home), place, replace=True, wallets=False, say=print)


def test_stdout_gets_all_of_it_or_nothing(cli: Cli, base: Path) -> None:
    with (base / "piped.oee").open("wb") as out:
        running = cli.start("backup", "-", "--quiet", stdout=out)
        code, _, said = end(running, 60)
    assert (code, said) == (0, "")
    with (base / "piped.oee").open("rb") as made:
        assert file.check(made, "it").about["orders"] > 0
    with pytest.raises(UsageFault, match="both want stdout"):
        backup("-", False, False, Output(json=True))


def test_an_interrupted_backup_leaves_nothing(original: Shared, cli: Cli, base: Path) -> None:
    folder = base / "cut"
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
def test_a_database_or_a_daemon_elsewhere_is_not_backed_up_here(cli: Cli, base: Path, named: str) -> None:
    elsewhere = {"OEE_DATABASE_URL": "postgresql://x@127.0.0.1:1/y", "OEE_URL": "http://localhost:1"}
    for command in ("backup", "restore"):
        done = cli.run(command, str(base / "no.oee"), **{named: elsewhere[named]})
        assert (done.returncode, done.stdout) == (2, "")
        assert named in done.stderr
        assert named == "OEE_URL" or "pg_dump" in done.stderr


# The fresh home.


@dataclass
class Story:
    """Orders in every live status, as a backup has them; what became of them in the original; its copy."""

    orders: dict[str, str]
    target: Path
    before: set[str]
    copy: Shared
    restored: dict[str, Any]


@pytest.fixture(scope="module")
def story(original: Shared, base: Path) -> Iterator[Story]:
    cli = Cli(original.daemon.home)
    done = original.place()
    original.end(done)
    with frozen_worker(original):
        placed = {name: original.post(Idempotency_Key=f"key of {name}").json()["orderId"] for name in LIVE}
        stop_halfway(original, placed)
        before = landed(original.sql)
        target = base / "story.oee"
        taken = cli.json("backup", str(target), "--with-wallets")
        assert taken["live"] == len(LIVE) and taken["wallets"] == ["simulated"]
        # Whoever worked on them there is dead: its worker goes on at once.
        original.sql.execute(
            "UPDATE orders SET lease_until = now(), next_run_at = now() WHERE lease_owner = 'dead'"
        )
        original.sql.execute("UPDATE orders SET next_run_at = now() WHERE status = 'pending'")
    copy = Cli(base / "copy")
    interrupted(copy, target)
    restored = copy.json("restore", str(target))
    daemon = Daemon(copy.home, **QUICK).start()
    url = Servers(daemon.home, postgres=True, valkey=True).database_url
    with daemon.client() as http, connect(url) as sql:
        yield Story(placed | {"done": done}, target, before, Shared(daemon, http, url, sql), restored)
    daemon.stop()


def stop_halfway(original: Shared, placed: dict[str, str]) -> None:
    """Brings each as far as its name says, by the engine's own steps, and leaves its lease behind."""
    servers = Servers(original.daemon.home, postgres=True, valkey=True)
    settings = Settings(
        home=original.daemon.home, sim_latency_ms=0, sim_confirm_ms=0, sim_failure_rate=Decimal(0)
    )
    settings = replace(settings, database_url=servers.database_url, redis_url=servers.redis_url)
    worker = Worker(settings, owner="dead")
    # Nothing is sent by a worker that has not looked for a halt.
    worker.recovery.beat()
    places = {
        "routing": "after_routing",
        "building": "after_building",
        "stored": "after_submitted",
        "landed": "sent",
    }
    try:
        for name, place in places.items():
            failpoints.arm(f"{place}=lose", original.daemon.home)
            worker.execution.run(UUID(placed[name]))
    finally:
        failpoints.arm("", original.daemon.home)
        worker.close()
    sql = original.sql
    # A fault gives the lease back; whoever is killed does not.
    sql.execute(
        "UPDATE orders SET lease_owner = 'dead', lease_until = now() + '30 s' WHERE id = ANY(%s::uuid[])",
        ([placed[name] for name in places],),
    )
    # Never sent, and from its bytes' height on it can't land: nobody has to wait for that.
    sql.execute("UPDATE swaps SET last_valid_height = 0 WHERE order_id = %s", (placed["stored"],))
    sql.execute(
        "UPDATE orders SET next_run_at = now() + '1 min' WHERE id = %s", (placed["between attempts"],)
    )
    sql.execute(
        "UPDATE orders SET status = 'waiting', arm_rule = 4, next_run_at = NULL WHERE id = %s",
        (placed["waiting"],),
    )
    sql.execute("UPDATE order_events SET status = 'waiting' WHERE order_id = %s", (placed["waiting"],))
    names = ("waiting", "pending", "pending", "routing", "building", "submitted", "submitted")
    for name, status in zip(LIVE, names, strict=True):
        assert original.http.get(f"/api/orders/{placed[name]}").json()["status"] == status


def interrupted(copy: Cli, target: Path) -> None:
    """A restore that is killed in the middle leaves a home that is as fresh as before."""
    command = [sys.executable, "-P", "-m", "oee_daemon", "restore", str(target)]
    running = Process(command, env=copy.environ, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    for line in running.stdout:
        if json.loads(line).get("phase") == "orders":
            break
    running.kill()
    running.wait()
    running.stdout.close()
    assert (copy.home / "restoring" / "postgres").is_dir() and not (copy.home / "postgres").exists()


def test_a_restored_home_has_what_the_backup_had(story: Story, original: Shared) -> None:
    said = story.restored
    assert said["live"] == {"building": 1, "pending": 2, "routing": 1, "submitted": 2, "waiting": 1}
    assert said["home"] == str(story.copy.daemon.home)
    for name in ("done", *LIVE):
        here, there = (
            at.http.get(f"/api/orders/{story.orders[name]}").json() for at in (story.copy, original)
        )
        assert [e["at"] for e in here["events"]][:1] == [e["at"] for e in there["events"]][:1]
    assert not (story.copy.daemon.home / "restoring").exists()
    key = story.copy.daemon.home / "wallets" / "simulated.json"
    assert key.read_bytes() == (original.daemon.home / "wallets" / "simulated.json").read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    # What opens its doors is its own.
    assert story.copy.daemon.token != original.daemon.token


def test_nothing_of_a_restored_home_is_executed_again(story: Story, original: Shared) -> None:
    # The original went on after the backup, and executed all that could be.
    went_on = [name for name in LIVE if name != "waiting"]
    assert {original.end(story.orders[name])["status"] for name in went_on} == {"confirmed"}
    # Its copy executes none of them: it only finds what had landed before.
    ended = {name: story.copy.end(story.orders[name]) for name in LIVE}
    assert ended.pop("landed")["status"] == "confirmed"
    # What became of the others it can't know, for the chain that it has is a copy, too: it says so.
    assert {name: order["status"] for name, order in ended.items()} == dict.fromkeys(ended, "failed")
    assert {order["error"]["code"] for order in ended.values()} == {"restored_unknown"}
    assert landed(story.copy.sql) == story.before
    for order in ended.values():
        assert [event["seq"] for event in order["events"]] == list(range(1, len(order["events"]) + 1))


def test_what_a_restored_home_can_not_know_is_said_everywhere(story: Story) -> None:
    cli = Cli(story.copy.daemon.home)
    order_id = story.orders["pending"]
    watched = cli.run("watch", order_id)
    assert watched.returncode == 9
    shown = cli.run("show", order_id)
    for said in (watched.stderr + watched.stdout, shown.stdout):
        assert "restored_unknown" in said and "ot known whether" in said
        assert "Nothing left the wallet" not in said and "never sent" not in said and "try:" not in said
    assert "restored_unknown" in cli.run("history", "--json").stdout


def test_a_restored_home_works_on(story: Story) -> None:
    before = story.copy.stored()
    for name in LIVE:
        again = story.copy.post(Idempotency_Key=f"key of {name}")
        assert (again.status_code, again.json()["orderId"]) == (200, story.orders[name])
    assert story.copy.post(SELL | {"amount": 2}, Idempotency_Key="key of pending").status_code == 422
    # Until a person says that it is the one of the two that goes on.
    assert story.restored["halted"] and story.copy.post().json()["code"] == "halted"
    assert Cli(story.copy.daemon.home).json("resume", "--yes")["ended"]["reason"] == "restored from a backup"
    assert story.copy.end(story.copy.place())["status"] == "confirmed"
    numbers = story.copy.sql.execute("SELECT count(*), max(number) FROM orders").fetchone()
    assert numbers == (before + 1, before + 1)


def test_a_home_that_is_not_fresh_is_left_alone(story: Story, base: Path) -> None:
    used = Cli(story.copy.daemon.home)
    done = used.run("restore", str(story.target))
    assert (done.returncode, done.stdout) == (3, "")
    assert "OEE_HOME=" in done.stderr and "has a database already" in done.stderr
    other = base / "other"
    (other / "wallets").mkdir(parents=True)
    (other / "wallets" / "simulated.json").write_text("[1]")
    with pytest.raises(BackupFailed, match=r"simulated.json is another key") as refused:
        restore(Settings(home=other), story.target, print)
    assert refused.value.code == "wallet_exists"
    assert [path.name for path in other.iterdir()] == ["wallets"]


def test_what_is_no_whole_backup_is_refused_before_anything_is_made(story: Story, base: Path) -> None:
    cli = Cli(base / "never")
    content = story.target.read_bytes()
    bad = base / "bad.oee"
    bad.write_bytes(content[:-5000])
    with bad.open("rb") as cut:
        code, _, said = end(cli.start("restore", "-", stdin=cut), 60)
    assert code == 2 and "stdin is damaged or cut short" in " ".join(said.split())
    missing = cli.run("restore", str(base / "missing.oee"))
    assert missing.returncode == 2 and "missing.oee" in missing.stderr
    newer = base / "newer.oee"
    with story.target.open("rb") as opened, atomic_file(newer, replace=False) as made:
        read = file.check(opened, "it")
        archive = file.Archive(made)
        archive.add(file.ABOUT, [json.dumps(read.about | {"revision": "9999", "version": "9.9"}).encode()])
        archive.add(file.DUMP, read.dump())
        archive.end()
    with pytest.raises(BackupFailed, match=r"made by oee 9\.9: its schema 9999 is newer") as later:
        restore(Settings(home=cli.home), newer, print)
    assert later.value.code == "backup_too_new"
    assert not cli.home.exists()


# Names that are no file's.


def test_a_shells_own_streams_take_a_backup_and_give_it(cli: Cli, base: Path, original: Shared) -> None:
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
    place = base / "streams"
    place.mkdir(mode=0o711)
    done = subprocess.run(
        ["bash", "-c", program], cwd=place, env=cli.environ, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"restored {original.stored():,} order") == 2


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_place_that_can_not_be_is_named(cli: Cli, base: Path, command: str) -> None:
    gone = base / f"gone-{command}"
    for typed, said in (
        ("x" * 300, "File name too long"),
        ("/dev/fd/77", "Bad file descriptor"),
        (str(base), "no file" if command == "backup" else "Is a directory"),
        (f"{base}/no/where", "no folder" if command == "backup" else "No such file"),
    ):
        done = cli.run(command, typed, OEE_HOME=str(cli.home if command == "backup" else base / "none"))
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert said in done.stderr and "fault of ours" not in done.stderr
    gone.mkdir()
    program = f"cd {gone} && rmdir {gone} && exec {shlex.join(OEE)} {command} x.oee"
    done = subprocess.run(["sh", "-c", program], env=cli.environ, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "working folder is gone" in done.stderr) == (2, True)


def test_a_long_name_that_a_disk_takes_is_taken(cli: Cli, base: Path) -> None:
    assert cli.run("backup", str(base / ("\u00e4" * 120))).returncode == 0

"""`oee restore` on a fresh home: it has what the backup had, and executes nothing of it again.

One daemon with its own servers is the original for the whole file; it works on after the backup.
"""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from oee_daemon import failpoints
from oee_daemon.backups import archive_file
from oee_daemon.backups.archive_restore import restore
from oee_daemon.contract.atomic_file import atomic_file
from oee_daemon.embedded import Servers
from oee_daemon.engine.engine_worker import Worker
from oee_daemon.errors import BackupFailed
from oee_daemon.settings import Settings
from tests.kit.api_daemon import SELL, Shared, alone
from tests.kit.commands import Cli, end, frozen_worker
from tests.kit.daemons import Process
from tests.kit.databases import Connection

LIVE = ("waiting", "limit", "pending", "between attempts", "routing", "building", "stored", "landed")
#: Its price is there already: who has it and may, fires it at once.
LIMIT = {
    "inputToken": "SOL",
    "outputToken": "USDC",
    "amount": "1",
    "type": "limit",
    "targetPrice": "1",
    "far": True,
}


@pytest.fixture(scope="module")
def original(file_homes: Path) -> Iterator[Shared]:
    with alone(file_homes / "a") as running:
        yield running


def landed(sql: Connection) -> set[str]:
    """The chain's own word."""
    return {row[0] for row in sql.execute("SELECT signature FROM sim_ledger WHERE state = 'landed'")}


@dataclass
class Story:
    """Orders in every live status, as a backup has them; what became of them in the original; its copy."""

    orders: dict[str, str]
    target: Path
    before: set[str]
    copy: Shared
    restored: dict[str, Any]


@pytest.fixture(scope="module")
def story(original: Shared, file_homes: Path) -> Iterator[Story]:
    cli = Cli(original.daemon.home)
    done = original.place()
    original.end(done)
    with frozen_worker(original):
        placed = {name: asked(original, name).json()["orderId"] for name in LIVE}
        stop_halfway(original, placed)
        before = landed(original.sql)
        target = file_homes / "story.oee"
        taken = cli.json("backup", str(target), "--with-wallets")
        assert taken["live"] == len(LIVE) and taken["wallets"] == ["simulated"]
        # Whoever worked on them there is dead: its worker goes on at once.
        original.sql.execute(
            "UPDATE orders SET lease_until = now(), next_run_at = now() WHERE lease_owner = 'dead'"
        )
        original.sql.execute("UPDATE orders SET next_run_at = now() WHERE status = 'pending'")
    copy = Cli(file_homes / "copy")
    interrupted(copy, target)
    restored = copy.json("restore", str(target))
    with alone(copy.home) as shared:
        yield Story(placed | {"done": done}, target, before, shared, restored)


def asked(at: Shared, name: str) -> httpx.Response:
    return at.post(LIMIT if name == "limit" else SELL, Idempotency_Key=f"key of {name}")


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
    names = ("waiting", "waiting", "pending", "pending", "routing", "building", "submitted", "submitted")
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
    assert said["live"] == {"building": 1, "pending": 2, "routing": 1, "submitted": 2, "waiting": 2}
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
        again = asked(story.copy, name)
        assert (again.status_code, again.json()["orderId"]) == (200, story.orders[name])
    assert story.copy.post(SELL | {"amount": 2}, Idempotency_Key="key of pending").status_code == 422
    # Until a person says that it is the one of the two that goes on.
    assert story.restored["halted"] and story.copy.post().json()["code"] == "halted"
    assert Cli(story.copy.daemon.home).json("resume", "--yes")["ended"]["reason"] == "restored from a backup"
    assert story.copy.end(story.copy.place())["status"] == "confirmed"
    numbers = story.copy.sql.execute("SELECT count(*), max(number) FROM orders").fetchone()
    assert numbers == (before + 1, before + 1)


def test_a_home_that_is_not_fresh_is_left_alone(story: Story, file_homes: Path) -> None:
    used = Cli(story.copy.daemon.home)
    done = used.run("restore", str(story.target))
    assert (done.returncode, done.stdout) == (3, "")
    assert "OEE_HOME=" in done.stderr and "has a database already" in done.stderr
    other = file_homes / "other"
    (other / "wallets").mkdir(parents=True)
    (other / "wallets" / "simulated.json").write_text("[1]")
    with pytest.raises(BackupFailed, match=r"simulated.json is another key") as refused:
        restore(Settings(home=other), story.target, print)
    assert refused.value.code == "wallet_exists"
    assert [path.name for path in other.iterdir()] == ["wallets"]


def test_what_is_no_whole_backup_is_refused_before_anything_is_made(story: Story, file_homes: Path) -> None:
    cli = Cli(file_homes / "never")
    content = story.target.read_bytes()
    bad = file_homes / "bad.oee"
    bad.write_bytes(content[:-5000])
    with bad.open("rb") as cut:
        code, _, said = end(cli.start("restore", "-", stdin=cut), 60)
    assert code == 2 and "stdin is damaged or cut short" in " ".join(said.split())
    missing = cli.run("restore", str(file_homes / "missing.oee"))
    assert missing.returncode == 2 and "missing.oee" in missing.stderr
    newer = file_homes / "newer.oee"
    with story.target.open("rb") as opened, atomic_file(newer, replace=False) as made:
        read = archive_file.check(opened, "it")
        archive = archive_file.Archive(made)
        archive.add(
            archive_file.ABOUT, [json.dumps(read.about | {"revision": "9999", "version": "9.9"}).encode()]
        )
        archive.add(archive_file.DUMP, read.dump())
        archive.end()
    with pytest.raises(BackupFailed, match=r"made by oee 9\.9: its schema 9999 is newer") as later:
        restore(Settings(home=cli.home), newer, print)
    assert later.value.code == "backup_too_new"
    assert not cli.home.exists()

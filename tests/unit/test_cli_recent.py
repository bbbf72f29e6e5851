"""The small file of orders that the Tab key offers: what is in it, how it is kept, where it is."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from oee_cli.api import client_recent_orders
from oee_cli.api.client_recent_orders import LIMIT, Recent, describe_order, read_recent
from oee_cli.settings.settings_load import load_settings
from oee_daemon.contract.status import FINAL


def order(number: int, status: str = "submitted", **more: Any) -> dict[str, Any]:
    return {
        "orderId": f"{number:08x}-0000-4000-8000-000000000000",
        "pair": "SOL/USDC",
        "side": "buy",
        "amount": "1.5",
        "inputToken": "USDC",
        "outputToken": "SOL",
        "swapMode": "ExactOut",
        "status": status,
        **more,
    }


def kept(folder: Path) -> list[int]:
    return [int(line[:8], 16) for line in read_recent(str(folder / "recent-orders"))]


def offered(*arguments: str, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "oee_cli", "__orders", *arguments],
        env={k: v for k, v in os.environ.items() if not k.startswith("OEE_")} | environ,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_an_order_is_described_by_what_it_is() -> None:
    said = describe_order(order(1)).partition(" ")[2]
    assert said == "SOL/USDC buy 1.5 submitted"
    spends = order(1, swapMode="ExactIn", amount="200")
    assert describe_order(spends).endswith("SOL/USDC buy for 200 USDC submitted")
    assert "\x1b" not in describe_order(order(1, status="\x1b[2Jgone\n"))


def test_the_last_ones_are_kept_the_newest_first_each_once(tmp_path: Path) -> None:
    mine = Recent(tmp_path, None)
    mine.note([order(2), order(1)])
    mine.save()
    other = Recent(tmp_path, None)
    other.note([order(3)])
    other.note([order(1, "confirmed")])
    other.save()
    assert kept(tmp_path) == [1, 3, 2]
    assert read_recent(str(tmp_path / "recent-orders"))[0].endswith("confirmed")
    many = Recent(tmp_path, None)
    for number in range(100, 100 + 3 * LIMIT):
        many.note([order(number)])
    many.save()
    assert kept(tmp_path) == list(range(99 + 3 * LIMIT, 99 + 2 * LIMIT, -1))


def test_how_an_order_stands_changes_its_line_alone(tmp_path: Path) -> None:
    mine = Recent(tmp_path, None)
    mine.note([order(1, "waiting"), order(2), order(3, "failed")])
    mine.save()
    other = Recent(tmp_path, None)
    assert [int(each[:8], 16) for each in other.unended()] == [1, 2]
    other.note_status(order(1)["orderId"], "cancelled")
    other.note_status(order(9)["orderId"], "cancelled")
    other.save()
    assert kept(tmp_path) == [1, 2, 3]
    assert [line.rsplit(" ", 1)[1] for line in read_recent(str(tmp_path / "recent-orders"))] == [
        "cancelled",
        "submitted",
        "failed",
    ]


def test_the_file_is_private_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    mine = Recent(tmp_path, None)
    mine.note([order(1)])
    mine.save()
    assert [path.name for path in tmp_path.iterdir()] == ["recent-orders"]
    assert stat.S_IMODE((tmp_path / "recent-orders").stat().st_mode) == 0o600


def test_nothing_is_written_without_an_order_or_without_the_folder(tmp_path: Path) -> None:
    for noted in ([], [{"status": "ok"}], [None]):
        mine = Recent(tmp_path, None)
        mine.note(noted)
        mine.save()
    absent = Recent(tmp_path / "run", None)
    absent.note([order(1)])
    absent.save()
    assert list(tmp_path.iterdir()) == []


def test_a_daemon_elsewhere_has_a_file_of_its_own(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for number, url in ((1, None), (2, "http://far:3000"), (3, "http://near:3000")):
        one = Recent(run, url)
        one.note([order(number)])
        one.save()
    home = {"OEE_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "none")}
    assert offered(**home).startswith("00000001\t")
    assert offered(**home, OEE_URL="http://far:3000/").startswith("00000002\t")


def test_live_orders_come_first_where_only_they_make_sense(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    mine = Recent(tmp_path / "run", None)
    mine.note([order(4, "failed"), order(3, "pending"), order(2, "confirmed"), order(1, "submitted")])
    mine.save()
    home = {"OEE_HOME": str(tmp_path)}
    assert [line[7] for line in offered(**home).splitlines()] == ["4", "3", "2", "1"]
    assert [line[7] for line in offered("live", **home).splitlines()] == ["3", "1", "4", "2"]
    assert set(client_recent_orders.ENDED) == FINAL


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"no orders here\x1b\n" * 3, b"x" * 100_000])
def test_a_spoiled_file_is_passed_over_in_silence_and_written_anew(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recent-orders").write_bytes(content)
    text = offered(OEE_HOME=str(tmp_path))
    assert "\x1b" not in text
    mine = Recent(tmp_path / "run", None)
    mine.note([order(1)])
    mine.save()
    assert kept(tmp_path / "run")[0] == 1


@pytest.mark.parametrize(
    ("environ", "config"),
    [
        ({}, None),
        ({"OEE_HOME": "/srv/oee"}, None),
        ({"OEE_HOME": "~/mine", "OEE_URL": "http://far:3000/"}, 'home = "/srv/other"'),
        ({}, 'home = "/srv/other"\nurl = "https://far"'),
        ({}, 'OEE_HOME = "~/other"'),
        ({"OEE_HOME": ""}, "port = 3000"),
    ],
)
def test_the_home_is_found_where_every_command_finds_it(
    environ: dict[str, str], config: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("OEE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "somebody"))
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    if config is not None:
        (tmp_path / "oee").mkdir()
        (tmp_path / "oee" / "config.toml").write_text(config)
    settings = load_settings()
    assert client_recent_orders._find_home() == (str(settings.home), settings.url or "")

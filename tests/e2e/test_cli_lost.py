"""A home that is lost, stopped or restarted while commands run on it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from oee_cli.api.client_launcher import Launcher
from oee_cli.output import Output
from oee_cli.settings.settings_load import Settings
from tests.kit.commands import Cli
from tests.kit.daemons import until


def gone_for_good(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


@pytest.mark.parametrize("gone", ["removed", "moved", "database"])
def test_a_batch_never_goes_on_in_another_home_at_the_same_place(own: Cli, homes: Path, gone: str) -> None:
    """What is there then knows nothing of what was placed, and would place it again."""
    assert own.run("daemon", "start").returncode == 0
    rows = homes / "rows.csv"
    lines = "".join(f"USDC,SOL,{n}\n" for n in range(1, 400))
    rows.write_text(f"inputToken,outputToken,amount\n{lines}")
    batch, watch = own.start("submit", str(rows), "--max-inflight", "2"), own.start("watch")
    assert batch.stdout is not None and batch.stdout.readline()
    if gone == "moved":
        own.home.rename(homes / "aside")
    else:
        removed = own.home if gone == "removed" else own.home / "postgres"
        # As long as its servers live they may write into what is being removed.
        until(lambda: gone_for_good(removed), what="its end")
    out, err = batch.communicate(timeout=30)
    assert batch.returncode in (6, 9), err
    assert "was moved, removed or replaced while this command ran" in err
    assert "goes on there" not in err and "goes on there" not in out
    assert watch.communicate(timeout=30) and watch.returncode == 6
    assert not (own.home / "postgres").exists()
    if gone != "database":
        assert not own.home.exists()


def test_a_restart_that_could_not_begin_stops_nothing(outside: Cli) -> None:
    assert outside.run("daemon", "start").returncode == 0
    pid = outside.pid
    refused = outside.run("daemon", "restart", OEE_WORKER_THREADS="many")
    assert refused.returncode == 6
    assert "OEE_WORKER_THREADS" in refused.stderr
    assert outside.json("daemon", "status")["pid"] == pid


def test_a_stop_also_holds_for_a_daemon_that_another_command_is_starting(outside: Cli) -> None:
    """At first it holds nothing by which it could be found, and then it takes away what a stop leaves."""
    launcher = Launcher(Settings(home=outside.home), Output())
    starting = outside.start("daemon", "start")
    # From here on nothing keeps the command from starting it.
    until((outside.home / "logs" / "daemon.log").exists, what="the start")
    assert launcher.stop()
    _, err = starting.communicate(timeout=60)
    # 0: it was up for a moment.
    assert starting.returncode in (0, 6), err
    assert outside.run("daemon", "status").returncode == 6
    assert launcher.mark() is not None

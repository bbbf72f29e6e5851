"""Commands for a home whose daemon lives, and whose files were cleaned away."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oee_cli.api import client_handshake
from oee_cli.api.client_launcher import Launcher
from oee_cli.output import Output
from oee_cli.settings.settings_load import Settings
from tests.kit.commands import BUY, Cli, refusal


@pytest.fixture
def held(homes: Path) -> Iterator[Cli]:
    """A home that this process holds as a daemon does that can't make its socket anew."""
    cli = Cli(homes / "h")
    run = cli.home / "run"
    run.mkdir(parents=True, mode=0o700)
    lock = os.open(cli.home, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    (run / "daemon.lock").write_text(f"{os.getpid()}\n")
    (run / "daemon.json").write_text(json.dumps({"pid": os.getpid(), "socket": str(run / "oee.sock")}))
    (cli.home / "logs").mkdir()
    (cli.home / "logs" / "daemon.log").write_text("of another day\n")
    yield cli
    os.close(lock)


def test_a_daemon_without_a_socket_is_told_soon_and_with_what_mends_it(held: Cli) -> None:
    began = time.monotonic()
    done = held.run(*BUY, "--json")
    assert done.returncode == 6
    error = refusal(done)
    assert error["code"] == "socket_gone" and error["hint"] == "Restart it: oee daemon restart"
    assert f"pid {os.getpid()}" in error["message"] and "another day" not in done.stderr
    assert time.monotonic() - began < 30


def test_a_frozen_daemon_whose_socket_is_gone_is_frozen_to_every_command(homes: Path) -> None:
    cli = Cli(homes / "h")
    (cli.home / "run").mkdir(parents=True, mode=0o700)
    script = "import fcntl, os, signal, sys; lock = os.open(sys.argv[1], os.O_RDONLY)\n"
    script += "fcntl.flock(lock, fcntl.LOCK_EX); print(flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", script, str(cli.home)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline()
        facts = {"pid": holder.pid, "socket": str(cli.home / "run" / "oee.sock")}
        (cli.home / "run" / "daemon.json").write_text(json.dumps(facts))
        holder.send_signal(signal.SIGSTOP)
        try:
            os.waitpid(holder.pid, os.WUNTRACED)
            for typed in (["history"], ["daemon", "start"], ["daemon", "stop"], BUY):
                error = refusal(cli.run(*typed, "--json"))
                assert (error["code"], error["retryable"]) == ("daemon_frozen", True)
                assert error["hint"] == f"Let it go on: kill -CONT {holder.pid}"
            assert "is frozen" in cli.run("daemon", "status").stderr
        finally:
            holder.kill()


def test_a_home_whose_path_is_too_long_is_refused_with_what_mends_it(homes: Path) -> None:
    error = refusal(Cli(homes / ("y" * 300)).run("history", "--json"))
    assert "File name too long" in error["message"] and error["hint"] == "Set OEE_HOME to a shorter path."


def test_who_holds_a_home_is_known_without_the_locks_file(held: Cli) -> None:
    launcher = Launcher(Settings(home=held.home), Output())
    assert launcher.holder() == os.getpid()
    (held.home / "run" / "daemon.lock").unlink()
    assert launcher.holder() == os.getpid()
    (held.home / "run" / "daemon.json").unlink()
    assert launcher.holder() == os.getpid()


def test_a_daemon_that_ends_while_it_is_looked_for_was_stopped(
    homes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process shows nothing any more that it holds, a moment before it lets go."""
    home = homes / "h"
    (home / "run").mkdir(parents=True, mode=0o700)
    lock = os.open(home, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    monkeypatch.setattr(client_handshake, "lock_holder", lambda locks: os.close(lock))
    assert Launcher(Settings(home=home), Output()).stop()


def test_a_home_that_an_older_release_holds_is_held(homes: Path) -> None:
    run = homes / "h" / "run"
    run.mkdir(parents=True, mode=0o700)
    with (run / "daemon.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert Launcher(Settings(home=homes / "h"), Output()).holder() == os.getpid()
    assert Launcher(Settings(home=homes / "h"), Output()).holder() is None

"""A daemon as a process, for tests that look from outside."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.kit import forks, homes

T = TypeVar("T")
#: Trusts nobody. To read who may vouch for a server takes 35 ms, and tests ask by clients of their own often.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def until(check: Callable[[], T | None], *, within: float = 20.0, what: str = "it") -> T:
    """Asks again and again until `check` gives something; fails the test after `within` seconds.

    The pauses grow from 5 to 100 ms: who asks a daemon too often only keeps it from getting there.
    """
    deadline = time.monotonic() + within
    pause = 0.005
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {within} s")
        time.sleep(pause)
        pause = min(0.1, pause * 1.3)


class Process(subprocess.Popen[str]):
    """Its pipes go with it: a test that has seen what it wanted need not read them to their ends."""

    def __del__(self) -> None:
        for pipe in (self.stdin, self.stdout, self.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        super().__del__()


class Daemon:
    """`python -m oee_daemon run` on a home of its own, forked from a process that has imported it. It begins
    with an empty database, and not with none."""

    def __init__(self, home: Path, **environ: str) -> None:
        self.home = home
        clean = {k: v for k, v in os.environ.items() if not k.startswith("OEE_")}
        self.environ = clean | {"OEE_HOME": str(home), "OEE_PORT": "0"} | environ
        self.log = home.with_name(home.name + ".log")
        self.process: subprocess.Popen[bytes] | forks.Running | None = None

    def start(self) -> Daemon:
        (self.home / "run" / "daemon.json").unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = self._begun(log.fileno())
        until(self._ready, within=30, what=f"the daemon's start ({self.log})")
        return self

    def _begun(self, output: int) -> subprocess.Popen[bytes] | forks.Running:
        if "OEE_DATABASE_URL" not in self.environ and not self.home.exists():
            homes.furnished(self.home)
        with open(os.devnull, "rb") as nothing:
            return forks.engine(["run"], [nothing.fileno(), output, output], self.environ)

    def _ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended: {self.log.read_text()[-2000:]}")
        return (self.home / "run" / "daemon.json").exists()

    @property
    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home / "run" / "daemon.json").read_text())
        return found

    @property
    def token(self) -> str:
        return (self.home / "token").read_text().strip()

    def client(self) -> httpx.Client:
        """Over the Unix socket."""
        transport = httpx.HTTPTransport(uds=self.facts["socket"], verify=NO_TLS)
        return httpx.Client(transport=transport, base_url="http://localhost", timeout=30, verify=NO_TLS)

    def tcp(self, *, token: bool = True) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.token}"} if token else {}
        return httpx.Client(
            base_url=self.facts["http"], headers=headers, timeout=30, trust_env=False, verify=NO_TLS
        )

    def kill(self) -> None:
        """As the machine's worst moment would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(45)


class FreshDaemon(Daemon):
    """By a Python that starts for it, on a bare home: where its start or what it inherits are the subject."""

    def _begun(self, output: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "oee_daemon", "run"],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

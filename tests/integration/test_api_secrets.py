"""What the daemon keeps stays its owner's: token, socket, databases and log against another account, and a
canary that stands for every secret."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import make_url

from oee_daemon.api.api_auth import token_of
from tests.kit.api_daemon import QUICK, SELL
from tests.kit.daemons import Daemon, FreshDaemon, until
from tests.kit.homes import open_folder


@pytest.mark.parametrize("left", ["", "\n", "short\n", "é" * 40])
def test_a_token_file_without_a_token_gets_one(tmp_path: Path, left: str) -> None:
    file = tmp_path / "token"
    file.write_text(left)
    file.chmod(0o644)
    token = token_of(file)
    assert len(token) >= 43 and token_of(file) == token
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def _as_stranger(tries: list[Callable[[], object]]) -> list[str]:
    """What another account on this machine is told by each of `tries`: nothing but refusals, one hopes."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.setgroups([])
        os.setgid(54321)
        os.setuid(54321)
        told = []
        for attempt in tries:
            try:
                attempt()
                told.append("let in")
            except OSError as e:
                told.append(type(e).__name__)
        os.write(writer, json.dumps(told).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        found: list[str] = json.loads(pipe.read())
    os.waitpid(child, 0)
    return found


def _dial(path: str) -> Callable[[], object]:
    return lambda: socket.socket(socket.AF_UNIX).connect(path)


def _read(path: str) -> Callable[[], object]:
    return lambda: os.close(os.open(path, os.O_RDONLY))


def _write(path: str) -> Callable[[], object]:
    return lambda: os.close(os.open(path, os.O_WRONLY))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a second account")
def test_a_second_account_opens_neither_socket_nor_token_nor_database_nor_log() -> None:
    # Open to pass, as /var/lib is, so that nothing but the home's own modes protects it.
    top = open_folder()
    top.chmod(0o755)
    daemon = Daemon(top / "h", **QUICK).start()
    try:
        with daemon.client() as client:
            client.post("/api/orders/execute", json=SELL)
        (daemon.home / "logs").mkdir(exist_ok=True)
        paths = [p for p in daemon.home.rglob("*") if not p.is_symlink()]
        sockets = [p for p in paths if p.is_socket()]
        # Ours, Postgres's and Valkey's.
        assert len(sockets) >= 3 and any(p.name == "token" for p in paths)
        files = [p for p in paths if p.is_file()]
        tries = (
            [_dial(str(p)) for p in sockets]
            + [_read(str(p)) for p in files]
            + [_write(str(p)) for p in files]
        )
        told = _as_stranger(tries)
        named = [*sockets, *files, *files]
        assert [str(p) for p, t in zip(named, told, strict=True) if t != "PermissionError"] == []
        with socket.create_connection(("127.0.0.1", int(daemon.facts["http"].rpartition(":")[2]))) as raw:
            # The port is there for everybody; what it asks for is the token.
            raw.sendall(b"GET /api/orders HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert raw.recv(12) == b"HTTP/1.1 401"
    finally:
        daemon.stop()
        shutil.rmtree(top, ignore_errors=True)


def _descendants(pid: int) -> list[int]:
    found = [pid]
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid:
                found += _descendants(int(folder.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_a_password_stays_out_of_arguments_environments_and_logs(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    secret = "c4n4ry-in-the-cellar"
    # Peer authentication looks at no password; that it is sent along is enough.
    url = make_url(database_url).set(password=secret).render_as_string(hide_password=False)
    daemon = FreshDaemon(
        tmp_path / "h", OEE_DATABASE_URL=url, OEE_REDIS_URL=redis_url, OEE_LOG_LEVEL="debug", **QUICK
    )
    daemon.start()
    try:
        with daemon.client() as client:
            answer = client.post("/api/orders/execute", json=SELL)
            path = answer.headers["location"]
            until(lambda: client.get(path).json()["status"] == "confirmed")
            assert secret not in client.get("/api/status").text + client.get("/metrics").text
        assert daemon.process is not None
        pids = _descendants(daemon.process.pid)
        assert len(pids) >= 2
        for pid in pids[1:]:
            assert secret.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
        for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                assert secret.encode() not in cmdline.read_bytes()
    finally:
        daemon.stop()
    # A start that fails has an address to complain about.
    broken = FreshDaemon(
        tmp_path / "b", OEE_DATABASE_URL=url.replace("host=", "host=/nowhere"), OEE_REDIS_URL=redis_url
    )
    with pytest.raises(AssertionError, match="ended"):
        broken.start()
    assert broken.log.stat().st_size > 0
    for file in [
        daemon.log,
        broken.log,
        *(f for h in (daemon, broken) for f in h.home.rglob("*") if f.is_file()),
    ]:
        assert secret.encode() not in file.read_bytes(), file

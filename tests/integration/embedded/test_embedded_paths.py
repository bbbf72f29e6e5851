"""Homes of long paths: their sockets, and what PostgreSQL itself takes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from oee_daemon.embedded import Servers, embedded_folders
from oee_daemon.embedded.embedded_account import choose
from oee_daemon.start_errors import StartFailed
from tests.kit.homes import furnished
from tests.kit.own_servers import mode, queue, sql


def test_a_long_home_has_its_sockets_in_a_short_place(folder: Path, make: Callable[..., Servers]) -> None:
    (folder / ("long" * 20)).mkdir()
    home = furnished(folder / ("long" * 20) / "home")
    servers = make(home)
    sockets = embedded_folders.sockets(home, choose(None))
    try:
        sockets.mkdir()
        sockets.chmod(0o755)
        with pytest.raises(StartFailed, match="open to others"):
            servers.start()
        sockets.rmdir()
        sockets.symlink_to(folder)
        with pytest.raises(StartFailed, match=str(sockets)):
            servers.start()
        sockets.unlink()
        servers.start()
        assert sql(servers, "SELECT 1") == 1
        assert queue(servers).ping()
        assert (mode(sockets), sockets.stat().st_uid) == (0o700, choose(None).uid)
    finally:
        servers.stop()
        shutil.rmtree(sockets, ignore_errors=True)


def _lengthened(folder: Path, length: int) -> Path:
    """A path of so many bytes."""
    while (left := length - len(str(folder)) - 1) > 250:
        folder /= "d" * 200
    return folder / ("h" * left)


def test_a_home_whose_path_postgres_would_cut_off_is_refused_with_the_limit(
    folder: Path, make: Callable[..., Servers]
) -> None:
    longest = _lengthened(folder, 980)
    servers = make(longest)
    try:
        with pytest.raises(StartFailed, match=r"has 981 bytes, and may have 980\. Set OEE_HOME to a shorter"):
            make(_lengthened(folder, 981)).start()
        servers.start()
        assert sql(servers, "SELECT 1") == 1
        servers.stop()
        # What is made already has a shorter name.
        moved = longest.rename(longest.with_name("m" * (len(longest.name) + 16)))
        again = make(moved)
        again.start()
        assert sql(again, "SELECT 1") == 1
        again.stop()
        moved = moved.rename(moved.with_name(moved.name + "m"))
        with pytest.raises(StartFailed, match="has 997 bytes, and may have 996"):
            make(moved).start()
    finally:
        servers.stop()
        for home in (longest, longest.with_name("m" * (len(longest.name) + 16))):
            shutil.rmtree(embedded_folders.sockets(home, choose(None)), ignore_errors=True)

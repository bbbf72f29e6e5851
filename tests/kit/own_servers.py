"""Servers of a home, looked at from outside: their processes, their rows and keys, their files."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import redis
import sqlalchemy as sa

from oee_daemon.embedded import Servers
from tests.kit.accounts import LINUX


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return not LINUX or ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False


def sql(servers: Servers, statement: str) -> Any:
    engine = sa.create_engine(servers.database_url, poolclass=sa.NullPool)
    with engine.connect() as connection, connection.begin():
        result = connection.exec_driver_sql(statement)
        return result.scalar() if result.returns_rows else None


def queue(servers: Servers) -> redis.Redis:
    return redis.Redis.from_url(servers.redis_url)


def pids(servers: Servers) -> dict[str, int]:
    return {str(server["name"]): int(str(server["pid"])) for server in servers.describe()}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)

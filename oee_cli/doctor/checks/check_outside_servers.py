"""Servers outside, asked directly: only where the daemon can't say how they are.

Their drivers take a third of a second to import, so nobody pays for them where the daemon answers. Answers
are kept for the one run that the doctor makes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import oee_cli.api.client_hush  # noqa: F401
from oee_cli.api.client_processes import ask_in_time

#: Seconds to connect and to answer. libpq takes no less than two.
_ANSWER_S = 2
#: Seconds for all that one server is asked.
_PATIENCE_S = 3.0 * _ANSWER_S


class ServerAnswer(NamedTuple):
    """What a server said, or why it said nothing; never its address, which may hold a password."""

    version: str | None = None
    revision: str | None = None
    #: Of the engine that has worked on it.
    wallet: str | None = None
    fault: str | None = None


Ask = Callable[[str], ServerAnswer]


@cache
def ask_postgres(url: str) -> ServerAnswer:
    """What does not answer in time is told so: a server may take a connection and fall silent."""
    silent = ServerAnswer(fault="It takes connections, and does not answer on them.")
    return ask_in_time(lambda: _ask_postgres(url), _PATIENCE_S, silent)


def _ask_postgres(url: str) -> ServerAnswer:
    import psycopg

    try:
        with psycopg.connect(url.replace("+psycopg", "", 1), connect_timeout=_ANSWER_S) as connection:
            # Not by `options`: a PgBouncer refuses those.
            connection.read_only = True
            version = connection.info.parameter_status("server_version") or "unknown"
            told = connection.execute("SELECT to_regclass('alembic_version')::text").fetchone()
            revision: Any = None
            if told and told[0]:
                revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            told = connection.execute("SELECT to_regclass('engine')::text").fetchone()
            whose: Any = None
            if told and told[0]:
                whose = connection.execute("SELECT wallet FROM engine").fetchone()
            return ServerAnswer(
                f"PostgreSQL {version.split()[0]}", revision and str(revision[0]), whose and whose[0]
            )
    except psycopg.Error as e:
        return ServerAnswer(fault=_first_line(e))


@cache
def ask_queue(url: str) -> ServerAnswer:
    import redis

    try:
        with redis.Redis.from_url(url, socket_timeout=_ANSWER_S, socket_connect_timeout=_ANSWER_S) as client:
            server: Any = client.info("server")
    except (redis.RedisError, ValueError) as e:
        return ServerAnswer(fault=_first_line(e))
    kind = "valkey" if "valkey_version" in server else "redis"
    return ServerAnswer(f"{kind} {server[f'{kind}_version']}")


def schema_revision() -> str | None:
    """The newest revision of the schema that this installation brings; its files are counted, not run."""
    spec = find_spec("oee_daemon")
    places = spec.submodule_search_locations if spec else None
    versions = "store/migrations/versions/[0-9]*_*.py"
    names = [p.name for place in places or () for p in Path(place).glob(versions)]
    return max((name.partition("_")[0] for name in names), default=None)


def _first_line(e: Exception) -> str:
    """The first line of a driver's words; the others guess."""
    lines = [line.strip() for line in str(e).splitlines() if line.strip()]
    first = lines[0] if lines else type(e).__name__
    return first[max(0, first.find("connection to server")) :].rstrip(".") + "."

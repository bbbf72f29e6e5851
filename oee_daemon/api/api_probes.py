"""Asks Postgres and the queue how they are: each question once at a time, and with a deadline.

Whoever asks while a question is under way gets the same answer. So probes that are repeated while a frozen
server answers none take no connection from those who trade.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import redis
from sqlalchemy.exc import SQLAlchemyError

from oee_daemon.queue import queue_refusals, queue_roster
from oee_daemon.queue.queue_broker import NAMESPACE, QUEUE
from oee_daemon.reads.reads_engine import Overview, Overviews
from oee_daemon.reads.reads_history import History
from oee_daemon.settings import Settings
from oee_daemon.store.readiness_sql import Readiness

T = TypeVar("T")

#: Seconds after which a server that does not answer counts as away: a frozen one never says so.
ANSWER_S = 2.5
#: Kinds of questions that are asked at once: as many as there are.
KINDS = 4


@dataclass(frozen=True, slots=True)
class QueueState:
    """The server that is the queue, the messages that no worker has taken, the workers that are there, and by
    host how often an outside API answered 429."""

    server: str
    version: str
    messages: int
    workers: list[dict[str, Any]]
    refusals: dict[str, int]


class Probes:
    """Every answer is None where the server is away, or does not answer within `ANSWER_S`."""

    def __init__(
        self, settings: Settings, history: History, overviews: Overviews, queue: redis.Redis
    ) -> None:
        self._settings = settings
        self._history = history
        self._overviews = overviews
        self._queue = queue
        self._pool = ThreadPoolExecutor(KINDS, thread_name_prefix="probe")
        self._asked: dict[Callable[..., Any], asyncio.Future[Any]] = {}

    async def readiness(self) -> Readiness | None:
        """Whether a due order would be taken up now."""
        return await self._ask(self._history.readiness, self._settings.network)

    async def overview(self) -> Overview | None:
        """The engine at this moment."""
        return await self._ask(self._overviews.look)

    async def figures(self) -> dict[str, Any] | None:
        """Postgres itself, and the orders in it, counted."""
        return await self._ask(self._overviews.figures, self._settings.connections)

    async def queue(self) -> QueueState | None:
        return await self._ask(self._read_queue)

    def _read_queue(self) -> QueueState:
        server: Any = self._queue.info("server")
        kind = "valkey" if "valkey_version" in server else "redis"
        messages: Any = self._queue.llen(f"{NAMESPACE}:{QUEUE}")
        there, refused = queue_roster.present(self._queue), queue_refusals.counted(self._queue)
        return QueueState(kind, server[f"{kind}_version"], messages, there, refused)

    async def _ask(self, question: Callable[..., T], *about: object) -> T | None:
        asked: asyncio.Future[T | None] | None = self._asked.get(question)
        if asked is None or asked.done():
            loop = asyncio.get_running_loop()
            asked = self._asked[question] = loop.run_in_executor(
                self._pool, _answer_or_none, question, *about
            )
        await asyncio.wait([asked], timeout=ANSWER_S)
        return asked.result() if asked.done() else None


def _answer_or_none(question: Callable[..., T], *about: object) -> T | None:
    try:
        return question(*about)
    except (SQLAlchemyError, redis.RedisError):
        return None

"""Who works: each worker says so on Valkey once a second, and is forgotten when it has not for a while.

For people who look, and for nothing else: what a worker holds is Postgres's to say, by leases. So a worker
that can't say it is there works all the same, and a Valkey that lost everything knows all again in a second.
"""

from __future__ import annotations

import json
import logging
import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import redis

from oee_daemon.contract.moments import rfc3339
from oee_daemon.contract.protocol import VERSION
from oee_daemon.queue.queue_connection import asked_once

log = logging.getLogger(__name__)

#: The set of the workers' names, and what each one's own key begins with.
NAMES = "oee:workers"
KEY = "oee:worker:"
#: Seconds between two signs of life, and after which one without another is forgotten; by Valkey's clock.
EVERY_S = 1.0
FORGET_S = 4
#: Seconds to wait for Valkey.
TIMEOUT_S = 0.5


class Roster:
    """One worker's entry, kept fresh by a chore that neither Postgres nor an order holds up."""

    def __init__(
        self,
        url: str,
        *,
        owner: str,
        threads: int,
        busy: Callable[[], int],
        more: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        self._client = asked_once(url, wait_s=TIMEOUT_S)
        self._owner = owner
        self._busy = busy
        self._more = more
        self._entry: dict[str, Any] = {
            "name": owner,
            "host": platform.node(),
            "pid": os.getpid(),
            "threads": threads,
            "version": VERSION,
            "since": rfc3339(datetime.now(UTC), "seconds"),
        }

    def once(self) -> bool:
        """Gives one sign of life; where Valkey is away, the next one tries again."""
        try:
            self.announce()
        except redis.RedisError as e:
            log.debug("not announced", extra={"reason": str(e)})
        return False

    def leave(self) -> None:
        """Takes the entry back, if Valkey can be reached."""
        try:
            with self._client.pipeline() as pipe:
                pipe.srem(NAMES, self._owner)
                pipe.delete(KEY + self._owner)
                pipe.execute()
        except redis.RedisError as e:
            log.debug("left without a word", extra={"reason": str(e)})
        self._client.close()

    def announce(self) -> None:
        """Gives one sign of life. Raises `redis.RedisError`."""
        entry = json.dumps(self._entry | {"running": self._busy()} | self._more())
        with self._client.pipeline() as pipe:
            pipe.sadd(NAMES, self._owner)
            pipe.set(KEY + self._owner, entry, ex=FORGET_S)
            pipe.execute()


def present(client: redis.Redis) -> list[dict[str, Any]]:
    """The workers that are there, the longest first. Raises `redis.RedisError`."""
    names = sorted(cast(set[bytes], client.smembers(NAMES)))
    if not names:
        return []
    entries = cast(list[bytes | None], client.mget([KEY.encode() + name for name in names]))
    gone = [name for name, entry in zip(names, entries, strict=True) if entry is None]
    if gone:
        client.srem(NAMES, *gone)
    found = [json.loads(entry) for entry in entries if entry is not None]
    return sorted(found, key=lambda entry: (entry["since"], entry["name"]))

"""How often each outside API and RPC endpoint answered 429: told to Valkey by whoever was answered so, in the
hash `COUNTS`, by the API's host.

For people who look, and for nothing else: what a process could not tell is not counted, and a Valkey that
lost everything counts anew.
"""

from __future__ import annotations

from typing import cast

import redis

#: By host, never by address: that may hold a key.
COUNTS = "oee:refusals"


def counted(client: redis.Redis) -> dict[str, int]:
    """Since Valkey has them, by host. Raises `redis.RedisError`."""
    told = cast(dict[bytes, bytes], client.hgetall(COUNTS))
    return {host.decode(): int(times) for host, times in sorted(told.items())}

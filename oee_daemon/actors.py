"""The Dramatiq actors: one line of work each. What they do is in `execution`."""

from __future__ import annotations

from uuid import UUID

import dramatiq

from oee_daemon.broker import ACTOR, QUEUE
from oee_daemon.execution import Execution


def declare(broker: dramatiq.Broker, execution: Execution) -> None:
    """Gives the broker the actor that runs orders with `execution`."""

    def execute(order_id: str) -> None:
        delay = execution.run(UUID(order_id))
        if delay is not None:
            # The stored due time is the truth, this is its bell.
            raise dramatiq.Retry(delay=max(1, round(delay.total_seconds() * 1000)))

    dramatiq.actor(actor_name=ACTOR, queue_name=QUEUE, broker=broker, max_retries=None)(execute)

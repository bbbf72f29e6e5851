"""The Dramatiq actors: one line of work each. What they do is in `execution`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from uuid import UUID

import dramatiq

from oee_daemon.engine.execution import Execution
from oee_daemon.queue.queue_broker import ACTOR, LOOK, QUEUE, Broker, ring

log = logging.getLogger(__name__)


def named(arguments: tuple[object, ...], options: dict[str, object]) -> UUID | None:
    """The order that a message names; `None` where it names none, whoever sent it."""
    if len(arguments) != 1 or options or not isinstance(arguments[0], str):
        return None
    try:
        return UUID(arguments[0])
    except ValueError:
        return None


def declare(broker: Broker, execution: Execution, look: Callable[[], object] = lambda: None) -> None:
    """Gives the broker the actor that runs orders with `execution`. `look`: is called for `LOOK`."""

    def execute(*arguments: object, **options: object) -> None:
        order_id = named(arguments, options)
        if order_id is None:
            # Trying again would not help: it is dropped, and every real order is known to Postgres.
            log.warning("a message that names no order was dropped")
            return
        if order_id == LOOK:
            look()
            return
        delay = execution.run(order_id)
        if delay is not None and not broker.hand(order_id, delay):
            # This worker is ending: whoever else works may take it.
            ring(broker, order_id)

    dramatiq.actor(actor_name=ACTOR, queue_name=QUEUE, broker=broker)(execute)

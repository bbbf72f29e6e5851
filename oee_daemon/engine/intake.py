"""Accepts orders and cancels them. The only place where an order begins.

Accepting is one commit, then the ring, then the answer: what was answered is durable, and what was not
rung is rung by recovery. A key makes a repetition harmless; without one every request is a new order.
"""

from __future__ import annotations

from uuid import UUID, uuid4

from sqlalchemy import Engine

from oee_daemon import failpoints
from oee_daemon.contract.protocol import KEY_HEADER
from oee_daemon.contract.status import UNSENT, Status
from oee_daemon.engine.identity import Identity
from oee_daemon.engine.retention import refuse_spent
from oee_daemon.errors import Conflict, KeyConflict, NotFound
from oee_daemon.orders.order import Order
from oee_daemon.orders.terms import Terms
from oee_daemon.queue.broker import Broker, ring
from oee_daemon.queue.feed import Feed
from oee_daemon.store import moves, order_rows


class Intake:
    """Where orders come in."""

    def __init__(
        self, db: Engine, broker: Broker, feed: Feed, *, network: str, identity: Identity | None = None
    ) -> None:
        """`identity`: tells whether what the database says can be relied on; none where nobody asks."""
        self._db = db
        self._identity = identity
        self._broker = broker
        self._feed = feed
        self._network = network

    def check(self, terms: Terms, key: str | None) -> None:
        """Checks all that `accept` checks, without storing. Raises as it does."""
        if key is not None:
            with self._db.connect() as conn:
                known = order_rows.find_key(conn, key)
                if known is None:
                    refuse_spent(conn, key)
                else:
                    self._same(known, terms)

    def accept(self, terms: Terms, key: str | None) -> tuple[Order, bool]:
        """Stores the order and rings. Returns it, and whether it is new.

        With a `key` that is known: the order as it is now. Raises `KeyConflict` where the key came with other
        values before, and `Conflict` where its order is no longer kept.
        """
        with self._db.connect() as conn:
            order = moves.create(conn, uuid4(), self._network, terms, key)
            if order is None:
                assert key is not None
                known = order_rows.find_key(conn, key)
                if known is None:
                    refuse_spent(conn, key)
                return self._same(known, terms), False
        failpoints.hit("accepted")
        # Nobody waits for the queue either: what it lost is rung again.
        ring(self._broker.no_reply, order.id)
        failpoints.hit("rung")
        self._feed.publish(order.id)
        return order, True

    @staticmethod
    def _same(known: Order | None, terms: Terms) -> Order:
        assert known is not None
        if known.request_hash != terms.request_hash:
            raise KeyConflict(
                f"Idempotency-Key was used with other values before, for order {known.id}.",
                field=KEY_HEADER,
                hint="Use a new key for a new order, or repeat the first request as it was.",
            )
        return known

    def cancel(self, order_id: UUID) -> Order:
        """Stops the order if nothing of it can be on the chain; harmless to repeat.

        Raises `NotFound`, `Conflict` with what it is where it can no longer be stopped, and `Unavailable`
        where the database may have forgotten what became of it.
        """
        if self._identity is not None:
            self._identity.must_be_settled()
        with self._db.connect() as conn:
            while (cancelled := moves.cancel(conn, order_id)) is None:
                order = order_rows.find(conn, order_id)
                if order is None:
                    raise NotFound(f"There is no order {order_id}.")
                if order.status is Status.CANCELLED:
                    return order
                if order.status not in UNSENT:
                    raise Conflict(_too_late(order), code=f"order_{order.status}")
                # Its attempt ended between the two looks: now it can be cancelled after all.
        self._feed.publish(order_id)
        return cancelled


def _too_late(order: Order) -> str:
    if order.status is Status.SUBMITTED:
        return "The order was submitted: it may be on the chain and can't be cancelled any more."
    return f"The order is {order.status}, which is final."

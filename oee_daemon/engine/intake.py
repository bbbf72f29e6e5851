"""Accepts orders and cancels them. The only place where an order begins.

Accepting is one commit, then the ring, then the answer: what was answered is durable, and what was not
rung is rung by recovery. A key makes a repetition harmless; without one every request is a new order.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import Engine

from oee_daemon import failpoints
from oee_daemon.contract.fields import BY_NAME, GIVEN
from oee_daemon.contract.protocol import KEY_HEADER
from oee_daemon.contract.status import UNSENT, Status
from oee_daemon.contract.terms import Side, SwapMode
from oee_daemon.engine.identity import Identity
from oee_daemon.engine.retention import refuse_spent
from oee_daemon.errors import Conflict, InvalidInput, KeyConflict, NotFound
from oee_daemon.orders.order import Order, pair_of
from oee_daemon.orders.tokens import Token
from oee_daemon.queue.broker import Broker, ring
from oee_daemon.queue.feed import Feed
from oee_daemon.store import moves, order_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """A request that was read and found good. Amounts in base units; `None` where nothing was said."""

    input_token: Token
    output_token: Token
    amount: int
    swap_mode: SwapMode | None = None
    side: Side | None = None
    slippage_bps: int | None = None
    min_receive: int | None = None
    max_spend: int | None = None
    valid_for_s: int | None = None

    @property
    def mode(self) -> SwapMode:
        return self.swap_mode or SwapMode.EXACT_IN


def values_of(new: NewOrder, network: str) -> dict[str, object]:
    """The columns of a new order. Raises `InvalidInput` where its parts contradict each other."""
    if new.input_token == new.output_token:
        raise InvalidInput(
            f"outputToken is the same as inputToken: {new.input_token.symbol}.",
            code="same_token",
            field="outputToken",
            hint="Name two different tokens.",
        )
    _check_bounds(new)
    try:
        pair, side = pair_of(new.input_token, new.output_token, new.side)
    except ValueError as natural:
        raise InvalidInput(
            f"side contradicts the tokens: spending {new.input_token.symbol} for"
            f" {new.output_token.symbol} is a {natural}.",
            code="side_contradicts",
            field="side",
            hint=f"Leave side out, or say {natural}.",
        ) from None
    return {
        "network": network,
        "type": "market",
        "side": side.value,
        "pair": pair,
        "input_mint": new.input_token.mint,
        "output_mint": new.output_token.mint,
        "amount": new.amount,
        "swap_mode": new.mode.value,
        "slippage_bps": _or_usual(new.slippage_bps, "slippageBps"),
        "min_receive": new.min_receive,
        "max_spend": new.max_spend,
        "valid_for_s": _or_usual(new.valid_for_s, "validForS"),
    }


def _or_usual(value: int | None, name: str) -> int:
    usual: int = BY_NAME[name].default
    return usual if value is None else value


def _check_bounds(new: NewOrder) -> None:
    """The exact side needs no bound; one that is given anyway would be ignored, so it is refused."""
    exact_in = new.mode is SwapMode.EXACT_IN
    name, other = ("maxSpend", "minReceive") if exact_in else ("minReceive", "maxSpend")
    if (new.max_spend if exact_in else new.min_receive) is not None:
        raise InvalidInput(
            f"{name} does not go with swapMode {new.mode}: that amount is exact.",
            code="bound_contradicts",
            field=name,
            hint=f"Use {other}, or leave it out.",
        )


def request_hash(new: NewOrder) -> bytes:
    """A hash of the values sent: `1.5` and `"1.50"` are one, and what was left out stays out."""
    sent = {field.name: getattr(new, field.column) for field in GIVEN}
    sent |= {name: sent[name].mint for name in ("inputToken", "outputToken")}
    text = json.dumps({k: v for k, v in sent.items() if v is not None}, sort_keys=True)
    return hashlib.sha256(text.encode()).digest()


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

    def check(self, new: NewOrder, key: str | None = None) -> dict[str, object]:
        """Everything `accept` checks, without storing. Raises as it does."""
        values = values_of(new, self._network)
        if key is not None:
            with self._db.connect() as conn:
                known = order_rows.find_key(conn, key)
                if known is None:
                    refuse_spent(conn, key)
                else:
                    self._same(known, request_hash(new))
        return values

    def accept(self, new: NewOrder, key: str | None) -> tuple[Order, bool]:
        """Stores the order and rings. Returns it, and whether it is new.

        With a `key` that is known: the order as it is now. Raises `InvalidInput`, `KeyConflict` where the key
        came with other values before, and `Conflict` where its order is no longer kept.
        """
        sent = request_hash(new)
        values = self.check(new) | {"id": uuid4(), "idempotency_key": key, "request_hash": sent}
        with self._db.connect() as conn:
            order = moves.create(conn, values)
            if order is None:
                assert key is not None
                known = order_rows.find_key(conn, key)
                if known is None:
                    refuse_spent(conn, key)
                return self._same(known, sent), False
        failpoints.hit("accepted")
        # Nobody waits for the queue either: what it lost is rung again.
        ring(self._broker.no_reply, order.id)
        failpoints.hit("rung")
        self._feed.publish(order.id)
        return order, True

    @staticmethod
    def _same(known: Order | None, sent: bytes) -> Order:
        assert known is not None
        if known.request_hash != sent:
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

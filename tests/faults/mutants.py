"""Engines broken on purpose, each in one way that a hurried change might bring.

Each is called in a process of its own, which then becomes a worker with that break in it. A proof in which
one of them lives proves nothing; `test_mutants` holds that each is caught.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, update

from oee_daemon import failpoints
from oee_daemon.engine.engine_outside import Outside
from oee_daemon.engine.execution import Execution
from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.verdict import Cases
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import Fill, Landed, Lapsed, Look, Outcome, Rejected, SignedSwap, Unknown
from oee_daemon.store import move_sql, order_rows
from oee_daemon.store.database import aside
from oee_daemon.store.postgres_line import Line
from tests.kit.tables import swaps


def send_before_storing() -> None:
    """The swap is sent as soon as it is signed; it is stored after."""
    sign = Outside.signed

    async def signed_and_sent(self: Outside, order: Order) -> SignedSwap:
        # On one block the same plan is the same bytes, which land once: on the next one it is another swap.
        block = (await self.chain.anchor()).blockhash
        while (await self.chain.anchor()).blockhash == block:
            pass
        swap = await sign(self, order)
        await self.send(swap)
        return swap

    Outside.signed = signed_and_sent  # type: ignore[method-assign]


def no_compare_and_set() -> None:
    """A move goes through whatever the order's status and fence have become since it was read."""
    move = move_sql._move

    async def careless(line: Line, order: Order, *args: Any, **what: Any) -> Order | None:
        current = await aside(engines[0]._db, order_rows.find, order.id)
        assert current is not None
        return await move(line, current, *args, **what)

    engines = noted_engines()

    move_sql._move = careless
    setattr(move_sql, "check", lambda current, wanted: None)  # noqa: B010


def end_an_attempt_on_a_timeout() -> None:
    """What the chain could not say in time counts as never landed."""
    ask = Outside.outcome

    async def impatient(self: Outside, swap: SignedSwap, wait_s: float) -> Outcome:
        outcome = await ask(self, swap, wait_s)
        return Lapsed() if isinstance(outcome, Unknown) else outcome

    Outside.outcome = impatient  # type: ignore[method-assign]


def sign_anew_while_the_old_bytes_live() -> None:
    """Whoever finds an order submitted builds its swap again instead of sending the stored one."""
    read = order_rows.live_swap

    def rebuilt(conn: Connection, order_id: Any) -> SignedSwap | None:
        old = read(conn, order_id)
        order = order_rows.find(conn, order_id)
        if old is None or order is None:
            return old
        # On one block the same plan is the same bytes: a moment later it is another swap.
        while (swap := engines[0]._loop.run(engines[0]._outside.signed(order))).signature == old.signature:
            pass
        conn.execute(
            update(swaps)
            .where(swaps.c.signature == old.signature)
            .values(signature=swap.signature, raw=swap.raw, last_valid_height=swap.last_valid_height)
        )
        return swap

    engines = noted_engines()
    order_rows.live_swap = rebuilt


def noted_engines() -> list[Execution]:
    """Every one that is made from now on."""
    engines: list[Execution] = []
    begin = Execution.__init__

    def noted(self: Execution, *args: Any, **named: Any) -> None:
        begin(self, *args, **named)
        engines.append(self)

    Execution.__init__ = noted  # type: ignore[method-assign]
    return engines


def confirm_from_a_sends_answer() -> None:
    """A send that was taken counts as a fill."""
    send, engines = Outside.send, noted_engines()

    async def sent(self: Outside, swap: SignedSwap) -> None:
        await send(self, swap)
        taken.add(swap.signature)

    async def believed(self: Outside, swap: SignedSwap, wait_s: float) -> Outcome:
        order = await aside(engines[0]._db, order_rows.find, swap.order_id)
        assert order is not None and order.quote_in is not None and order.quote_out is not None
        fill = Fill(
            signature=swap.signature,
            order_id=order.id,
            input_mint="",
            output_mint="",
            amount_in=order.quote_in,
            amount_out=order.quote_out,
            fee=order.quote_fee or 0,
            slot=0,
            at=datetime.now(UTC),
        )
        return Landed(fill)

    taken: set[str] = set()
    Outside.send = sent  # type: ignore[method-assign]
    Outside.outcome = believed  # type: ignore[method-assign]


def reject_from_a_sends_answer() -> None:
    """A send that was refused, or whose answer is missing, counts as a swap that can't land."""
    refused: set[str] = set()
    ask = Outside.outcome

    async def sent(self: Outside, swap: SignedSwap) -> None:
        try:
            await self.chain.submit(swap)
        except ChainUnavailable:
            refused.add(swap.signature)
        failpoints.hit("sent", swap.attempt)

    async def believed(self: Outside, swap: SignedSwap, wait_s: float) -> Outcome:
        if swap.signature in refused:
            return Rejected("refused", "the chain refused it", retryable=True)
        return await ask(self, swap, wait_s)

    Outside.send = sent  # type: ignore[method-assign]
    Outside.outcome = believed  # type: ignore[method-assign]


def height_from_one_node_and_status_from_another() -> None:
    """The height is the highest that any node shows, the status what the last one says."""

    def naive(self: Cases, swap: SignedSwap, looks: Sequence[Look]) -> Outcome:
        seen = looks[-1].seen if looks[-1].final else None
        if seen is None and max(look.height for look in looks) > swap.last_valid_height:
            return Lapsed()
        return seen or Unknown("not on the chain yet")

    Cases.judge = naive  # type: ignore[method-assign]


WORKERS: dict[str, Callable[[], None]] = {
    f.__name__: f
    for f in (
        send_before_storing,
        no_compare_and_set,
        end_an_attempt_on_a_timeout,
        sign_anew_while_the_old_bytes_live,
        confirm_from_a_sends_answer,
        reject_from_a_sends_answer,
        height_from_one_node_and_status_from_another,
    )
}

"""Orders that may have been executed without a trace here: the chain is asked before any is signed again.

A database forgets: a standby takes over without the last second, a folder is put back from a snapshot, a
backup is restored while its original went on. Then each live order is *in doubt*: it is `submitted`, which
means that it may be on the chain, though no swap of it may be stored. It leaves that only with a fill that
the chain knows for the order, or when nothing that was signed before can land any more.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select, text, update

from oee_daemon.contract.status import STEPS, Status
from oee_daemon.errors import AttemptFailed, ChainUnavailable
from oee_daemon.networks.bounded import BoundedChain
from oee_daemon.networks.verdict import MARGIN_BLOCKS
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import Fill, Landed, Lapsed, Rejected
from oee_daemon.store.leases import FREED
from oee_daemon.store.predicates import LIVE
from oee_daemon.store.statement import Statement
from oee_daemon.store.tables import doubts, orders

#: Between two questions about one order, at least and at most.
PAUSE = (timedelta(seconds=5), timedelta(seconds=60))
#: Landings that are asked for at once.
_PAGE = 1000
#: The most that the chain's clock may differ from Postgres's.
_CLOCKS_APART = timedelta(hours=1)

# The fence is raised past all that it may have been before that was forgotten: whoever holds it by a claim of
# then is told, too. The steps that an order has not been seen to take are told as well: its events stay in
# the order that the moves allow.
_WAY = (Status.WAITING, *STEPS[: STEPS.index(Status.SUBMITTED) + 1])
_STEPS = ", ".join(
    f"('{began.value}', {n}, '{step.value}')"
    for began in _WAY
    for n, step in enumerate(_WAY[_WAY.index(began) + 1 :], 1)
)
_DOUBT = Statement(f"""
    -- doubt: every live order may be on a chain
    WITH live AS (
        SELECT id, status, event_seq, attempt, expires_at FROM orders WHERE {LIVE} FOR UPDATE
    ), noted AS (
        INSERT INTO doubts (order_id, chain, until)
        SELECT id, %(chain)s, CASE WHEN %(elsewhere)s THEN expires_at END FROM live
        ON CONFLICT (order_id) DO UPDATE
            SET last_height = NULL, until = GREATEST(doubts.until, EXCLUDED.until)
    ), steps (began, n, status) AS (
        VALUES {_STEPS}
    ), said AS (
        INSERT INTO order_events (order_id, seq, status, attempt, at, data)
        SELECT id, event_seq + n, steps.status, attempt, statement_timestamp(), '{{"assumed": true}}'
        FROM live JOIN steps ON began = live.status
    ), freed AS ({FREED.format(moved="live")})
    UPDATE orders SET
        status = 'submitted', fence = fence + 1000000, asks = 0,
        event_seq = orders.event_seq + (SELECT count(*) FROM steps WHERE began = live.status),
        updated_at = CASE WHEN live.status = 'submitted' THEN updated_at ELSE statement_timestamp() END,
        lease_owner = NULL, lease_until = NULL, rung_at = NULL, next_run_at = statement_timestamp()
    FROM live WHERE orders.id = live.id
    RETURNING live.status
""")  # noqa: S608  # the names are our own columns


def doubt(conn: Connection, chain: str, *, elsewhere: bool) -> list[str]:
    """Puts every live order in doubt: it may be on `chain`. The status that each had.

    `elsewhere`: this is a copy, and the engine that it was copied from may go on with them. Whoever holds one
    of them is told by the raised fence.
    """
    return [row[0] for row in _DOUBT.all(conn, {"chain": chain, "elsewhere": elsewhere})]


def forget_the_ended(conn: Connection) -> None:
    """Removes what was in doubt and has ended."""
    conn.execute(
        text("DELETE FROM doubts USING orders o WHERE o.id = order_id AND o.finished_at IS NOT NULL")
    )


class StillInDoubt(Exception):
    """Nothing can be said yet; ask again after `pause`."""

    def __init__(self, pause: timedelta) -> None:
        super().__init__()
        self.pause = pause


def ask(conn: Connection, chain: BoundedChain, order: Order, said: Rejected | Lapsed | None) -> Landed:
    """What the order came to, where its stored swap, if it has one, has `said` that it moved nothing.

    Raises `AttemptFailed`: nothing of it can land any more; or, with the code `restored_unknown`, no chain
    that can be asked will ever know. Raises `StillInDoubt` where that is not known yet.
    """
    left = (doubts.c.until - func.clock_timestamp()).label("left")
    row = conn.execute(select(doubts, left).where(doubts.c.order_id == order.id)).first()
    if row is None:
        if said is None:
            raise AssertionError(f"order {order.id} is submitted without a live swap")
        raise _moved_nothing(said)
    try:
        landed = _found(conn, chain, order, row)
    except ChainUnavailable:
        raise StillInDoubt(PAUSE[0]) from None
    if landed is None:
        raise _moved_nothing(said)
    return landed


def elsewhere(conn: Connection, chain: BoundedChain, order: Order) -> bool:
    """Whether what is stored of it is for another chain, so that this one never says what became of it.
    False where that can't be asked."""
    stored = conn.execute(select(doubts.c.chain).where(doubts.c.order_id == order.id)).scalar()
    try:
        return stored is not None and chain.identity() != stored
    except ChainUnavailable:
        return False


def _found(conn: Connection, chain: BoundedChain, order: Order, row: Row[Any]) -> Landed | None:
    """Its landing; none where it is certain that there is none."""
    fill, height = _search(chain, order)
    if fill is not None:
        return Landed(fill)
    # In a copy of the database even the same chain is a copy, which knows nothing of what came after.
    if chain.identity() != row.chain or (chain.inside and row.until is not None):
        raise AttemptFailed(
            "This database was restored or copied, and the engine that it came from may have executed the"
            " order since: this one can't know.",
            code="restored_unknown",
        )
    if row.left is not None and row.left > timedelta(0):
        raise StillInDoubt(min(PAUSE[1], max(PAUSE[0], row.left)))
    if row.last_height is None:
        # All that was signed until now has an older anchor than this one.
        last = chain.anchor().last_valid_height
        held = select(orders.c.id).where(orders.c.id == order.id, orders.c.fence == order.fence)
        # Not where it was put in doubt again meanwhile: then more was signed than this anchor knows of.
        conn.execute(update(doubts).where(doubts.c.order_id.in_(held)).values(last_height=last))
        raise StillInDoubt(PAUSE[0])
    if height <= row.last_height + MARGIN_BLOCKS:
        raise StillInDoubt(PAUSE[0])
    return None


def _search(chain: BoundedChain, order: Order) -> tuple[Fill | None, int]:
    """The landing whose bytes name the order, and the height up to which that is all.

    By the order's id, not by a signature: whatever swap it had may be forgotten here.
    """
    page = chain.fills(limit=_PAGE)
    height = page.height
    while True:
        for fill in page.fills:
            if fill.order_id == order.id:
                return fill, height
        if page.before is None or (page.fills and page.fills[-1].at < order.created_at - _CLOCKS_APART):
            return None, height
        page = chain.fills(limit=_PAGE, before=page.before)


def _moved_nothing(said: Rejected | Lapsed | None) -> AttemptFailed:
    if isinstance(said, Rejected):
        return AttemptFailed(said.message, code=said.code, retryable=said.retryable)
    message = "The swap did not land in time and never can any more."
    return AttemptFailed(message, code="swap_lapsed", retryable=True)

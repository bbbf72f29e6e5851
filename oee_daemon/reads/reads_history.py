"""Reads orders, events and swaps for whoever asks; changes nothing."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from oee_daemon.contract.protocol import MIN_PREFIX
from oee_daemon.errors import BadCursor, NotFound, Refused
from oee_daemon.orders.order import Event, Order
from oee_daemon.store import listing_sql, order_rows, readiness_sql
from oee_daemon.store.listing_sql import Filter
from oee_daemon.store.readiness_sql import Readiness

_HEX = re.compile(rf"[0-9a-f-]{{{MIN_PREFIX},36}}")


class History:
    """Reads orders with their events and swaps; writes nothing."""

    def __init__(self, db: Engine) -> None:
        self._db = db

    def resolve(self, text: str) -> UUID:
        """The id that `text` is, or is a unique prefix of.

        Raises `NotFound`, and `Refused` with code `ambiguous_prefix` where several orders begin so.
        """
        prefix = text.lower()
        if not _HEX.fullmatch(prefix):
            raise NotFound(f"There is no order {_shorten(text)!r}.")
        low, high = _ids_between(prefix)
        with self._db.connect() as conn:
            between: list[UUID] = listing_sql.BETWEEN.column(conn, {"low": low, "high": high})
        ids = [i for i in between if str(i).startswith(prefix)]
        if not ids:
            raise NotFound(f"There is no order {_shorten(text)!r}.")
        if len(ids) > 1:
            raise Refused(
                f"{len(ids)} orders or more begin with {text!r}.",
                code="ambiguous_prefix",
                field="orderId",
                hint="Give more characters of the id.",
            )
        return ids[0]

    def order(self, order_id: UUID) -> Order:
        """Raises `NotFound`."""
        with self._db.connect() as conn:
            return order_rows.must_find(conn, order_id)

    def events(self, order_id: UUID, after: int = 0) -> list[Event]:
        with self._db.connect() as conn:
            return order_rows.events(conn, order_id, after)

    def detail(self, order_id: UUID) -> tuple[Order, list[Event], list[Any]]:
        """The order with its events and the rows of its swaps, as of one moment. Raises `NotFound`."""
        with self._db.execution_options(isolation_level="REPEATABLE READ").begin() as conn:
            found = order_rows.must_find(conn, order_id)
            swaps = listing_sql.SWAPS.all(conn, {"id": order_id})
            return found, order_rows.events(conn, order_id), swaps

    def page(self, wanted: Filter, *, limit: int, cursor: str | None) -> tuple[list[Order], str | None]:
        """Orders, newest first, and the cursor to go on from. Raises `BadCursor`.

        A page is one moment: an order that ends while it is read must not cut it short.
        """
        before = None if cursor is None else read_cursor(cursor)
        with self._db.execution_options(isolation_level="REPEATABLE READ").begin() as conn:
            rows = listing_sql.page(conn, wanted, limit=limit + 1, before=before)
        return rows[:limit], str(rows[limit - 1].number) if len(rows) > limit else None

    def among(self, ids: list[UUID], keys: list[str], *, ended: bool) -> list[Order]:
        """The orders that exist among these, each once; with `ended` only the final ones."""
        with self._db.connect() as conn:
            return listing_sql.among(conn, ids, keys, ended=ended)

    def spent(self, keys: list[str]) -> list[str]:
        """Those of these keys whose orders retention has removed."""
        if not keys:
            return []
        with self._db.connect() as conn:
            return listing_sql.spent(conn, keys)

    def has_keys(self, prefix: str) -> bool:
        """Whether any key begins so, also one whose order is no longer kept."""
        with self._db.connect() as conn:
            return listing_sql.has_keys(conn, prefix)

    def readiness(self, network: str) -> Readiness:
        """Whether an order that is due would be taken up now."""
        with self._db.connect() as conn:
            return readiness_sql.look(conn, network)


def read_cursor(cursor: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,17}", cursor):
        raise BadCursor
    return int(cursor)


def _ids_between(prefix: str) -> tuple[UUID, UUID]:
    digits = prefix.replace("-", "")[:32]
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))


def _shorten(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."

"""Accepts orders of which at most one is filled: several as a new group, or one into a group that there is.

All of them are stored in one transaction, or none. A group's key is its own; the keys of its orders are made
of it. No worker is rung for: they wait.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine

from oee_daemon import failpoints
from oee_daemon.contract import halt_mark
from oee_daemon.contract.protocol import KEY_HEADER
from oee_daemon.engine.engine_spending_limits import SpendingLimits
from oee_daemon.engine.engine_wallet_lock import WalletLock
from oee_daemon.engine.retention import refuse_spent
from oee_daemon.errors import Halted, KeyConflict, Refused
from oee_daemon.orders.order import Order
from oee_daemon.orders.terms import Terms
from oee_daemon.queue.queue_hints import Feed
from oee_daemon.store import group_placing_sql, order_rows
from oee_daemon.store.creating_sql import Armed, New
from oee_daemon.store.database import aside, transactions
from oee_daemon.store.group_placing_sql import NotStored
from oee_daemon.store.spending_sql import NoRoom


@dataclass(frozen=True, slots=True)
class Group:
    """A group as it is now; `created`: by this request."""

    id: UUID
    orders: Sequence[Order]
    created: bool


class RowRefused(Exception):
    """The order of that number, from 0, can't be accepted, and so none of its group; `cause` says why."""

    def __init__(self, number: int, cause: Refused) -> None:
        super().__init__(cause.message)
        self.number, self.cause = number, cause


@dataclass(eq=False)
class GroupIntake:
    """Where groups come in. `lock`, `limits`, `home` and `keeps`: as of `Intake`, whose `look_ahead` is
    `soon`."""

    db: Engine
    feed: Feed
    _: KW_ONLY
    network: str
    lock: WalletLock | None = None
    limits: SpendingLimits | None = None
    home: Path | None = None
    keeps: Mapping[str, Any] | None = None
    soon: Callable[[Order], object] = lambda _: None

    async def find(self, asked: Sequence[Terms], key: str | None) -> Group | None:
        """The group that was placed with the key. Raises `KeyConflict` where it was with other values."""
        return None if key is None else await aside(self.db, self._find_known, asked, key)

    def is_known(self, key: str | None) -> bool:
        """Whether a group was placed with the key."""
        if key is None:
            return False
        with self.db.connect() as conn:
            return group_placing_sql.find_group(conn, key) is not None

    async def accept(self, asked: Sequence[tuple[Terms, Armed]], key: str | None) -> Group:
        """Stores them as a new group; or the group of that key, as it is now.

        Raises `RowRefused` for the first order that can't be accepted, and as `Intake.accept` what is about
        all of them.
        """
        if self.lock is not None:
            await self.lock.require()
        members = [
            await self._member(number, terms, None if key is None else f"{key}/{number + 1}", armed)
            for number, (terms, armed) in enumerate(asked)
        ]
        group = await asyncio.to_thread(self._place_members, members, key)
        failpoints.hit("accepted")
        for order in group.orders:
            self.soon(order)
        self.feed.publish(*(order.id for order in group.orders))
        return group

    async def _member(self, number: int, terms: Terms, key: str | None, armed: Armed) -> New:
        terms = terms.keeping(self.keeps)
        if self.limits is None:
            return New(terms, key, armed)
        try:
            terms, reserving = await self.limits.admit(terms, waits=True)
        except Refused as e:
            raise RowRefused(number, e) from None
        return New(terms, key, armed, reserving)

    def _place_members(self, members: Sequence[New], key: str | None) -> Group:
        try:
            return self._store(members, key)
        except NotStored as e:
            if self.limits is None or not isinstance(e.__cause__, NoRoom):
                raise self._refusal_of(e, members) from None
            # What ended a moment ago may have left room.
            self.limits.settle()
        try:
            return self._store(members, key)
        except NotStored as e:
            raise self._refusal_of(e, members) from None

    def _store(self, members: Sequence[New], key: str | None) -> Group:
        """In one transaction. Raises `NotStored`."""
        asked = [member.terms for member in members]
        with transactions(self.db).begin() as conn:
            if key is not None:
                group_placing_sql.lock_key(conn, key)
                if (known := self._find_known(conn, asked, key)) is not None:
                    return known
            if halt_mark.halts(self.home, self.network):
                raise Halted
            group = group_placing_sql.make(conn, key, _hash_of(asked))
            return Group(group, group_placing_sql.place(conn, self.network, group, members), created=True)

    def _refusal_of(self, failure: NotStored, members: Sequence[New]) -> Exception:
        cause, member = failure.__cause__, members[failure.number]
        if isinstance(cause, NoRoom):
            assert self.limits is not None and member.reserving is not None
            return RowRefused(failure.number, self.limits.over(cause, member.reserving))
        if isinstance(cause, Refused):
            return cause
        assert member.key is not None
        try:
            with self.db.connect() as conn:
                refuse_spent(conn, member.key)
        except Refused as e:
            return RowRefused(failure.number, e)
        return RowRefused(failure.number, KeyConflict(
            f"Idempotency-Key {member.key} belongs to another order.", field=KEY_HEADER, hint="Use a new key."
        ))  # fmt: skip

    def _find_known(self, conn: Connection, asked: Sequence[Terms], key: str) -> Group | None:
        found = group_placing_sql.find_group(conn, key)
        if found is None:
            if (order := order_rows.find_key(conn, key)) is not None:
                raise _conflict(f"order {order.id}")
            refuse_spent(conn, key)
            return None
        group, request_hash = found
        if request_hash != _hash_of(asked):
            raise _conflict(f"group {group}")
        return Group(group, group_placing_sql.members(conn, group), created=False)


class Joining:
    """Accepts one order into the group of another, for `Intake`."""

    def __init__(self, db: Engine, network: str) -> None:
        self._db = db
        self._network = network

    def check(self, terms: Terms) -> None:
        """Raises as `create` where the order could not join, and stores nothing."""
        assert terms.oco is not None
        with transactions(self._db).connect() as conn, conn.begin() as transaction:
            group_placing_sql.join(conn, terms.oco, self._network)
            transaction.rollback()

    def create(self, new: New) -> Order | None:
        """Stores it. None: its key is known. Raises as `creating_sql.create` and as `group_placing.join`."""
        assert new.terms.oco is not None and new.armed is not None
        try:
            with transactions(self._db).begin() as conn:
                group_placing_sql.lock_key(conn, new.key)
                if new.key is not None and order_rows.find_key(conn, new.key) is not None:
                    return None
                group_placing_sql.lock_limits(conn, limited=new.reserving is not None)
                group = group_placing_sql.join(conn, new.terms.oco, self._network)
                return group_placing_sql.place(conn, self._network, group, [new])[0]
        except NotStored as e:
            if e.__cause__ is None:
                return None
            raise e.__cause__ from None


def _hash_of(asked: Sequence[Terms]) -> bytes:
    said = hashlib.sha256()
    for terms in asked:
        assert terms.request_hash is not None
        said.update(terms.request_hash)
    return said.digest()


def refuse_group_key(conn: Connection, key: str) -> None:
    """Raises `KeyConflict` where a group was placed with the key, and so no order is."""
    found = group_placing_sql.find_group(conn, key)
    if found is not None:
        raise _conflict(f"group {found[0]}", "order")


def _conflict(owner: str, new: str = "group") -> KeyConflict:
    return KeyConflict(
        f"Idempotency-Key was used with other values before, for {owner}.",
        field=KEY_HEADER,
        hint=f"Use a new key for a new {new}, or repeat the first request as it was.",
    )

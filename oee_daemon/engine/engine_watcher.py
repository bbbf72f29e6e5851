"""The watcher of one worker: it fires orders whose time has come, ends those whose time is over, and leads
the watch over prices where no other worker does.

One leads, by a lease with a fence in Postgres: a leader that froze fires nothing when it wakes up. Where
nobody waits it asks Postgres one short question a second.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from oee_daemon import failpoints
from oee_daemon.contract.order_types import URGENT, OrderType
from oee_daemon.engine.engine_launches import Fired, Launches
from oee_daemon.engine.engine_listing_watch import ListingWatch
from oee_daemon.engine.engine_price_post import Lead
from oee_daemon.engine.engine_price_ticks import PriceTicks
from oee_daemon.engine.engine_urgent_orders import UrgentOrders
from oee_daemon.networks.network import Network
from oee_daemon.queue.queue_broker import Broker, ring
from oee_daemon.queue.queue_hints import Feed
from oee_daemon.store import engine_row, group_sql, launch_sql, watch_sql
from oee_daemon.store.database import aside
from oee_daemon.store.engine_row import Where
from oee_daemon.store.postgres_line import Line
from oee_daemon.store.sql_statement import Statement

log = logging.getLogger(__name__)

#: Seconds for which a leader leads without a sign of life, and between two of them.
LEASE_S, BEAT_S = 3.0, 1.0
#: Seconds after the end of another's lease at which it is surely over.
OVER_S = 0.01
#: Seconds between two looks for whoever waits in a group that was filled.
SWEEP_S = 60.0
#: Seconds without a fresh price after which a pair counts as not watched.
GAP_S = 10.0


class Watcher:
    """`may`: whether this worker may fire just now: it knows whose database it works on. `where`: where that
    was when it was last looked at; none where that can't be known. `urgent`: executes stops and snipers, and
    `line` is asked in the millisecond of a launch; without them a beat fires what is due."""

    def __init__(
        self,
        db: Engine,
        network: Network,
        broker: Broker,
        feed: Feed,
        *,
        owner: str,
        max_active: int,
        may: Callable[[], bool] = lambda: True,
        where: Callable[[], Where | None] = lambda: None,
        urgent: UrgentOrders | None = None,
        line: Line | None = None,
    ) -> None:
        self._db = db
        self._broker = broker
        self._feed = feed
        self._owner = owner
        self._may = may
        self._where = where
        self.ticks = (
            None if network.prices is None else PriceTicks(db, network, network.prices, max_active=max_active)
        )
        self.listings = ListingWatch(db, network) if network.listings is not None else None
        #: Whether any order waits for a token to be listed.
        self._listed = False
        self._cadence_s = BEAT_S if network.prices is None else network.prices.cadence_s
        self._lead: Lead | None = None
        #: Seconds until another's lease is over, as of the last beat; none where nobody else leads.
        self._free_s: float | None = None
        self._sweep_at = 0.0
        self._urgent = urgent
        self._launches = (
            None
            if urgent is None or line is None
            else Launches(db, line, urgent, fired=self._run_launched, may=may)
        )
        #: The look at the prices that is under way, and that at the tokens that are waited for.
        self._looking: asyncio.Task[list[UUID]] | None = None
        self._listing: asyncio.Task[list[UUID]] | None = None
        #: The fence under which posts were last read, and whether they are to be read before the next look.
        self._watched: int | None = None
        self._watch_due = False
        self._woken = asyncio.Event()
        self._stopped = False
        #: What was reported last of the watch, and of the looks at new tokens.
        self._fault = self._listing_fault = ""
        #: And of what is due by the clock, by its name.
        self._due_faults: dict[str, str] = {}

    async def run(self) -> None:
        """Until `stop`. A fault costs a beat, and nothing else."""
        beat_at = 0.0
        while not self._stopped:
            begun = time.monotonic()
            if self._woken.is_set():
                self._woken.clear()
                beat_at = begun
            try:
                if begun >= beat_at:
                    beat_at = begun + BEAT_S
                    await self.beat()
                    if self._free_s is not None:
                        # Who is gone is followed at once.
                        beat_at = min(beat_at, time.monotonic() + self._free_s)
                await self._look(beat_at)
                self._fault = ""
            except Exception as e:
                self._lead = self._watched = None
                self._fault = self._report_fault(e, self._fault)
            await self._pause(begun, beat_at)
        if looks := [look for look in (self._looking, self._listing) if look is not None]:
            await asyncio.wait(looks, timeout=BEAT_S)
            for look in looks:
                look.cancel()
            await asyncio.gather(*looks, return_exceptions=True)

    async def _look(self, beat_at: float) -> None:
        """A tick, which goes on past a beat where those who are asked for prices are slow: leading and the
        clock wait for none of them. Nor does a stop wait for whoever is asked about a new token; what fails
        there costs no lead, or stops would confirm their prices anew each time."""
        if self._listing is not None and self._listing.done():
            fault, self._listing = self._listing.exception(), None
            self._listing_fault = self._report_fault(fault, self._listing_fault) if fault is not None else ""
        if self._listing is None:
            self._listing = asyncio.create_task(self.look_for_tokens())
        if self._looking is None:
            if self._watch_due and self._lead is not None and self.ticks is not None:
                await self._watch(self.ticks, self._lead)
            self._looking = asyncio.create_task(self.tick())
        woken = asyncio.create_task(self._woken.wait())
        timeout = max(0.0, beat_at - time.monotonic())
        await asyncio.wait([self._looking, woken], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        woken.cancel()
        if self._looking.done():
            looked, self._looking = self._looking, None
            looked.result()

    async def _pause(self, begun: float, beat_at: float) -> None:
        watching = self._lead is not None and (self._listed or (self.ticks is not None and self.ticks.posts))
        until = min(beat_at, begun + self._cadence_s) if watching else beat_at
        try:
            async with asyncio.timeout(max(0.001, until - time.monotonic())):
                await self._woken.wait()
        except TimeoutError:
            pass

    @staticmethod
    def _report_fault(fault: BaseException, known: str) -> str:
        """What kind of fault it is, which is logged once for as long as it lasts. `known`: the last one."""
        kind = type(fault.__cause__ or fault).__name__
        if kind == known:
            return known
        if isinstance(fault, SQLAlchemyError):
            reason = str(fault.__cause__ or fault)
            log.warning("Postgres can't be reached: nobody watches", extra={"reason": reason})
        else:
            log.error("the watch failed, and goes on", exc_info=fault)
        return kind

    async def beat(self) -> None:
        """Once a second: leads or goes on leading, and does what is due by the clock alone."""
        values = {"owner": self._owner, "lease": timedelta(seconds=LEASE_S), "may": self._may()}
        row = await aside(self._db, watch_sql.BEAT.first, values)
        # Not before it was asked: a price would look younger by as long as the answer took.
        told_at = time.monotonic()
        self._lead = self._free_s = None
        if row is None or not self._may():
            self._watched = None
            return
        if row.fence is not None:
            self._lead = Lead(fence=row.fence, now=row.now, at=told_at)
        elif row.leased_until is not None and row.leased_until > row.now:
            self._free_s = (row.leased_until - row.now).total_seconds() + OVER_S
        self._listed = bool(row.listed)
        await self._do_due(row)
        self._watch_due = self._lead is not None and bool(row.armed or row.fed)
        if self._lead is None:
            self._watched = None
        # What a look works with is left alone until it is over.
        if self.ticks is None or self._looking is not None:
            return
        if self._lead is not None and self._watch_due:
            await self._watch(self.ticks, self._lead)
        else:
            self.ticks.posts = {}

    async def _do_due(self, row: Any) -> None:
        """Each by itself: what fails of one costs neither the others nor the prices their look. Without
        Postgres all fail."""
        # What is over ends first: nothing fires past its time.
        for due in (self._lapse, self._sweep, self._end_rests, self._launch_due):
            try:
                await due(row)
                self._due_faults.pop(due.__name__, None)
            except OperationalError:
                raise
            except Exception as e:
                known = self._due_faults.get(due.__name__, "")
                self._due_faults[due.__name__] = self._report_fault(e, known)

    async def _lapse(self, row: Any) -> None:
        if row.lapses is not None and row.lapses <= row.now:
            async for ended in self._batches(watch_sql.LAPSE, engine_row.place(self._where())):
                self._tell([r[0] for r in ended])

    async def _sweep(self, _row: Any) -> None:
        if time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + SWEEP_S
            self._tell([r[0] for r in await aside(self._db, group_sql.STOP_LEFT_OVER.all)])

    async def _end_rests(self, row: Any) -> None:
        if row.looks:
            await aside(self._db, watch_sql.LOOK.all)

    async def _launch_due(self, row: Any) -> None:
        if row.launches is not None:
            away_s = (row.launches - row.now).total_seconds()
            if away_s <= 0:
                await self._launch()
            elif self._launches is not None:
                self._launches.near(away_s)

    async def _watch(self, ticks: PriceTicks, lead: Lead) -> None:
        anew, self._watched, self._watch_due = self._watched != lead.fence, lead.fence, False
        await ticks.read_posts()
        if anew:
            ticks.confirm_anew()
            gap = timedelta(seconds=GAP_S)
            await aside(self._db, watch_sql.AWAY.run, {"pairs": list(ticks.posts), "gap": gap})
        if not ticks.estimates:
            await ticks.follow(lead)
        await ticks.tell(lead, GAP_S)

    async def tick(self) -> list[UUID]:
        """Looks at prices once, if this worker leads; what fired."""
        lead, ticks = self._lead, self.ticks
        if lead is None:
            return []
        fired: list[UUID] = []
        if ticks is not None and ticks.posts:
            fired = await ticks.once(lead, self._hand)
            if ticks.estimates:
                # Venues are asked for it, which takes its time.
                await ticks.follow(lead)
        return fired

    async def look_for_tokens(self) -> list[UUID]:
        """Looks once for each token that is waited for, if this worker leads; what fired."""
        if self._lead is None or not self._listed or self.listings is None:
            return []
        listed = await self.listings.once(self._lead.fence)
        self._run_launched([(order_id, OrderType.SNIPER) for order_id in listed])
        return listed

    async def _launch(self) -> None:
        async for due in self._batches(launch_sql.LAUNCH):
            self._run_launched([(order_id, kind) for order_id, kind in due if kind is not None])

    async def _batches(
        self, statement: Statement[tuple[Any, ...]], values: Mapping[str, Any] | None = None
    ) -> AsyncIterator[list[tuple[Any, ...]]]:
        """The rows of one short statement after another, until there are no more, or for the next beat."""
        for _ in range(launch_sql.BATCHES):
            rows = await aside(self._db, statement.all, values or {})
            yield rows
            if len(rows) < watch_sql.MOST:
                return

    def _run_launched(self, fired: Sequence[Fired]) -> None:
        failpoints.hit("after_fire")
        self._hand(fired)

    def _hand(self, fired: Sequence[Fired]) -> None:
        """After the commit, what can't wait past the threads and all else by them; what is lost here,
        recovery takes up."""
        for order_id, kind in fired:
            if self._urgent is not None and kind in URGENT:
                self._urgent.begin(order_id)
            elif not self._broker.hand(order_id):
                ring(self._broker, order_id)
        self._tell([order_id for order_id, _ in fired])

    def _tell(self, moved: Sequence[UUID]) -> None:
        if moved:
            self._feed.publish(*moved)

    def wake(self) -> None:
        """Something was placed whose time comes before the next beat."""
        self._woken.set()

    def stop(self) -> None:
        self._stopped = True
        self._woken.set()

    async def leave(self) -> None:
        """Another may lead at once."""
        if self._launches is not None:
            await self._launches.stop()
        try:
            await aside(self._db, watch_sql.LEAVE.run, {"owner": self._owner})
        except SQLAlchemyError:
            log.debug("the watch was not given back")

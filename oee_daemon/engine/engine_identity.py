"""Whose database this is, and whether it is still where it was.

One engine has one wallet, one network and one chain: the row in `engine` names them, written by the first
start, and whoever comes with another refuses to start. The row also says on which server and timeline the
database was last seen. Where that is no longer so, or its log ends before a place that it had reached, or the
chain knows a landing of which the database knows no swap, something was forgotten: every live order is put in
doubt before anything is claimed (see `recall`).
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import InternalError, OperationalError, ProgrammingError

from oee_daemon.contract import halt_mark
from oee_daemon.contract.atomic_file import atomic_write
from oee_daemon.errors import ChainUnavailable, Unavailable
from oee_daemon.fault_log import FaultLog
from oee_daemon.networks.chain import ListedLanding
from oee_daemon.networks.network import Network
from oee_daemon.networks.network_bounded import BoundedChain
from oee_daemon.start_errors import HomeLost, OtherEngine, OtherWallet
from oee_daemon.store import doubt_sql, engine_row, halt_row
from oee_daemon.store.database import transactions
from oee_daemon.store.engine_row import Where
from oee_daemon.store.signature_sql import orders_of

T = TypeVar("T")

log = logging.getLogger(__name__)

#: What becomes of a wallet that is gone for good, and of every other tie that is meant to be cut.
_MEANT = "Where that is meant: docs/operations.md, One engine"

#: On no server: nothing may be claimed.
NOWHERE = Where("", "", 0, datetime.fromtimestamp(0, UTC))
#: So many of the newest landings are looked for in the database at first, and then so many at a time.
_LANDINGS, _MORE = 100, 1000
#: So many are read at most: anybody can have any number of transactions name the wallet.
_READ = 500
#: Seconds for all that: meanwhile its worker gives no sign of life, and would be taken for dead.
_LOOK_S = 15.0
#: Seconds for which a landing that is listed and not told keeps all from being claimed: one that an endpoint
#: makes up is never told, and then whatever is live is in doubt, and it alone waits.
_UNTOLD_S = 60.0
#: So many of them are asked for at once: an endpoint without batches tells them one after another, in time.
_TOLD = 5


def named_wallet(db: Engine, network: str) -> str | None:
    """The address whose orders are in the database; none where no engine has worked on it yet. Raises
    `OtherEngine` where they are of another network: that one's wallet would be asked for in vain."""
    with db.connect() as conn:
        try:
            row = engine_row.whose(conn)
        except ProgrammingError:
            return None  # not migrated yet
    if row is None:
        return None
    _compare("network", row.network, network)
    return str(row.wallet)


class Run(Protocol):
    """What a coroutine comes to, for a thread that waits for it."""

    def __call__(self, work: Coroutine[Any, Any, T]) -> T: ...


@dataclass(eq=False)
class Identity:
    """One process's view. `run`: does on the network's loop what this thread waits for. `mark`: the home's
    file, outside Postgres, that says how far its log had come. `must_be_held` raises `HomeLost` once the
    mark's home is another one. `alive` is called while what takes long goes on."""

    db: Engine
    network: Network
    run: Run
    _: KW_ONLY
    mark: Path | None = None
    must_be_held: Callable[[], None] = lambda: None
    keep_days: int | None = None
    alive: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self._chain = BoundedChain(self.network.chain, FaultLog())
        #: Where the database was last seen to be; none where that can't be known.
        self.known: Where | None = None
        self.settled = False
        #: Since when, in monotonic seconds, something is listed and not told.
        self._untold: float | None = None

    def must_be_settled(self) -> Where | None:
        """Where the database is, and is to be when what is decided by it is stored; none where that can't be
        known. Raises `Unavailable` where what the database says of an order may be out of date."""
        try:
            self.look()
        except (ChainUnavailable, OtherEngine) as e:
            raise Unavailable(
                f"It is not known yet whether the database forgot something. {e.message}",
                hint="What is away: oee doctor",
            ) from e
        return self.known

    def settle(self) -> None:
        """Writes the row, or compares with it, and puts in doubt what may have been forgotten.

        Raises `OtherEngine`, `ChainUnavailable`, and `DBAPIError` where Postgres is away.
        """
        # The marks first: others move them on.
        marks = [mark for mark in (self.known, self._read_mark()) if mark is not None]
        here = self._here()
        # Nothing is held while the chain is asked.
        chain = self.run(self._chain.identity())
        newest, unknown = self._unknown_landing()
        with transactions(self.db).begin() as conn:
            engine_row.lock(conn)
            row = engine_row.whose(conn)
            if row is not None:
                _compare("wallet", row.wallet, self.network.wallet.address)
                _compare("network", row.network, self.network.name)
                _compare("chain", row.chain, chain)
            gap, elsewhere = _forgot(row, here, marks)
            gap = gap or unknown
            if gap:
                orders = doubt_sql.doubt(conn, chain, elsewhere=elsewhere, going_on=self.alive)
                log.warning(
                    "the database is not where it was", extra={"reason": gap, "in_doubt": len(orders)}
                )
            if row is not None and halt_row.restore_lost(conn, self._halt_known()):
                log.warning("halted: the database forgot that it was")
            doubt_sql.forget_the_ended(conn)
            ours = {"network": self.network.name, "wallet": self.network.wallet.address}
            engine_row.write(conn, here, newest, chain=chain, **ours)
        self.known, self.settled, self._untold = here, True, None
        self._note()

    def look(self) -> None:
        """Each beat: settles anew where the database is not where it was a moment ago. Raises as `settle`."""
        before, marked = self.known, self._read_mark()
        here = self._here()
        if not self.settled:
            self.settle()
        elif here is None or before is None:
            return
        elif (
            here[:2] != before[:2] or _behind(here, before) or (marked is not None and _behind(here, marked))
        ):
            self.settled = False
            self.settle()
        elif here != before:
            self.known = here
            self._note()

    def _here(self) -> Where | None:
        # Apart from any transaction, which an error would end.
        with self.db.connect() as conn:
            return engine_row.where(conn)

    def _unknown_landing(self) -> tuple[str | None, str | None]:
        """The newest landing; and what one was since the last look whose swap the database does not have,
        though each is stored before. The chain is asked only what those were that it does not have."""
        with self.db.connect() as conn:
            row = engine_row.whose(conn)
        looked_into, until = None if row is None else row.newest_fill, time.monotonic() + _LOOK_S
        signatures, shared, whole = self._since(looked_into, until, first=row is None)
        with self.db.connect() as conn:
            stored = orders_of(conn, signatures)
        # One that a node does not list yet would hide what it lists below it later.
        known = [one for one in signatures if shared is None or one in shared]
        newest = next(iter(known), looked_into)
        missing = [signature for signature in signatures if signature not in stored]
        for begin in range(0, min(len(missing), _READ), _TOLD):
            if time.monotonic() > until:
                whole = False
                break
            try:
                told = self.run(self._chain.fills_of(missing[begin : begin + _TOLD]))
            except ChainUnavailable:
                if self._may_be_told():
                    raise
                whole = False
                break
            for fill in told.fills:
                return newest, f"the chain knows a landing that it does not: {fill.signature}"
            for order_id in told.unread:
                return newest, f"the chain knows a landing that it does not, of order {order_id}"
        if len(missing) > _READ or not whole:
            # What may be made up, listed first again, would hide what lands before it is looked for next.
            newest = next((signature for signature in known if signature in stored), looked_into)
            return newest, f"the chain knows {len(missing)} landings that it does not, not all to be read"
        return newest, None

    def _since(
        self, looked_into: str | None, until: float, *, first: bool
    ) -> tuple[list[str], Collection[str] | None, bool]:
        """Those that any node lists before the one that was looked into last, as long as orders are kept:
        whatever others had land in between hides none; which of them each node lists; and whether that is
        all of them. `first`: nothing was stored before, and the newest are enough."""
        kept = datetime.now(UTC) - timedelta(days=self.keep_days) if self.keep_days else None

        def is_kept(one: ListedLanding) -> bool:
            # A block without a time may be of any.
            return kept is None or one.at >= kept or one.at.timestamp() == 0

        page = self.run(self._chain.landings(limit=_LANDINGS, until=looked_into))
        shared, listed = page.shared, list(page.landings)
        whole = first or page.before is None
        while not whole and (not page.landings or any(map(is_kept, page.landings))):
            if time.monotonic() > until:
                break
            try:
                page = self.run(self._chain.landings(limit=_MORE, before=page.before, until=looked_into))
            except ChainUnavailable:
                if self._may_be_told():
                    raise
                break
            listed += page.landings
            whole = page.before is None
        else:
            whole = True
        return list(dict.fromkeys(one.signature for one in listed if is_kept(one))), shared, whole

    def _may_be_told(self) -> bool:
        """Whether what an endpoint lists and none tells is asked for again before anything is doubted."""
        now = time.monotonic()
        self._untold = now if self._untold is None else self._untold
        return now - self._untold < _UNTOLD_S

    def _halt_known(self) -> int:
        """The number of the halt of which the home knows, beside its mark; 0 where there is none."""
        return 0 if self.mark is None else halt_mark.remembered(self.mark.parent, self.network.name)

    def _read_mark(self) -> Where | None:
        """What the home's file says."""
        if self.mark is None:
            return None
        try:
            server, timeline, flushed = json.loads(self.mark.read_text())
            return NOWHERE._replace(server=str(server), timeline=str(timeline), flushed=int(flushed))
        except (OSError, ValueError, TypeError):
            return None

    def _note(self) -> None:
        # Not flushed: after a crash of the machine it may be older than it could be, never newer.
        if self.mark is None or self.known is None:
            return
        # By its path it would be written in whatever home came there: who looks after ours ends this process.
        with suppress(OSError, HomeLost):
            self.must_be_held()
            atomic_write(self.mark, json.dumps(self.known[:3]), durable=False)


def _compare(what: str, stored: str, ours: str) -> None:
    """Raises `OtherEngine` where they differ."""
    if stored == ours:
        return
    remedy = {
        "wallet": "One engine has one wallet. Name that one (OEE_WALLET), or put it here: Copy wallets/"
        " from the home of the daemon that has worked on this database",
        "network": "Set OEE_NETWORK to what it was, or use another database",
        "chain": "Use the ledger that this engine has used (OEE_SIM_LEDGER_FILE), or another database",
    }[what]
    other = OtherWallet if what == "wallet" else OtherEngine
    raise other(
        f"This database belongs to an engine whose {what} is {stored}, and here the {what} is {ours}."
        f" {remedy}. {_MEANT}."
    )


def _behind(here: Where, mark: Where) -> bool:
    """The log ends before a place that it had reached."""
    return mark[:2] == here[:2] and here.flushed < mark.flushed


def _forgot(row: Any, here: Where | None, marks: Sequence[Where]) -> tuple[str | None, bool]:
    """Why something may have been forgotten, by where it is; and whether this is a copy whose original may
    go on."""
    if row is None or here is None:
        return None, False
    if row.server not in (None, here.server):
        return f"it was on server {row.server} and is on {here.server}", True
    if row.timeline not in (None, here.timeline):
        return f"its timeline was {row.timeline} and is {here.timeline}", False
    for mark in marks:
        if _behind(here, mark):
            return f"its log had come to {mark.flushed} and ends at {here.flushed}", False
    return None, False


def try_to_settle(identity: Identity) -> None:
    """At a start: what can't be asked now is asked again each beat, and until then nothing is claimed.

    Raises `OtherEngine`.
    """
    try:
        identity.settle()
    except (OperationalError, InternalError, ChainUnavailable) as e:
        # Internal to Postgres is, among others, that it takes no writes: a standby, or one made read-only.
        log.warning("not known yet whose database it is", extra={"reason": str(e)})

"""What networks have in common whose chain is a ledger of our own: its tables in the engine's Postgres, made
by whoever connects first, and a chain that tells of landings by its fills.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import SQLAlchemyError

from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.chain import Chain, FillPage, LandingPage, ListedLanding, newer
from oee_daemon.settings import LEDGER_CONNECTIONS
from oee_daemon.store.database import open_database


class OwnChain(Chain):
    """It lists what it has as a fill, and reads each by itself."""

    async def landings(
        self, *, limit: int, before: str | None = None, until: str | None = None
    ) -> LandingPage:
        page = await self.fills(limit=limit, before=before)
        listed = [ListedLanding(fill.signature, fill.at) for fill in page.fills]
        return newer(listed, page.before, until)

    async def fills_of(self, signatures: Sequence[str]) -> FillPage:
        return FillPage([fill for one in signatures if (fill := await self.fill(one)) is not None], None)


class Reachable:
    """Around what is asked of a ledger: whatever keeps it from answering is the chain not answering."""

    def __init__(self, otherwise: str) -> None:
        self._otherwise = otherwise

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, SQLAlchemyError):
            raise ChainUnavailable(self._otherwise) from error


def open_tables(url: str, tables: str, last: str, lock: int) -> Engine:
    """The Postgres at `url` with these tables, which are there once the `last` one is; connects on first use.

    `lock`: any number that is the network's: of those who come at once one makes the tables. With
    `IF NOT EXISTS` alone the second of them fails, on the unique indexes of Postgres's own catalogue.
    """

    def make(connection: Any, _record: Any) -> None:
        """Before anything is asked on a new connection, so that nobody who finds Postgres misses a table."""
        if connection.execute(f"SELECT to_regclass('{last}')").fetchone() != (None,):
            return
        with connection.transaction():
            connection.execute(f"SELECT pg_advisory_xact_lock({lock})")
            connection.execute(tables, prepare=False)

    db = open_database(url, pool_size=LEDGER_CONNECTIONS)
    event.listen(db, "connect", make)
    return db

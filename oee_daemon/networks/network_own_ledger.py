"""What networks have in common whose chain is a ledger of our own: its tables in the engine's Postgres, made
by whoever connects first, a chain that tells of landings by its fills, and blockhashes that say their height.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from solders.hash import Hash
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


@lru_cache(maxsize=8)
def blockhash_of(height: int, chain: bytes) -> Hash:
    """The height is in the hash, so that the bytes of a swap alone say until when it can land. `chain`: its
    name, which makes the hash its own."""
    place = height.to_bytes(8, "big")
    return Hash.from_bytes(place + hashlib.blake2b(place, digest_size=24, person=chain).digest())


def height_of(blockhash: Hash, chain: bytes) -> int:
    """Raises `ValueError` where it is no hash of that chain's."""
    height = int.from_bytes(bytes(blockhash)[:8], "big")
    if blockhash_of(height, chain) != blockhash:
        raise ValueError("no block of this chain has that hash")
    return height


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

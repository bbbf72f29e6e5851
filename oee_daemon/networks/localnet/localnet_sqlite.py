"""The chain's one file: what accounts hold now, every transaction that landed, and what tests order. All SQL
is here.

SQLite in WAL, flushed at each landing. The accounts are the state, so nothing is replayed at the start.
Others may read the file while the chain runs, and order faults and nodes by writing rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from solders.account import Account
from solders.pubkey import Pubkey

_SCHEMA = """
CREATE TABLE IF NOT EXISTS chain (
    id INTEGER PRIMARY KEY CHECK (id = 1), seed INTEGER NOT NULL, genesis_hash BLOB NOT NULL,
    genesis_ms INTEGER NOT NULL, slot_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS accounts (address BLOB PRIMARY KEY, account BLOB NOT NULL) WITHOUT ROWID;
-- err is null where it succeeded; memo is the text of its memo instruction.
CREATE TABLE IF NOT EXISTS landings (
    n INTEGER PRIMARY KEY, signature TEXT NOT NULL UNIQUE, slot INTEGER NOT NULL, unix INTEGER NOT NULL,
    payer TEXT NOT NULL, memo TEXT, err TEXT, wire BLOB NOT NULL, meta BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS landings_payer ON landings (payer, n);
CREATE INDEX IF NOT EXISTS landings_slot ON landings (slot);
-- The blocks above that height got other hashes.
CREATE TABLE IF NOT EXISTS forks (n INTEGER PRIMARY KEY, height INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS orphans (signature TEXT PRIMARY KEY, slot INTEGER NOT NULL, err TEXT);
-- A signature's fate, drawn once: it lands in the block of that height, or never where there is none.
CREATE TABLE IF NOT EXISTS fates (signature TEXT PRIMARY KEY, height INTEGER, wire BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS nodes (
    name TEXT PRIMARY KEY, lag INTEGER NOT NULL DEFAULT 0, history TEXT NOT NULL DEFAULT 'full',
    height_is_slot INTEGER NOT NULL DEFAULT 0, ghost INTEGER NOT NULL DEFAULT 0,
    batches INTEGER NOT NULL DEFAULT 1, members TEXT);
-- percent of what reaches the target, and where they are given the node and the method, until remaining have.
CREATE TABLE IF NOT EXISTS faults (
    id INTEGER PRIMARY KEY, target TEXT NOT NULL, kind TEXT NOT NULL, node TEXT, method TEXT,
    landed INTEGER NOT NULL DEFAULT 0, ms INTEGER NOT NULL DEFAULT 0, blocks INTEGER NOT NULL DEFAULT 1,
    remaining INTEGER, percent INTEGER NOT NULL DEFAULT 100);
"""
#: Since 0.2: a file of before gets it.
_LISTINGS = """
-- New tokens: trap is null for an honest one; after: slots until it is traded, counted from when it was read.
CREATE TABLE IF NOT EXISTS listings (
    n INTEGER PRIMARY KEY, trap TEXT, after INTEGER NOT NULL DEFAULT 10, place INTEGER UNIQUE, mint TEXT,
    listed_at INTEGER);
-- Which landings named a new token's mint.
CREATE TABLE IF NOT EXISTS mentions (mint TEXT NOT NULL, signature TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS mentions_mint ON mentions (mint);
"""


class Origin(NamedTuple):
    """What the chain began with, for good."""

    seed: int
    genesis_hash: bytes
    genesis_ms: int
    slot_ms: int


class Landing(NamedTuple):
    """A transaction in a block. `meta` is compressed JSON, `unix` its block's time in seconds."""

    signature: str
    slot: int
    unix: int
    payer: str
    memo: str | None
    err: str | None
    wire: bytes
    meta: bytes


_COLUMNS = ", ".join(Landing._fields)
_LANDING = f"SELECT {_COLUMNS} FROM landings"  # noqa: S608  # names of our own


class Status(NamedTuple):
    slot: int
    err: str | None


class Ledger:
    """The file. One process writes landings; whoever holds it open may read."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'faults'").fetchone():
            self._db.executescript(_SCHEMA)
        self._db.executescript(_LISTINGS)

    def close(self) -> None:
        self._db.close()

    def origin(self, begin: Origin, accounts: Iterable[tuple[Pubkey, Account]]) -> Origin:
        """How the chain began; the first call on a new file decides, and puts the accounts there."""
        row = self._db.execute("SELECT seed, genesis_hash, genesis_ms, slot_ms FROM chain").fetchone()
        if row is not None:
            return Origin(*row)
        with self._atomically():
            self._write_accounts(accounts)
            self._db.execute("INSERT INTO chain VALUES (1, ?, ?, ?, ?)", begin)
        return begin

    def accounts(self) -> Iterator[tuple[Pubkey, Account]]:
        for address, account in self._db.execute("SELECT address, account FROM accounts"):
            yield Pubkey(address), Account.from_bytes(account)

    def last_slot(self) -> int:
        """Of the last landing, or 0. The chain is at least that far."""
        row = self._db.execute("SELECT max(slot) FROM landings").fetchone()
        return row[0] or 0

    def append(
        self,
        landing: Landing,
        after: Iterable[tuple[Pubkey, Account | None]],
        mints: Iterable[Pubkey] = (),
    ) -> None:
        """A landing with what it changed, durably; `mints`: of new tokens, that it names. Raises
        `sqlite3.Error`, with nothing written."""
        with self._atomically():
            self._db.execute(
                f"INSERT INTO landings ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                landing,
            )
            self._write_accounts(after)
            self._db.execute("DELETE FROM fates WHERE signature = ?", (landing.signature,))
            self._db.executemany(
                "INSERT INTO mentions VALUES (?, ?)", [(str(mint), landing.signature) for mint in mints]
            )

    def place(self, accounts: Iterable[tuple[Pubkey, Account]]) -> None:
        """Puts them there, durably, without a transaction: as at the beginning."""
        with self._atomically():
            self._write_accounts(accounts)

    def _write_accounts(self, accounts: Iterable[tuple[Pubkey, Account | None]]) -> None:
        there, gone = [], []
        for address, account in accounts:
            if account is None:
                gone.append((bytes(address),))
            else:
                there.append((bytes(address), bytes(account)))
        self._db.executemany("INSERT OR REPLACE INTO accounts VALUES (?, ?)", there)
        self._db.executemany("DELETE FROM accounts WHERE address = ?", gone)

    def find(self, signature: str) -> Landing | None:
        row = self._db.execute(f"{_LANDING} WHERE signature = ?", (signature,)).fetchone()
        return row and Landing(*row)

    def status(self, signature: str) -> Status | None:
        row = self._db.execute("SELECT slot, err FROM landings WHERE signature = ?", (signature,)).fetchone()
        return row and Status(*row)

    def orphan(self, signature: str) -> Status | None:
        """As it was in a block of a fork that lost."""
        row = self._db.execute("SELECT slot, err FROM orphans WHERE signature = ?", (signature,)).fetchone()
        return row and Status(*row)

    def block(self, slot: int) -> list[Landing]:
        rows = self._db.execute(f"{_LANDING} WHERE slot = ? ORDER BY n", (slot,))
        return [Landing(*row) for row in rows]

    def of_address(
        self, address: str, *, slots: tuple[int, int], limit: int, before: str | None, until: str | None
    ) -> list[Landing]:
        """What that address paid for, or where it is a new token's mint, what names it: newest first, of
        those slots, after the signature `before` and down to, without it, `until`. Nothing comes after what
        is not of those slots."""
        mint = self._db.execute("SELECT 1 FROM mentions WHERE mint = ? LIMIT 1", (address,)).fetchone()
        which = "signature IN (SELECT signature FROM mentions WHERE mint = ?)" if mint else "payer = ?"
        rows = self._db.execute(
            f"{_LANDING} WHERE {which} AND slot BETWEEN ? AND ?"  # noqa: S608
            " AND (? IS NULL OR n < (SELECT n FROM landings WHERE signature = ? AND slot BETWEEN ? AND ?))"
            " AND n > ifnull((SELECT n FROM landings WHERE signature = ?), 0) ORDER BY n DESC LIMIT ?",
            (address, *slots, before, before, *slots, until, limit),
        )
        return [Landing(*row) for row in rows]

    def count(self) -> int:
        """How many landed, less none that a fork took back."""
        return int(self._db.execute("SELECT ifnull(max(n), 0) FROM landings").fetchone()[0])

    # Forks.

    def take_back(
        self, signatures: Iterable[str], before: Iterable[tuple[Pubkey, Account | None]], height: int
    ) -> None:
        """Those landings are none any more, and accounts are what they were before them.

        The blocks above `height` have other hashes from now on.
        """
        with self._atomically():
            for signature in signatures:
                self._db.execute(
                    "INSERT OR REPLACE INTO orphans SELECT signature, slot, err FROM landings"
                    " WHERE signature = ?",
                    (signature,),
                )
                self._db.execute("DELETE FROM landings WHERE signature = ?", (signature,))
            self._write_accounts(before)
            self._db.execute("INSERT INTO forks (height) VALUES (?)", (height,))

    def forks(self) -> list[int]:
        return [height for (height,) in self._db.execute("SELECT height FROM forks ORDER BY n")]

    # Fates.

    def fate(self, signature: str) -> tuple[int | None] | None:
        """The height in which it is to land, in a tuple; None where nothing was drawn."""
        row: tuple[int | None] | None = self._db.execute(
            "SELECT height FROM fates WHERE signature = ?", (signature,)
        ).fetchone()
        return row

    def set_fate(self, signature: str, height: int | None, wire: bytes) -> None:
        self._db.execute("INSERT OR IGNORE INTO fates VALUES (?, ?, ?)", (signature, height, wire))

    def end_fate(self, signature: str) -> None:
        """It never lands, however often it is sent."""
        self._db.execute("UPDATE fates SET height = NULL WHERE signature = ?", (signature,))

    def due(self) -> list[tuple[int, bytes]]:
        """Heights and what is to land in them, in their order."""
        return self._db.execute(
            "SELECT height, wire FROM fates WHERE height IS NOT NULL ORDER BY height, rowid"
        ).fetchall()

    # New tokens.

    def plan_listing(self, place: int, trap: str | None, listed_at: int) -> None:
        """One that comes by itself; `place` in the order of these."""
        self._db.execute(
            "INSERT OR IGNORE INTO listings (place, trap, listed_at) VALUES (?, ?, ?)",
            (place, trap, listed_at),
        )

    def date_listing(self, n: int, mint: str, listed_at: int) -> None:
        self._db.execute("UPDATE listings SET mint = ?, listed_at = ? WHERE n = ?", (mint, listed_at, n))

    # What others order.

    def version(self) -> int:
        """Another number once anybody else has written to the file."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def rows(self, table: str) -> list[dict[str, Any]]:
        cursor = self._db.execute(f"SELECT * FROM {table}")  # noqa: S608 - a name of ours
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def use_up(self, fault: int) -> None:
        """One less of it to come; the last one takes the row along."""
        with self._atomically():
            self._db.execute("UPDATE faults SET remaining = remaining - 1 WHERE id = ?", (fault,))
            self._db.execute("DELETE FROM faults WHERE id = ? AND remaining <= 0", (fault,))

    @contextmanager
    def _atomically(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        # Commits, or rolls back where that or what is done in it fails.
        with self._db:
            yield

"""The daemon's view of its wallet's key, which only the worker holds: whether an order could be signed now.

A plain key is always open. A sealed one is open once the worker says so, and locked again as soon as that
process ends: the daemon keeps no passphrase, and asks for it again. Belongs to the daemon's event loop.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from oee_daemon.contract.moments import rfc3339
from oee_daemon.contract.worker_words import FAILED_FILE, LOCKED, OPENED, UNLOCKED, WRONG
from oee_daemon.errors import Conflict, Unavailable, WalletLocked, WrongPassphrase
from oee_daemon.networks.wallet import Wallet

log = logging.getLogger(__name__)

#: Seconds that a worker has to begin and to open a key, by its file or by what is handed over; and between
#: two looks at whether it has begun.
OPEN_S, LOOK_S = 8.0, 0.05
#: Seconds for which somebody who unlocks it waits, on a machine that is busy too.
UNLOCK_S = 20.0
#: Seconds that it has to forget the key; one that says nothing until then is ended, and its key with it.
FORGET_S = 2.5


class KeyProcess(Protocol):
    """The worker's process."""

    ready: bool

    def tell(self, line: bytes) -> None: ...

    def end_lost(self) -> None:
        """Kills it; another takes its place."""


class WalletLock:
    """`passphrase_file`: what the worker opens the wallet with when it starts, if there is one."""

    def __init__(self, wallet: Wallet, worker: KeyProcess, *, passphrase_file: Path | None = None) -> None:
        self._wallet = wallet
        self._worker = worker
        self._by_file = wallet.sealed and passphrase_file is not None
        self.locked = wallet.sealed
        #: Why it is locked, for people.
        self.why = "nobody has unlocked it since the daemon started" if wallet.sealed else ""
        #: When it locks by itself.
        self.until: datetime | None = None
        self._turn = asyncio.Lock()
        self._locking = False
        #: Somebody locked it, and nobody has unlocked it since: no worker's file opens it.
        self._stays_locked = False
        self._answer: asyncio.Future[bytes] | None = None
        #: While somebody locks it: whether the key is forgotten, or another process has taken the place.
        self._forgotten: asyncio.Future[bool] | None = None
        self._settled = asyncio.Event()
        if not self._by_file:
            self._settled.set()

    def heard(self, word: bytes) -> None:
        """Takes note of a word of the worker's; the empty one: it is a new process."""
        if not self._wallet.sealed:
            return
        if word == b"":
            self._wait_for_replacement()
        elif word in (OPENED, WRONG):
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(word)
        elif word == UNLOCKED:
            # Said before it heard that it is to lock: what counts is what it says then.
            if not self._locking:
                self.locked, self.why = False, ""
            self._settled.set()
        elif word in (LOCKED, FAILED_FILE):
            self._locking = False
            self._note_forgotten(forgotten=True)
            if not self.locked:
                self._lock("the time that it was unlocked for is over")
            elif word == FAILED_FILE:
                self.why = "the passphrase of OEE_WALLET_PASSPHRASE_FILE does not open it"
            self._settled.set()

    def stays_locked(self) -> bool:
        """Whether the next worker is not to open the wallet by its file: somebody has locked it."""
        return self._stays_locked

    def _note_forgotten(self, *, forgotten: bool) -> None:
        if self._forgotten is not None and not self._forgotten.done():
            self._forgotten.set_result(forgotten)

    def _wait_for_replacement(self) -> None:
        self._locking = self._locking and self._forgotten is not None
        # One that opens the wallet by its file has the key again, and is told anew.
        self._note_forgotten(forgotten=not self._by_file)
        if self._by_file:
            self._settled.clear()
        if not self.locked:
            at = datetime.now(UTC)
            self._lock(f"the worker that had its key ended at {at:%H:%M} UTC")
            if not self._by_file:
                log.warning("the wallet is locked: its key was in a worker that ended")

    def _lock(self, why: str) -> None:
        self.locked, self.why, self.until = True, why, None

    async def require(self) -> None:
        """Raises `WalletLocked` where no order could be signed now; a worker that has just begun to open the
        wallet by its file is waited for."""
        if self.locked and not self._settled.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._settled.wait(), OPEN_S)
        if self.locked:
            raise WalletLocked(self._wallet.address, self.why)

    async def unlock(self, passphrase: str, for_s: float | None) -> None:
        """Hands the passphrase to the worker, and keeps nothing of it. Raises `Conflict` for a plain wallet,
        `WrongPassphrase`, and `Unavailable` where the worker does not answer."""
        self._must_be_sealed()
        async with self._turn:
            deadline = asyncio.get_running_loop().time() + UNLOCK_S
            await self._wait_for_worker(deadline)
            self._answer = asyncio.get_running_loop().create_future()
            told = {"wallet": "unlock", "passphrase": passphrase, "for_s": for_s}
            self._worker.tell(json.dumps(told).encode() + b"\n")
            try:
                word = await asyncio.wait_for(self._answer, UNLOCK_S)
            except TimeoutError:
                raise _no_worker() from None
            finally:
                self._answer = None
        if word == WRONG:
            raise WrongPassphrase(self._wallet.address)
        self.locked, self.why, self._locking, self._stays_locked = False, "", False, False
        self.until = None if for_s is None else datetime.now(UTC) + timedelta(seconds=for_s)

    async def _wait_for_worker(self, deadline: float) -> None:
        """Waits for a worker that can be told something, until then by the loop's time. Raises
        `Unavailable`."""
        while asyncio.get_running_loop().time() <= deadline:
            if self._worker.ready:
                return
            await asyncio.sleep(LOOK_S)
        raise _no_worker()

    async def lock(self) -> None:
        """Once this returns nobody here has the key. A worker that does not say that it has forgotten it is
        ended. Raises `Conflict` for a plain wallet, and `Unavailable` where that is not known."""
        self._must_be_sealed()
        self._lock("it was locked by `oee wallet lock`")
        async with self._turn:
            self._stays_locked = True
            deadline = asyncio.get_running_loop().time() + UNLOCK_S
            try:
                # One that has just begun, and opens no file, has no key.
                while (self._by_file or self._worker.ready) and not await self._make_forget(deadline):
                    pass
            finally:
                self._locking, self._forgotten = False, None

    async def _make_forget(self, deadline: float) -> bool:
        self._locking, self._forgotten = True, asyncio.get_running_loop().create_future()
        await self._wait_for_worker(deadline)
        if self._forgotten.done():
            # Of one before.
            self._forgotten = asyncio.get_running_loop().create_future()
        self._worker.tell(b'{"wallet":"lock"}\n')
        try:
            return await asyncio.wait_for(self._forgotten, FORGET_S)
        except TimeoutError:
            log.warning("the worker does not say that it has forgotten the key, and is killed")
            self._worker.end_lost()
            return False

    def _must_be_sealed(self) -> None:
        if self._wallet.file is None:
            raise Conflict(
                "Nothing is signed here: there is no key to lock or unlock.", code="keyless_network"
            )
        if not self._wallet.sealed:
            raise Conflict(
                f"{self._wallet.file} holds its key as it is: there is nothing to lock or unlock.",
                code="wallet_not_sealed",
                hint=f"A sealed copy of it: oee wallet import - NAME < {self._wallet.file}",
            )

    def describe(self) -> dict[str, Any]:
        """For whoever looks at the daemon; never the key."""
        return {
            "address": self._wallet.address,
            "file": str(self._wallet.file) if self._wallet.file else None,
            "kind": "sealed" if self._wallet.sealed else "plain",
            "locked": self.locked,
            "reason": self.why or None,
            "unlockedUntil": None if self.until is None else rfc3339(self.until, "seconds"),
        }


def _no_worker() -> Unavailable:
    return Unavailable(
        "The worker, which would hold the key, does not answer. Try again.", code="worker_unavailable"
    )

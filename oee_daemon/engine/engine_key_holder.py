"""The worker's hold on the key of its wallet: opened by what its daemon hands over, or by a file.

The key is in this process's memory alone. `lock`, the end of the time that it was opened for, and the end of
the process forget it; a new worker knows nothing of it. What the daemon has to know is said in single bytes
beside the signs of life, and again with each of them.
"""

from __future__ import annotations

import ctypes
import json
import logging
import resource
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from oee_daemon.contract.worker_words import FAILED_FILE, LOCKED, OPENED, UNLOCKED, WRONG
from oee_daemon.errors import OeeError
from oee_daemon.networks.wallet import Wallet
from oee_daemon.networks.wallet.key_passphrase import read_passphrase_file

log = logging.getLogger(__name__)

#: Linux's number for "this process may be dumped and looked into by others of its account" (prctl).
_PR_SET_DUMPABLE = 4


class KeyHolder:
    """One process's. `say` takes a word for the daemon; `unlocked` is called once orders may be signed."""

    def __init__(self, wallet: Wallet, *, say: Callable[[bytes], None], unlocked: Callable[[], None]) -> None:
        self._wallet = wallet
        self._say = say
        self._unlocked = unlocked
        self._failed_file = False
        # What is said is true when it is said: the last word counts.
        self._saying = threading.Lock()

    def open_by_file(self, path: Path) -> None:
        """Raises `StartFailed` for a file that is none, and `WrongPassphrase`: the wallet stays locked."""
        if not self._wallet.sealed:
            return
        try:
            self._wallet.unlock(read_passphrase_file(path))
        except OeeError:
            self._failed_file = True
            raise
        log.info("wallet unlocked by its passphrase's file", extra={"wallet": self._wallet.address})

    def say(self) -> None:
        """Says that this process lives, and how it stands with the key."""
        with self._saying:
            if not self._wallet.locked:
                self._say(UNLOCKED)
            else:
                self._say(FAILED_FILE if self._failed_file else LOCKED)

    def heed(self, line: bytes) -> None:
        """Does what the daemon has told in a line. Raises nothing, and says nothing of what was told."""
        told = json.loads(line)
        self._failed_file = False
        if told["wallet"] == "lock":
            self._wallet.lock()
            log.info("wallet locked", extra={"wallet": self._wallet.address})
            self.say()
            return
        try:
            self._wallet.unlock(told["passphrase"], told["for_s"])
        except OeeError as e:
            log.warning("wallet not unlocked", extra={"wallet": self._wallet.address, "code": e.code})
            self._answer(WRONG)
            return
        log.info("wallet unlocked", extra={"wallet": self._wallet.address, "for_s": told["for_s"]})
        self._answer(OPENED)
        self._unlocked()

    def _answer(self, word: bytes) -> None:
        with self._saying:
            self._say(word)


def guard_memory() -> None:
    """No other process of this account, and no core, shows what is in the memory of this one. The limit is
    not asked where cores go to a program (core(5)); elsewhere it has to do."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)

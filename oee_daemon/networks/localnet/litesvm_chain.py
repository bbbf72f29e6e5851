"""The chain itself: the one place where a transaction is executed, lands, and is taken back by a fork.

Accounts live in LiteSVM and, after each landing, in the file. Time moves only in `advance`, block by block,
so that nobody sees a block before all that lands in it. What a node tells of it is the business of
`localnet_nodes`.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from solders.account import Account
from solders.clock import Clock
from solders.litesvm import LiteSVM
from solders.pubkey import Pubkey
from solders.transaction_metadata import FailedTransactionMetadata, TransactionMetadata

from oee_daemon.networks.localnet import (
    localnet_dialects,
    localnet_genesis,
    localnet_json,
    localnet_pools,
    localnet_slots,
    localnet_thinner_pools,
)
from oee_daemon.networks.localnet.localnet_json import Sent
from oee_daemon.networks.localnet.localnet_sqlite import Landing, Ledger, Origin
from oee_daemon.networks.localnet.localnet_token_index import TokenIndex
from oee_daemon.networks.localnet.pool_program import program
from oee_daemon.networks.localnet.sbpf_subroutines import POOL_SIZE

#: Where programs and others read the time.
_CLOCK = Pubkey.from_string("SysvarC1ock11111111111111111111111111111111")
#: Blocks after a fork in which what was in the lost ones lands again, by the nodes' retries.
_AGAIN = 2
#: Slots for which a landing can be taken back; no fork reaches further than what is not final.
_UNDO_SLOTS = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How this chain behaves. Slots of 0 ms: one passes with each landing. `confirm`, `final`: slots until a
    block is that; 1 and 1 as since Alpenglow, 2 and 32 before. `slippage`: percent of landings that meet
    another price."""

    seed: int = 1
    slot_ms: int = 400
    confirm: int = 1
    final: int = 1
    slippage: int = 5
    #: The hash by which it goes, as if it were another chain; none: one of its own.
    genesis: bytes | None = None
    #: Whether a new chain has devnet's program and its USDC as well.
    devnet: bool = False
    #: Slots from one new token to the next; 0: none comes by itself.
    listing_slots: int = 0


class _Undo(NamedTuple):
    """What accounts were before a landing."""

    slot: int
    sent: Sent
    before: list[tuple[Pubkey, Account | None]]


class Simulated(NamedTuple):
    """`before` by the places of the transaction's keys, `after` by key."""

    err: Any
    meta: TransactionMetadata | None
    before: list[Account | None]
    after: dict[Pubkey, Account | None]


class Dropped(Exception):
    """No block has it: `err` as a simulation shows it."""

    def __init__(self, err: Any) -> None:
        super().__init__(str(err))
        self.err = err


class Chain:
    def __init__(self, ledger: Ledger, rules: Rules, now_ms: Callable[[], int]) -> None:
        self.ledger = ledger
        self.rules = rules
        self._now_ms = now_ms
        # By the logical clock the same seed has the same history; otherwise no two chains have one hash.
        born = now_ms() if rules.slot_ms else 0
        own = hashlib.sha256(f"oee localnet {rules.seed} {born}".encode()).digest()
        genesis_hash = rules.genesis or own
        begin = Origin(rules.seed, genesis_hash, now_ms(), rules.slot_ms)
        self.origin = ledger.origin(begin, localnet_genesis.accounts(rules.seed, devnet=rules.devnet))
        self._svm = _machine()
        self._programs: dict[Pubkey, Account] = {}
        self._tokens = TokenIndex()
        #: Mints of new tokens: what names them is listed.
        self.followed: set[Pubkey] = set()
        self.pools: list[localnet_pools.Pool] = []
        faucet = bytes(localnet_genesis.FAUCET.pubkey())
        for address, account in ledger.accounts():
            self._put(address, account)
            # Those of new tokens are of other makers: no API knows them.
            data = account.data
            if len(data) == POOL_SIZE and data[40:72] == faucet:
                self.pools.append(localnet_pools.read_pool(address, data))
        if any(pool.market is localnet_pools.DEVNET for pool in self.pools):
            self._svm.add_program(localnet_pools.DEVNET_CPMM_ID, program(localnet_dialects.CPMM))
        self._vaults = {side.vault for pool in self.pools for side in pool.sides}
        self.hashes = localnet_slots.Hashes(self.origin.genesis_hash, ledger.forks())
        #: The slot of the newest block.
        self.tip = localnet_slots.START_SLOT
        self._due = ledger.due()
        self._undo: deque[_Undo] = deque()
        # What landed before is not taken back: how it was before that, nobody knows any more.
        self._begun = ledger.last_slot()
        self._at_slot = 0
        self._reach(max(self._begun, self._slot_now()))

    @property
    def height(self) -> int:
        return localnet_slots.height_of(self.tip)

    @property
    def final_slot(self) -> int:
        return localnet_slots.block_at(self.tip - self.rules.final)

    def account(self, address: Pubkey) -> Account | None:
        """Programs stay what they are, and are not copied each time: they are large."""
        found = self._programs.get(address)
        if found is None:
            if address == _CLOCK:
                self._set_clock()
            found = self._svm.get_account(address)
            if found is not None and found.executable:
                self._programs[address] = found
        return found

    def token_accounts(self, owner: Pubkey) -> list[tuple[Pubkey, Account]]:
        return self._read(self._tokens.owned_by(owner))

    def accounts_of_mint(self, mint: Pubkey) -> list[tuple[Pubkey, Account]]:
        """The token accounts of that mint."""
        return self._read(self._tokens.of_mint(mint))

    def _read(self, keys: Sequence[Pubkey]) -> list[tuple[Pubkey, Account]]:
        found = ((key, self._svm.get_account(key)) for key in keys)
        return [(key, account) for key, account in found if account is not None]

    def place(self, accounts: Sequence[tuple[Pubkey, Account]]) -> None:
        """Puts them there, as at the beginning."""
        self.ledger.place(accounts)
        for key, account in accounts:
            self._put(key, account)

    def rent(self, size: int) -> int:
        return self._svm.minimum_balance_for_rent_exemption(size)

    def unix_of(self, slot: int) -> int:
        """When that slot's block was made, in seconds."""
        return (self.origin.genesis_ms + (slot - localnet_slots.START_SLOT) * self.origin.slot_ms) // 1000

    # Time.

    def _slot_now(self) -> int:
        if not self.origin.slot_ms:
            return self.tip
        return localnet_slots.START_SLOT + (self._now_ms() - self.origin.genesis_ms) // self.origin.slot_ms

    def advance(self) -> None:
        """To the present: what was to land in the blocks between lands in them."""
        self._reach(self._slot_now())

    def next_block_ms(self) -> int | None:
        """How long until something lands by itself; None where nothing is going to."""
        if not self._due or not self.origin.slot_ms:
            return None
        slot = localnet_slots.slot_of(self._due[0][0])
        starts = self.origin.genesis_ms + (slot - localnet_slots.START_SLOT) * self.origin.slot_ms
        return max(starts - self._now_ms(), 0)

    def _reach(self, slot: int) -> None:
        slot = localnet_slots.block_at(slot)
        while self._due and localnet_slots.slot_of(self._due[0][0]) <= max(slot, self.tip):
            height, wire = self._due.pop(0)
            self.tip = max(self.tip, localnet_slots.slot_of(height))
            self._land_late(wire)
        self.tip = max(self.tip, slot)

    def _land_late(self, wire: bytes) -> None:
        sent = self.read(wire)
        try:
            self.land(sent)
        except Dropped:
            self.ledger.end_fate(sent.signature)

    # Execution.

    def read(self, wire: bytes) -> Sent:
        """Raises `localnet_json.Unreadable`."""
        return localnet_json.read(wire, self._svm.get_account)

    def land_at(self, sent: Sent, height: int | None) -> None:
        """It lands in that block, or never, however often it is sent."""
        self.ledger.set_fate(sent.signature, height, sent.wire)
        self._due = self.ledger.due()

    def land(self, sent: Sent, placed: Sequence[tuple[Pubkey, Account]] = ()) -> Landing:
        """Executes it in the present block, durably, whether it succeeds or fails. Raises `Dropped`.

        `placed`: accounts that are there from then on, which a program of more instructions would make."""
        self._admit(sent)
        self._set_clock()
        gone = [(key, self.account(key)) for key, _ in placed]
        for key, account in placed:
            self._put(key, account)
        try:
            return self._land(sent, placed, gone)
        except BaseException:
            for key, old in gone:
                self._put(key, old)
            raise

    def _land(
        self,
        sent: Sent,
        placed: Sequence[tuple[Pubkey, Account]],
        gone: Sequence[tuple[Pubkey, Account | None]],
    ) -> Landing:
        found = [self.account(key) for key in sent.keys]
        thinned = localnet_thinner_pools.thin(
            self._svm, sent, self._vaults, self.origin.seed, self.rules.slippage
        )
        before = self._read_written(sent, found) if thinned else found
        try:
            err, meta = localnet_json.outcome(self._svm.send_transaction(sent.tx))
            after = self._read_written(sent, before)
            if err is not None and after[0] == before[0]:
                # Nobody paid for it, so it was in no block.
                raise Dropped(err)
            told = localnet_json.meta_json(sent, err, meta, before, after, self.account)
            landing = Landing(
                sent.signature, self.tip, self.unix_of(self.tip), str(sent.keys[0]), sent.memo,
                None if err is None else json.dumps(err, separators=(",", ":")), sent.wire, told,
            )  # fmt: skip
            # What the pool had less for the moment comes back, whatever happened.
            localnet_thinner_pools.thicken(self._svm, thinned, sent, after)
            changed = [
                (key, old, new) for key, old, new in zip(sent.keys, found, after, strict=True) if old != new
            ]
            after_it = [*placed, *((key, new) for key, _, new in changed)]
            self.ledger.append(landing, after_it, [key for key in sent.keys if key in self.followed])
        except BaseException:
            for key, old, written in zip(sent.keys, found, sent.written, strict=True):
                if written:
                    self._put(key, old)
            raise
        for key, _old, new in changed:
            self._tokens.note(key, new)
        self._undo.append(_Undo(self.tip, sent, [*((key, old) for key, old, _ in changed), *gone]))
        while self._undo[0].slot < self.tip - _UNDO_SLOTS:
            self._undo.popleft()
        if not self.origin.slot_ms:
            self.tip = localnet_slots.slot_of(self.height + 1)
        return landing

    def _admit(self, sent: Sent) -> None:
        """Raises `Dropped`."""
        if self.ledger.status(sent.signature) is not None:
            raise Dropped("AlreadyProcessed")
        if not sent.signed():
            raise Dropped("SignatureFailure")
        # One block longer than a node says: the age counts at the parent.
        if self.hashes.age(sent.message.recent_blockhash, self.height) is None:
            raise Dropped("BlockhashNotFound")

    def _read_written(self, sent: Sent, before: list[Account | None]) -> list[Account | None]:
        """The accounts as they are now; only those that it may write are read again."""
        read = self._svm.get_account
        return [
            read(key) if written else old
            for key, written, old in zip(sent.keys, sent.written, before, strict=True)
        ]

    def simulate(self, sent: Sent) -> Simulated:
        """What it would do now. Nothing is changed."""
        self._set_clock()
        result = self._svm.simulate_transaction(sent.tx)
        before = [self.account(key) for key in sent.keys]
        err, meta = None, None
        after: dict[Pubkey, Account | None] = dict(zip(sent.keys, before, strict=True))
        if isinstance(result, FailedTransactionMetadata):
            err, meta = localnet_json.outcome(result)
        else:
            meta = result.meta()
            after.update(result.post_accounts())
        return Simulated(err, meta, before, after)

    def _set_clock(self) -> None:
        if self._at_slot != self.tip:
            self._at_slot = self.tip
            epoch = self.tip // localnet_slots.EPOCH_SLOTS
            self._svm.set_clock(
                Clock(self.tip, self.unix_of(self.tip), epoch, epoch + 1, self.unix_of(self.tip))
            )

    def _put(self, key: Pubkey, account: Account | None) -> None:
        """An account without lamports is none."""
        self._svm.set_account(key, account or Account(0, b"", localnet_genesis.SYSTEM_ID, False, 0))
        self._tokens.note(key, account)

    # Forks.

    def fork(self, depth: int) -> int:
        """The newest `depth` slots, less what is final, lose; what was in them lands again a little later.

        How many landings were taken back.
        """
        after = localnet_slots.block_at(max(self.tip - depth, self.final_slot, self._begun))
        before: dict[Pubkey, Account | None] = {}
        lost: list[Sent] = []
        while self._undo and self._undo[-1].slot > after:
            undone = self._undo.pop()
            before.update(undone.before)
            lost.insert(0, undone.sent)
        self.ledger.take_back(
            [sent.signature for sent in lost], before.items(), localnet_slots.height_of(after)
        )
        for key, account in before.items():
            self._put(key, account)
        self.hashes.forked(localnet_slots.height_of(after))
        for n, sent in enumerate(lost):
            self.ledger.set_fate(sent.signature, self.height + 1 + n % _AGAIN, sent.wire)
        self._due = self.ledger.due()
        return len(lost)


def _machine() -> LiteSVM:
    """Signatures, hashes and duplicates are the chain's to check: LiteSVM knows one hash and 32
    signatures."""
    machine = LiteSVM().with_sigverify(False).with_blockhash_check(False).with_transaction_history(0)
    machine.add_program(localnet_pools.CPMM_ID, program(localnet_dialects.CPMM))
    machine.add_program(localnet_pools.JUPITER_ID, program(localnet_dialects.JUPITER))
    return machine

"""A locked wallet: no new order is stored, none is signed, and what is on its way is still confirmed."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from solders.keypair import Keypair

from oee_daemon.contract.status import Status
from oee_daemon.contract.worker_words import FAILED_FILE, LOCKED, OPENED, UNLOCKED, WRONG
from oee_daemon.engine import engine_wallet_lock
from oee_daemon.engine.engine_key_holder import KeyHolder
from oee_daemon.engine.engine_wallet_lock import WalletLock
from oee_daemon.engine.intake import Intake
from oee_daemon.errors import Conflict, KeyConflict, WalletLocked, WrongPassphrase
from oee_daemon.networks.wallet import Wallet
from oee_daemon.networks.wallet.key_file import read_wallet, write_wallet
from oee_daemon.networks.wallet.key_sealed_file import read_sealed
from oee_daemon.orders.terms import Terms, terms_of
from oee_daemon.orders.tokens import TOKENS
from oee_daemon.store import lease_sql
from tests.kit.engine import Bench
from tests.kit.wallets import sealed

PASSPHRASE = "a passphrase of a test"
SEALED = sealed(Keypair.from_seed(bytes(32)), PASSPHRASE)


@pytest.fixture
def locked(bench: Bench) -> Bench:
    """The wallet that a bench has, sealed."""
    bench.wallet = Wallet(None, sealed=read_sealed(SEALED))
    return bench


def _due(bench: Bench, *, locked: bool) -> set[object]:
    with bench.db.connect() as conn:
        none = timedelta(0)
        found = lease_sql.due(
            conn,
            network="simulated",
            owner="x",
            busy=[],
            limit=9,
            overdue=none,
            ring_again=none,
            locked=locked,
        )
    return set(found)


def test_an_order_that_needs_a_signature_waits_and_goes_on_once_there_is_a_key(locked: Bench) -> None:
    order = locked.place()
    execution = locked.execution()
    assert execution.run(order.id) is None
    assert locked.trail(order.id) == ["pending"]
    assert _due(locked, locked=True) == set()
    assert _due(locked, locked=False) == {order.id}
    locked.wallet.unlock(PASSPHRASE)
    assert locked.run_to_end(execution, order.id).status is Status.CONFIRMED
    assert locked.order(order.id).attempt == 1


def test_a_swap_that_was_signed_is_confirmed_without_a_key(locked: Bench) -> None:
    locked.wallet.unlock(PASSPHRASE)
    chain = locked.chain()
    order = locked.place()
    chain.before_submit = lambda: locked.wallet.lock()
    assert locked.run_to_end(locked.execution(chain), order.id).status is Status.CONFIRMED
    assert locked.wallet.locked
    # And one that another worker has sent.
    locked.wallet.unlock(PASSPHRASE)
    sent = locked.to(locked.held(locked.place().id, "dead"), Status.BUILDING, Status.SUBMITTED)
    locked.wallet.lock()
    locked.set(sent.id, lease_owner=None, lease_until=None, next_run_at=locked.ago(seconds=1))
    assert _due(locked, locked=True) == {sent.id}
    assert locked.loop.run(locked.execution().slots.claim(sent.id)) is not None


def test_one_that_is_locked_between_its_choice_and_its_signature_waits_with_its_choice(locked: Bench) -> None:
    locked.wallet.unlock(PASSPHRASE)
    chain = locked.chain()
    chain.before_anchor = lambda: locked.wallet.lock()
    order = locked.place()
    execution = locked.execution(chain)
    assert execution.run(order.id) is None
    found = locked.row(order.id)
    assert (found.status, found.lease_owner, found.faults, found.attempt) == ("building", None, 0, 1)
    assert chain.sent == [] and locked.swaps(order.id) == []
    assert execution.run(order.id) is None
    chain.before_anchor = lambda: None
    locked.wallet.unlock(PASSPHRASE)
    assert locked.run_to_end(execution, order.id).status is Status.CONFIRMED
    assert locked.trail(order.id) == ["pending", "routing", "building", "submitted", "confirmed"]


def test_one_whose_time_is_over_expires_without_a_key(locked: Bench) -> None:
    order = locked.place()
    locked.set(order.id, expires_at=locked.ago(seconds=1))
    locked.execution().run(order.id)
    assert locked.order(order.id).status is Status.EXPIRED


class Process:
    """A worker that answers at once, with the wallet of its own that a real one has."""

    def __init__(self, file: Path, passphrase_file: Path | None = None) -> None:
        self.ready = True
        self.lock = WalletLock(read_wallet(file), self, passphrase_file=passphrase_file)
        self.file, self.passphrase_file = file, passphrase_file
        self.begin()

    def begin(self) -> None:
        """Another process takes the place of the one before."""
        self.lock.heard(b"")
        self.wallet = read_wallet(self.file)
        self.holder = KeyHolder(self.wallet, say=self.lock.heard, unlocked=lambda: None)
        if self.passphrase_file is not None:
            if not self.lock.stays_locked():
                with suppress(WrongPassphrase):
                    self.holder.open_by_file(self.passphrase_file)
            self.holder.say()

    def tell(self, line: bytes) -> None:
        self.holder.heed(line)

    def end_lost(self) -> None:
        self.begin()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_wallet(tmp_path / "wallets" / "w.json", SEALED)
    return tmp_path / "wallets" / "w.json"


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A file with the passphrase, as `OEE_WALLET_PASSPHRASE_FILE` names it."""
    found = tmp_path / "passphrase"
    found.write_text(PASSPHRASE + "\n")
    found.chmod(0o600)
    return found


def _terms(amount: int = 10**9) -> Terms:
    given = {"input_token": TOKENS["SOL"], "output_token": TOKENS["USDC"], "amount": amount}
    return terms_of(given)


def test_nothing_is_stored_while_it_is_locked_and_what_a_key_is_of_is_still_found(
    bench: Bench, file: Path
) -> None:
    async def go() -> None:
        process = Process(file)
        intake = Intake(
            bench.db, bench.line, bench.broker, bench.feed, network="simulated", lock=process.lock
        )
        with pytest.raises(WalletLocked, match="nobody has unlocked it since the daemon started") as caught:
            await intake.accept(_terms(), "key-of-a-test")
        assert (caught.value.code, caught.value.status) == ("wallet_locked", 403)
        with pytest.raises(WalletLocked):
            await intake.check(_terms(), None)
        with pytest.raises(WrongPassphrase):
            await process.lock.unlock("another passphrase", None)
        assert process.lock.locked
        await process.lock.unlock(PASSPHRASE, None)
        order, created = await intake.accept(_terms(), "key-of-a-test")
        assert created
        await process.lock.lock()
        assert process.wallet.locked
        again, created = await intake.accept(_terms(), "key-of-a-test")
        assert (again.id, created) == (order.id, False)
        with pytest.raises(KeyConflict):
            await intake.accept(_terms(5), "key-of-a-test")
        with pytest.raises(WalletLocked, match="oee wallet lock"):
            await intake.accept(_terms(), "another-key")
        intake.close()

    bench.loop.run(go())


def test_a_worker_that_is_replaced_takes_the_key_with_it(file: Path) -> None:
    process = Process(file)
    asyncio.run(process.lock.unlock(PASSPHRASE, 3600))
    told = process.lock.describe()
    assert (told["locked"], told["reason"], told["kind"]) == (False, None, "sealed")
    assert told["unlockedUntil"] is not None
    process.begin()
    told = process.lock.describe()
    assert told["locked"] and told["reason"].startswith("the worker that had its key ended at ")
    with pytest.raises(WalletLocked, match="the worker that had its key ended"):
        asyncio.run(process.lock.require())
    process.holder.say()
    assert process.lock.describe()["reason"].startswith("the worker that had its key ended at ")


def test_a_passphrase_file_opens_it_for_each_worker_and_a_wrong_one_says_so(file: Path, given: Path) -> None:
    process = Process(file, given)
    assert not process.lock.locked
    process.begin()
    asyncio.run(process.lock.require())
    given.write_text("another passphrase\n")
    process.begin()
    with pytest.raises(WalletLocked, match="OEE_WALLET_PASSPHRASE_FILE does not open it"):
        asyncio.run(process.lock.require())


def test_it_is_locked_once_the_worker_says_so_and_not_by_what_it_said_before(file: Path) -> None:
    """It was said to be locked while the worker still signed."""

    async def go() -> None:
        process = Process(file)
        await process.lock.unlock(PASSPHRASE, None)
        held: asyncio.Queue[bytes] = asyncio.Queue()
        process.tell = held.put_nowait  # type: ignore[assignment,method-assign]
        locking = asyncio.create_task(process.lock.lock())
        assert json.loads(await held.get()) == {"wallet": "lock"}
        process.lock.heard(UNLOCKED)
        await asyncio.sleep(0)
        assert process.lock.locked and not locking.done()
        process.lock.heard(LOCKED)
        await locking
        assert process.lock.locked

    asyncio.run(go())


@pytest.mark.parametrize("by_file", [False, True])
def test_a_frozen_worker_takes_the_key_with_it_and_the_next_one_is_told_to_forget_it(
    file: Path, given: Path, monkeypatch: pytest.MonkeyPatch, by_file: bool
) -> None:
    monkeypatch.setattr(engine_wallet_lock, "FORGET_S", 0.05)

    async def go() -> None:
        process = Process(file, given if by_file else None)
        if not by_file:
            await process.lock.unlock(PASSPHRASE, None)
        frozen, heed = process.wallet, process.tell

        def tell(line: bytes) -> None:
            if process.wallet is not frozen:
                heed(line)

        process.tell = tell  # type: ignore[method-assign]
        await process.lock.lock()
        # Its key went with the process.
        assert process.wallet is not frozen and process.wallet.locked
        process.holder.say()
        assert process.lock.locked

    asyncio.run(go())


def test_what_was_locked_stays_so_when_another_worker_could_open_it_by_its_file(
    file: Path, given: Path
) -> None:
    """The next worker signed what was due, whatever had ended the one before."""

    async def go() -> None:
        process = Process(file, given)
        await process.lock.lock()
        process.begin()
        assert process.wallet.locked and "oee wallet lock" in str(process.lock.describe()["reason"])
        await process.lock.unlock(PASSPHRASE, None)
        process.begin()
        assert not process.wallet.locked and not process.lock.locked

    asyncio.run(go())


def test_a_worker_that_is_about_to_open_the_wallet_by_its_file_is_locked_as_well(
    file: Path, given: Path
) -> None:
    """It was locked in word alone: the worker opened it a moment later, and signed."""

    async def go() -> None:
        process = Process(file, given)
        process.ready = False
        locking = asyncio.create_task(process.lock.lock())
        await asyncio.sleep(0)
        process.begin()
        process.ready = True
        await locking
        process.holder.say()
        assert process.wallet.locked and process.lock.locked

    asyncio.run(go())


def test_a_plain_wallet_is_never_locked(tmp_path: Path) -> None:
    lock = WalletLock(Wallet(Keypair(), file=tmp_path / "key.json"), Process.__new__(Process))
    for word in (b"", LOCKED, FAILED_FILE, OPENED, WRONG):
        lock.heard(word)
    asyncio.run(lock.require())
    with pytest.raises(Conflict) as caught:
        asyncio.run(lock.lock())
    assert caught.value.code == "wallet_not_sealed"
    with pytest.raises(Conflict, match="there is no key") as caught:
        asyncio.run(WalletLock(Wallet(Keypair()), Process.__new__(Process)).lock())
    assert caught.value.code == "keyless_network"


def test_it_locks_by_itself_once_its_time_is_over(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = [100.0]
    monkeypatch.setattr("oee_daemon.networks.wallet.key_signer._now", lambda: at[0])
    process = Process(file)
    asyncio.run(process.lock.unlock(PASSPHRASE, 60))
    at[0] = 159.9
    process.holder.say()
    assert not process.lock.locked and not process.wallet.locked
    at[0] = 160.0
    process.holder.say()
    assert process.wallet.locked and process.lock.describe()["reason"] == (
        "the time that it was unlocked for is over"
    )

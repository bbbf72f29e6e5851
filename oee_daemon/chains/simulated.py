"""The simulated chain: a slot every 400 ms, a durable ledger, and faults that can be ordered.

It believes only the signed bytes: it checks the signature, reads the swap from the message, and knows
from the blockhash until when the swap can land. The price moves away in some attempts, as `market` says;
such a swap is on the chain with an error and moved nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from decimal import Decimal
from typing import Any
from uuid import UUID

from solders.hash import Hash
from solders.transaction import Transaction
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from oee_daemon import failpoints, market
from oee_daemon.chains.chain import FillPage
from oee_daemon.chains.clock import Clock, SystemClock
from oee_daemon.chains.faults import ORDERED, Faults
from oee_daemon.chains.ledger import Ledger, fill_of
from oee_daemon.errors import ChainUnavailable
from oee_daemon.order import SwapMode
from oee_daemon.swap import Anchor, Landed, Lapsed, Outcome, Rejected, SignedSwap, Unknown

#: Milliseconds a slot.
SLOT_MS = 400
#: Slots for which a swap can land after the blockhash it names (Solana's own figure).
VALID_SLOTS = 150
#: Seconds a call to the chain may take; a fault that hangs uses them up.
CALL_TIMEOUT_S = 2.0


class SimulatedChain:
    """`failure_rate` of the attempts are rejected with `slippage_exceeded`; the rest land as quoted.

    `confirm_ms`: from a submission until the chain shows it.
    """

    def __init__(
        self,
        db: Engine,
        *,
        seed: int,
        failure_rate: Decimal,
        confirm_ms: int,
        clock: Clock | None = None,
    ) -> None:
        self._ledger = Ledger(db, ORDERED)
        self._faults = Faults(db)
        self._seed = seed
        self._failure_rate = failure_rate
        self._confirm_ms = confirm_ms
        self._clock = clock or SystemClock()
        self._genesis: int | None = None

    def expected_s(self) -> float:
        return self._confirm_ms / 1000

    def height(self, *, behind_ms: int = 0) -> int:
        """Slots since the chain began. Raises `ChainUnavailable`."""
        if self._genesis is None:
            with _reachable():
                self._genesis = self._ledger.genesis_ms(self._clock.now_ms())
        return max(0, self._clock.now_ms() - behind_ms - self._genesis) // SLOT_MS

    def anchor(self) -> Anchor:
        height = self.height()
        return Anchor(str(_blockhash(height)), height + VALID_SLOTS)

    def submit(self, swap: SignedSwap) -> None:
        transaction, content = _verified(swap.raw)
        row = self._landing(transaction, content)
        with _reachable():
            calm = row is not None and self._ledger.append_if(row)
        if calm:
            failpoints.hit("landed", content["attempt"])
            return
        # A fault was ordered, or it was sent before.
        with _reachable():
            fault = self._faults.take("chain", ("refuse", "hang", "lose", "drop"), content["number"])
        if fault is not None and fault.kind in ("refuse", "hang"):
            if fault.kind == "hang":
                self._clock.sleep(CALL_TIMEOUT_S)
            raise ChainUnavailable(f"the chain did not take it ({fault.kind})")
        if fault is None or fault.kind == "lose":
            if row is None:
                raise ChainUnavailable("the chain no longer takes it: its blockhash is too old")
            with _reachable():
                self._ledger.append(row)
            failpoints.hit("landed", content["attempt"])
        if fault is not None and fault.kind == "lose":
            raise ChainUnavailable("the chain's answer was lost")

    def _landing(self, transaction: Transaction, content: dict[str, Any]) -> dict[str, Any] | None:
        """The row that it lands as; none where its blockhash is too old."""
        height = self.height()
        if height > _height_of(transaction.message.recent_blockhash) + VALID_SLOTS:
            return None
        error = self._error(content)
        return {
            "signature": str(transaction.signatures[0]),
            "state": "rejected" if error else "landed",
            "error": error,
            "order_id": UUID(content["order"]),
            "input_token": content["input"],
            "output_token": content["output"],
            "amount_in": content["amountIn"],
            "amount_out": content["amountOut"],
            "fee": content["fee"],
            "slot": height,
            "visible_ms": self._clock.now_ms() + self._confirm_ms,
        }

    def _error(self, content: dict[str, Any]) -> str | None:
        """The program's own check, made where the money moves: never worse than the limit."""
        limit, amount_in, amount_out = (int(content[k]) for k in ("limit", "amountIn", "amountOut"))
        exact_in = content["mode"] == SwapMode.EXACT_IN
        if amount_out < limit if exact_in else amount_in > limit:
            return "slippage_exceeded"
        number, attempt = content["number"], content["attempt"]
        if market.moves_away(self._seed, number, attempt, self._failure_rate):
            return "slippage_exceeded"
        return None

    def outcome(self, swap: SignedSwap, wait_s: float = 0) -> Outcome:
        until_ms = self._clock.now_ms() + int(wait_s * 1000)
        while True:
            with _reachable():
                seen, next_ms = self._look(swap)
            left_ms = until_ms - self._clock.now_ms()
            if not isinstance(seen, Unknown) or left_ms <= 0:
                return seen
            # What is on its way is waited for to the millisecond; what is not there can only be sent
            # again by the caller, or lapse.
            self._clock.sleep(max(1, min(left_ms, next_ms - self._clock.now_ms())) / 1000)

    def _look(self, swap: SignedSwap) -> tuple[Outcome, int]:
        """What the chain shows now, and the earliest time (ms) at which that can change.

        First the height, then the signature: a landing between the two is seen, never missed.
        """
        behind_ms, height = 0, self.height()
        row, ordered = self._ledger.find(swap.signature)
        if ordered:
            number = _verified(swap.raw)[1]["number"]
            fault = self._faults.take("chain", ("mute", "lag"), number)
            if fault is not None and fault.kind == "mute":
                raise ChainUnavailable("the chain does not answer")
            behind_ms = 0 if fault is None else fault.ms or 0
            height = self.height(behind_ms=behind_ms)
            row, _ = self._ledger.find(swap.signature)
        if row is None:
            if height <= swap.last_valid_height:
                left_ms = (swap.last_valid_height + 1 - height) * SLOT_MS
                return Unknown("not on the chain yet"), self._clock.now_ms() + left_ms
            # Sealed before it is said: the row keeps these bytes from ever landing.
            lapsed = {"signature": swap.signature, "state": "lapsed", "slot": height, "visible_ms": 0}
            if self._ledger.append(lapsed):
                return Lapsed(), 0
            row, _ = self._ledger.find(swap.signature)
        if row is None or row.visible_ms > self._clock.now_ms() - behind_ms:
            return Unknown("not confirmed yet"), (row.visible_ms + behind_ms) if row else 0
        if row.state == "lapsed":
            return Lapsed(), 0
        if row.state == "rejected":
            assert row.error is not None
            message = "the price moved beyond the slippage limit before the swap landed"
            return Rejected(row.error, message, retryable=True), 0
        return Landed(fill_of(row)), 0

    def fills(self, *, limit: int, cursor: str | None = None, order_id: UUID | None = None) -> FillPage:
        place = None
        if cursor is not None:
            when, _, signature = cursor.partition("-")
            if not re.fullmatch(r"[0-9]{1,18}", when):
                raise ValueError(f"no cursor of this chain: {cursor!r}")
            place = (int(when), signature)
        with _reachable():
            rows = self._ledger.landed(
                now_ms=self._clock.now_ms(), limit=limit + 1, before=place, order_id=order_id
            )
        last = rows[limit - 1] if len(rows) > limit else None
        return FillPage(
            [fill_of(row) for row in rows[:limit]],
            None if last is None else f"{last.visible_ms}-{last.signature}",
        )


class _reachable:  # noqa: N801
    """Whatever keeps the ledger from answering is the chain not answering."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, SQLAlchemyError):
            raise ChainUnavailable("the chain's ledger can't be reached") from error


def _blockhash(height: int) -> Hash:
    """The height is in the hash, so that the chain knows a blockhash's age from the bytes alone."""
    place = height.to_bytes(8, "big")
    return Hash.from_bytes(place + hashlib.blake2b(place, digest_size=24, person=b"oee-simulated").digest())


def _height_of(blockhash: Hash) -> int:
    height = int.from_bytes(bytes(blockhash)[:8], "big")
    if _blockhash(height) != blockhash:
        raise ChainUnavailable("the chain does not know this blockhash")
    return height


def _verified(raw: bytes) -> tuple[Transaction, dict[str, Any]]:
    """The transaction and the swap that its one instruction asks for."""
    try:
        transaction = Transaction.from_bytes(raw)
        transaction.verify()
        content = json.loads(bytes(transaction.message.instructions[0].data))
        int(content["number"])
    except Exception as e:
        # Not solders' own classes: they differ by what is broken, and all mean the same here.
        raise ChainUnavailable(f"the chain refuses it: {e}") from None
    return transaction, content

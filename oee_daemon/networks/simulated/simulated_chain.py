"""The simulated chain: a slot every 400 ms, a durable ledger, and faults that can be ordered.

It believes only the signed bytes: it checks the signature, reads the swap from the message, and knows
from the blockhash until when the swap can land. The price moves away in some attempts, as `simulated_market`
says; such a swap is on the chain with an error and moved nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from solders.transaction import VersionedTransaction
from sqlalchemy import Engine

from oee_daemon import failpoints
from oee_daemon.contract.order_types import SwapMode
from oee_daemon.contract.planned_faults import READS, WRITES
from oee_daemon.errors import BadCursor, ChainUnavailable
from oee_daemon.networks.chain import FillPage
from oee_daemon.networks.network_clock import Clock, SystemClock
from oee_daemon.networks.network_own_ledger import OwnChain, Reachable, blockhash_of, height_of
from oee_daemon.networks.simulated import simulated_market
from oee_daemon.networks.simulated.simulated_faults import Fault, Faults
from oee_daemon.networks.simulated.simulated_instruction import read_instruction
from oee_daemon.networks.simulated.simulated_ledger import Ledger, LedgerRow, fill_of
from oee_daemon.networks.verdict import VALID_BLOCKS
from oee_daemon.orders.swap import Anchor, Fill, Landed, Look, Rejected, SignedSwap
from oee_daemon.store.postgres_line import Line

#: A slot, in milliseconds and in seconds.
SLOT_MS, SLOT_S = 400, 0.4
#: Slots for which a swap can land after the blockhash it names.
VALID_SLOTS = VALID_BLOCKS
#: Seconds a call to the chain may take; a fault that hangs uses them up.
CALL_TIMEOUT_S = 2.0
#: The nodes that are asked; a fault may be one's alone.
NODES = ("node 1", "node 2")
#: Milliseconds until the second node is asked again, once the first shows a swap as final.
SECOND_MS = 50
#: Milliseconds for which a block is shown whose fork loses.
FORK_MS = 1200
#: In front of the signature: a swap in such a block.
ORPHAN = "orphaned "
#: What makes its blockhashes its own.
_CHAIN = b"oee-simulated"
#: Around each question to the ledger.
_REACHABLE = Reachable("the chain's ledger can't be reached")
#: 64 bytes in base 58.
_SIGNATURE = re.compile(r"[1-9A-HJ-NP-Za-km-z]{64,88}")


class SimulatedChain(OwnChain):
    """`failure_rate` of the attempts are rejected with `slippage_exceeded`; the rest land as quoted.

    `confirm_ms`: from a submission until the chain shows it. `faults`: the network's, read by `line`.
    """

    nodes = len(NODES)

    def __init__(
        self,
        db: Engine,
        *,
        seed: int,
        failure_rate: Decimal,
        confirm_ms: int,
        clock: Clock | None = None,
        line: Line | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.inside = db.dialect.name == "postgresql"
        self._ledger = Ledger(db, line)
        self._faults = faults or Faults(db, line)
        #: What was sealed in this very moment, while no fault is ordered: rows never change.
        self._sealed: dict[str, LedgerRow] = {}
        self._seed = seed
        self._failure_rate = failure_rate
        self._confirm_ms = confirm_ms
        self._clock = clock or SystemClock()
        self._genesis: int | None = None

    def expected_s(self) -> float:
        return self._confirm_ms / 1000

    async def identity(self) -> str:
        return f"simulated, begun at {await self._begun_ms()} ms"

    async def height(self, *, behind_ms: int = 0) -> int:
        """Slots since the chain began. Raises `ChainUnavailable`."""
        await self._begun_ms()
        return self._at(self._clock.now_ms() - behind_ms)

    async def _begun_ms(self) -> int:
        if self._genesis is None:
            with _REACHABLE:
                self._genesis = await self._ledger.genesis_ms(self._clock.now_ms())
        return self._genesis

    def _at(self, now_ms: int) -> int:
        """The height at a time; `_begun_ms` was asked before."""
        assert self._genesis is not None
        return max(0, now_ms - self._genesis) // SLOT_MS

    async def anchor(self, deadline_s: float) -> Anchor:
        height = await self.height()
        return Anchor(str(blockhash_of(height, _CHAIN)), height + VALID_SLOTS)

    async def last_height(self, deadline_s: float) -> int:
        return await self.height() + VALID_SLOTS

    async def submit(self, swap: SignedSwap, deadline_s: float) -> None:
        transaction, content = _verify_swap(swap.raw)
        row, last = await self._landing(transaction, content)
        if row is not None and await self._landed_at_once(row, last):
            failpoints.hit("landed", content["attempt"])
            return
        with _REACHABLE:
            fault = await self._faults.take("chain", WRITES, content["number"])
        kind = "" if fault is None else fault.kind
        if kind in ("refuse", "hang"):
            if kind == "hang":
                await self._clock.sleep(min(CALL_TIMEOUT_S, deadline_s))
            raise ChainUnavailable(f"the chain did not take it ({kind})")
        if kind == "drop":
            return
        if row is None:
            raise ChainUnavailable("the chain no longer takes it: its blockhash is too old")
        if fault is not None and kind in ("late", "fork"):
            row = await self._put_off(row, fault, last)
        with _REACHABLE:
            await self._ledger.append(row, last)
        failpoints.hit("landed", content["attempt"])
        if kind == "lose":
            raise ChainUnavailable("the chain's answer was lost")

    async def _landed_at_once(self, row: dict[str, Any], last: int) -> bool:
        """Whether no fault was ordered: then the row is where it belongs."""
        with _REACHABLE:
            told = await self._ledger.append_at_once(row, last)
        if told is None or told.ordered:
            return False
        if not self._faults.none_now:
            self._sealed.clear()
        self._faults.saw_none(watched=told.watched)
        if told.sealed:
            self._sealed[row["signature"]] = LedgerRow(**row)
        return True

    async def _put_off(self, row: dict[str, Any], fault: Fault, last: int) -> dict[str, Any]:
        """The row as it lands later, at the latest in the block after its last valid one, as on Solana."""
        now_ms = self._clock.now_ms()
        if fault.kind == "fork":
            with _REACHABLE:
                orphan = {"signature": ORPHAN + row["signature"], "state": "orphaned"}
                await self._ledger.append(row | orphan | {"visible_ms": now_ms + FORK_MS}, last)
        latest_ms = await self._begun_ms() + (last + 1) * SLOT_MS
        lands_ms = latest_ms if fault.ms is None else min(latest_ms, now_ms + fault.ms)
        return row | {"slot": self._at(lands_ms), "visible_ms": lands_ms + self._confirm_ms}

    async def _landing(
        self, transaction: VersionedTransaction, content: dict[str, Any]
    ) -> tuple[dict[str, Any] | None, int]:
        """The row that it lands as, none where its blockhash is too old; and its last valid height."""
        height = await self.height()
        try:
            last = height_of(transaction.message.recent_blockhash, _CHAIN) + VALID_SLOTS
        except ValueError:
            raise ChainUnavailable("the chain does not know this blockhash") from None
        if height > last:
            return None, last
        error = self._error(content)
        row = {
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
        return row, last

    def _error(self, content: dict[str, Any]) -> str | None:
        """The program's own check, made where the money moves: never worse than the bound."""
        bound, amount_in, amount_out = (int(content[k]) for k in ("limit", "amountIn", "amountOut"))
        exact_in = content["mode"] == SwapMode.EXACT_IN
        if amount_out < bound if exact_in else amount_in > bound:
            return "slippage_exceeded"
        number, attempt = content["number"], content["attempt"]
        if simulated_market.moves_away(self._seed, number, attempt, self._failure_rate):
            return "slippage_exceeded"
        return None

    async def look(self, swap: SignedSwap, wait_s: float = 0) -> list[Look]:
        until_ms = self._clock.now_ms() + int(wait_s * 1000)
        while True:
            with _REACHABLE:
                looks, next_ms = await self._round(swap, until_ms)
            left_ms = until_ms - self._clock.now_ms()
            final = sum(look.final for look in looks)
            if final == len(NODES) or left_ms <= 0:
                return looks
            # What is on its way is waited for to the millisecond, a second node a little; what is not there
            # can only be sent again by the caller, or lapse.
            rest_ms = SECOND_MS if final else max(1, next_ms - self._clock.now_ms())
            await self._clock.sleep(min(left_ms, rest_ms) / 1000)

    async def _round(self, swap: SignedSwap, until_ms: int) -> tuple[list[Look], int]:
        """What each node shows now, and the earliest time (ms) at which one can show the swap as final.

        First the height, then the signature: a landing between the two is seen, never missed.
        """
        await self.height()
        now_ms = self._clock.now_ms()
        row, ordered = self._sealed.pop(swap.signature, None), False
        if row is None or not self._faults.none_now:
            row, ordered = await self._ledger.find(swap.signature)
        if row is None and self._at(now_ms) > swap.last_valid_height:
            # From here on no block takes it, however late a send arrives: then what is not there stays so.
            # No further than that: a clock that is a day ahead would close the chain to all others for a day.
            await self._ledger.reached(min(self._at(now_ms), swap.last_valid_height + 2))
            row, ordered = await self._ledger.find(swap.signature)
        if not ordered:
            return [
                self._look_of(node, row, None, now_ms) for node in NODES
            ], row.visible_ms if row else until_ms
        number = _verify_swap(swap.raw)[1]["number"]
        if row is None or row.visible_ms > now_ms:
            lost, _ = await self._ledger.find(ORPHAN + swap.signature)
            row = lost if lost is not None and now_ms < lost.visible_ms else row
        common = await self._faults.take("chain", READS, number)
        faults = {node: common or await self._faults.take(node, READS, number) for node in NODES}
        heard = {node: fault for node, fault in faults.items() if fault is None or fault.kind != "mute"}
        if not heard:
            raise ChainUnavailable("the chain does not answer")
        behind_ms = min(_behind(fault) for fault in heard.values())
        looks = [self._look_of(node, row, fault, now_ms) for node, fault in heard.items()]
        return looks, row.visible_ms + behind_ms if row else until_ms

    def _look_of(self, node: str, row: LedgerRow | None, fault: Fault | None, now_ms: int) -> Look:
        """What the node with that fault shows of what the ledger has."""
        seen_ms = now_ms - _behind(fault)
        as_of, height = self._at(seen_ms), self._at(now_ms)
        remembers = 0
        if fault is not None and fault.kind == "lag":
            height = as_of
        if fault is not None and fault.kind == "forget":
            remembers = self._at(now_ms - (fault.ms or 0))
        if row is None or not remembers <= row.slot <= as_of:
            return Look(node=node, height=height, as_of=as_of, remembers_from=remembers)
        final = row.state != "orphaned" and row.visible_ms <= seen_ms
        seen = _result(row)
        return Look(node=node, height=height, as_of=as_of, remembers_from=remembers, seen=seen, final=final)

    async def fill(self, signature: str, mints: Sequence[str] = ()) -> Fill | None:
        now_ms = self._clock.now_ms()
        with _REACHABLE:
            row, _ = await self._ledger.find(signature)
        if row is None or row.state != "landed" or row.visible_ms > now_ms:
            return None
        return fill_of(row)

    async def fills(
        self, *, limit: int, before: str | None = None, mints: Sequence[str] = (), urgent: bool = True
    ) -> FillPage:
        await self._begun_ms()
        now_ms = self._clock.now_ms()
        place = None
        with _REACHABLE:
            if before is not None:
                row = (await self._ledger.find(before))[0] if _SIGNATURE.fullmatch(before) else None
                if row is None or row.state != "landed":
                    raise BadCursor
                place = (row.visible_ms, row.signature)
            rows = await self._ledger.landed(now_ms=now_ms, limit=limit + 1, before=place)
        return FillPage(
            [fill_of(row) for row in rows[:limit]],
            rows[limit - 1].signature if len(rows) > limit else None,
            # What landed later than this is not shown yet.
            self._at(now_ms - self._confirm_ms),
        )


def _behind(fault: Fault | None) -> int:
    """How many milliseconds ago the state was in which a node looks for the swap."""
    return (fault.ms or 0) if fault is not None and fault.kind in ("lag", "stale") else 0


@lru_cache(maxsize=1)
def _result(row: LedgerRow) -> Landed | Rejected:
    if row.error is None:
        return Landed(fill_of(row))
    return Rejected(
        row.error, "the price moved beyond the slippage limit before the swap landed", retryable=True
    )


def _verify_swap(raw: bytes) -> tuple[VersionedTransaction, dict[str, Any]]:
    """The transaction and the swap that its one instruction asks for."""
    try:
        transaction = VersionedTransaction.from_bytes(raw)
        if not all(transaction.verify_with_results()):
            raise ValueError("its signature is another's")
        content = read_instruction(bytes(transaction.message.instructions[0].data))
    except Exception as e:
        # Not solders' own classes: they differ by what is broken, and all mean the same here.
        raise ChainUnavailable(f"the chain refuses it: {e}") from None
    return transaction, content

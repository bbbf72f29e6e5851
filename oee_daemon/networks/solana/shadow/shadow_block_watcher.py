"""Takes signatures out of the newest blocks, looks for each while it is young, and reads its block later.

Every method that is asked is a read, and all of them stand here. Each endpoint is asked at its bucket's pace,
so that a week of it costs a quota nothing that trading needs.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result, RpcError
from oee_daemon.networks.solana.shadow.shadow_swap import Shadowed, Truth, shown_as
from oee_daemon.networks.solana.solana_endpoint_look import GENESIS, answer_of, calls_for, must_be_of
from oee_daemon.networks.solana.solana_look_evidence import Answer, Shown

#: Seconds for one request.
REQUEST_S = 4.0
#: Signatures that are taken of one block, and looked for at once.
TAKEN, AT_ONCE = 2, 6
#: Blocks that are read at once where some were missed; rounds that a signature is looked for at most.
_MISSED, _ROUNDS = 3, 120
_BLOCK = {"transactionDetails": "signatures", "rewards": False, "maxSupportedTransactionVersion": 1}
_SHORT: dict[str, Any] = {
    "encoding": "base64",
    "commitment": "finalized",
    "maxSupportedTransactionVersion": 1,
}


@dataclass(frozen=True, slots=True)
class Judged:
    """A signature that was followed to its end."""

    swap: Shadowed
    truth: Truth

    @property
    def wrong(self) -> bool:
        return self.swap.wrong(self.truth)


class BlockWatcher:
    """Over the endpoints of `pool`, which are to be of the chain `genesis`; `pause_s` between two looks."""

    def __init__(self, pool: Pool, genesis: str, pause_s: float, draw: random.Random) -> None:
        self._pool = pool
        self._genesis = genesis
        self._pause_s = pause_s
        self._draw = draw
        self._seen_slot = 0

    async def judged(self, seconds: float) -> AsyncIterator[Judged]:
        """Each signature as its end is known; those that were begun in time are followed to their end."""
        until = asyncio.get_running_loop().time() + seconds
        running: set[asyncio.Task[Judged]] = set()
        try:
            while running or asyncio.get_running_loop().time() < until:
                if asyncio.get_running_loop().time() < until and len(running) < AT_ONCE:
                    for swap in (await self._take())[: AT_ONCE - len(running)]:
                        running.add(asyncio.ensure_future(self._follow(swap)))
                if not running:
                    await asyncio.sleep(self._pause_s)
                    continue
                done, running = await asyncio.wait(
                    running, timeout=self._pause_s, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    yield task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _take(self) -> list[Shadowed]:
        """Some signatures of the blocks that are new. None where no endpoint can say."""
        found: list[Shadowed] = []
        try:
            calls: list[Call] = [GENESIS, ("getSlot", [{"commitment": "confirmed"}])]
            tip = await self._pool.any(calls, self._slot, REQUEST_S, urgent=False)
            for slot in range(max(self._seen_slot + 1, tip - _MISSED), tip + 1):
                found += await self._of_block(slot)
            self._seen_slot = max(tip, self._seen_slot)
        except ChainUnavailable:
            pass
        return found

    async def _of_block(self, slot: int) -> list[Shadowed]:
        block = await self._pool.any([_block_call(slot, "confirmed")], _block, REQUEST_S, urgent=False)
        signatures, height = block
        taken = self._draw.sample(signatures, min(TAKEN, len(signatures)))
        names = [endpoint.name for endpoint in self._pool.endpoints]
        return [Shadowed(signature, slot, height, names) for signature in taken]

    def _slot(self, results: list[Result]) -> int:
        must_be_of(self._genesis, results[0])
        if type(results[1]) is not int:
            raise NoAnswer("no slot")
        return results[1]

    async def _follow(self, swap: Shadowed) -> Judged:
        for _ in range(_ROUNDS):
            try:
                heard = await self._pool.each(calls_for(swap.signature), REQUEST_S)
                answers = [a for name, results in heard.items() if (a := self._read(name, results))]
                final = any(a.status is not None and a.status.final for a in answers)
                swap.hear(answers, await self._ask_landing(swap.signature) if final else [])
            except ChainUnavailable:
                pass
            if swap.over:
                break
            await asyncio.sleep(self._pause_s)
        return Judged(swap, await self._truth(swap))

    def _read(self, name: str, results: list[Result]) -> Answer | None:
        try:
            return answer_of(name, results, self._genesis)
        except NoAnswer:
            return None

    async def _ask_landing(self, signature: str) -> list[Shown]:
        told = await self._each_of_ours(("getTransaction", [signature, _SHORT]))
        return [shown for said in told if (shown := _shown_of(said)) is not None]

    async def _truth(self, swap: Shadowed) -> Truth:
        """By its block, which is final now, as the endpoints that keep it have it; they have to agree."""
        try:
            blocks = await self._each_of_ours(_block_call(swap.slot, "finalized"))
            held = {swap.signature in found[0] for said in blocks if (found := _signatures(said))}
            if held != {True}:
                return "absent" if held == {False} else "unclear"
            failed = {type(one.result).__name__ for one in await self._ask_landing(swap.signature)}
        except ChainUnavailable:
            return "unclear"
        if len(failed) != 1:
            return "unclear"
        return "landed" if failed == {"Landed"} else "failed"

    async def _each_of_ours(self, call: Call) -> Sequence[Result]:
        """What each endpoint of this chain says. Raises `ChainUnavailable`."""
        heard = await self._pool.each([GENESIS, call], REQUEST_S)
        return [results[1] for results in heard.values() if results[0] == self._genesis]


def _shown_of(said: Result) -> Shown | None:
    if not isinstance(said, dict) or type(said.get("slot")) is not int:
        return None
    meta = said.get("meta")
    if not isinstance(meta, dict):
        return None
    return shown_as(said["slot"], failed=meta.get("err") is not None)


def _block_call(slot: int, commitment: str) -> Call:
    return ("getBlock", [slot, {**_BLOCK, "commitment": commitment}])


def _block(results: list[Result]) -> tuple[list[str], int]:
    """Signatures and height; none of them where the slot has no block. Raises `NoAnswer`."""
    if isinstance(results[0], RpcError):
        return [], 0
    found = _signatures(results[0])
    if found is None:
        raise NoAnswer("no block")
    return found


def _signatures(said: Result) -> tuple[list[str], int] | None:
    if not isinstance(said, dict):
        return None
    signatures, height = said.get("signatures"), said.get("blockHeight")
    if not isinstance(signatures, list) or type(height) is not int:
        return None
    return [one for one in signatures if isinstance(one, str)], height

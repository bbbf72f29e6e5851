"""The guard of a Solana network: the bytes first, then what just these bytes would do, simulated.

Two endpoints simulate at the same time, of two operators where there are two: an endpoint and a venue that
lie together take nothing, unless nobody else tells in time. Whichever refuses, nothing is signed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.networks.solana.guard import guard_effect, guard_instructions
from oee_daemon.networks.solana.guard.guard_instructions import Limits
from oee_daemon.networks.solana.guard.guard_lookup_tables import Tables
from oee_daemon.networks.solana.guard.guard_message import read, whole
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.rpc_answers import Result
from oee_daemon.networks.solana.solana_programs import VENUE_PROGRAMS
from oee_daemon.networks.solana.solana_simulation import simulated, simulation_of
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.swap import UnsignedSwap

#: Seconds for lookup tables and the simulation together.
DEADLINE_S = 3.0


class SolanaGuard:
    """`fee_cap`: the most that a swap may pay the network, lamports; `programs`: of each venue, which its
    swaps may call; `tables`: what was read of lookup tables by whoever built the swap."""

    def __init__(
        self,
        pool: Pool,
        *,
        fee_cap: int,
        programs: Mapping[str, Collection[str]] = VENUE_PROGRAMS,
        tables: Tables | None = None,
    ) -> None:
        self._pool = pool
        self._tables = tables or Tables(pool)
        self._fee_cap = fee_cap
        self._programs = programs

    async def check(self, unsigned: UnsignedSwap, plan: Plan) -> None:
        """As `Guard.check`."""
        loop = asyncio.get_running_loop()
        until = loop.time() + DEADLINE_S
        reading = read(unsigned.message, plan.payer)
        tables = await self._tables.of(reading, DEADLINE_S) if reading.tables else {}
        message = whole(reading, tables)
        limits = self._limits(plan)
        guard_instructions.check(message, limits)
        asked = sorted(message.writable)
        passed: list[dict[str, Any]] = []

        def judge(results: list[Result]) -> None:
            found = simulated(results[0])
            # Where the second endpoint tells the same to the byte, the judgement is the same.
            if found not in passed:
                guard_effect.check(found, message.keys, asked, limits, plan)
                passed.append(found)

        await self._simulate(unsigned.message, asked, judge, max(0.001, until - loop.time()))

    def _limits(self, plan: Plan) -> Limits:
        request, exact_in = plan.request, plan.request.mode is SwapMode.EXACT_IN
        return Limits(
            wallet=plan.payer,
            venue=plan.quote.venue,
            programs=self._programs.get(plan.quote.venue, ()),
            input_mint=request.input_token.mint,
            output_mint=request.output_token.mint,
            most_in=request.amount if exact_in else plan.bound,
            least_out=plan.bound if exact_in else request.amount,
            mode=request.mode,
            order_id=plan.order_id,
            attempt=request.attempt,
            fee_cap=self._fee_cap if plan.fee_cap is None else min(self._fee_cap, plan.fee_cap),
        )

    async def _simulate(
        self, message: bytes, asked: list[str], judge: Callable[[list[Result]], None], deadline_s: float
    ) -> None:
        await self._pool.two([simulation_of(message, asked)], judge, deadline_s)

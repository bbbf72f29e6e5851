"""About what the network would take of a swap, by what was paid lately for the accounts that it writes."""

from __future__ import annotations

from collections.abc import Sequence

from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.rpc_answers import Call, Result
from oee_daemon.networks.solana.solana_priority_fees import fee_of, price_of, units_about
from oee_daemon.networks.solana.solana_unit_pricing import MOST_ACCOUNTS, paid_of
from oee_daemon.orders.swap import Toll


class FeeEstimate:
    """`fee_cap`: the most that a swap may pay the network, lamports. As `NetworkFees`."""

    def __init__(self, pool: Pool, *, fee_cap: int) -> None:
        self._pool = pool
        self._fee_cap = fee_cap

    async def about(self, tolls: Sequence[Toll], deadline_s: float) -> Sequence[int]:
        if not tolls:
            return []
        calls: list[Call] = [
            ("getRecentPrioritizationFees", [list(toll.accounts[:MOST_ACCOUNTS])]) for toll in tolls
        ]

        def read(results: list[Result]) -> list[int]:
            return [self._fee(toll, paid_of(said)) for toll, said in zip(tolls, results, strict=True)]

        return await self._pool.any(calls, read, deadline_s, urgent=False)

    def _fee(self, toll: Toll, landed: Sequence[int]) -> int:
        limit = units_about(toll.pools)
        return fee_of(limit, price_of(landed, toll.unit_price, 1, limit, self._fee_cap))

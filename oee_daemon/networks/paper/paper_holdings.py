"""What the paper wallet holds, as its ledger says, and what it could put into a swap.

The tokens are the chain's, and are read there: what nobody should hold is not bought on paper either.
"""

from __future__ import annotations

from collections.abc import Sequence

from oee_daemon.networks.holdings import Holding, Means, Mints
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.networks.paper.paper_chain import REACHABLE, PaperChain
from oee_daemon.networks.paper.paper_ledger import Ledger
from oee_daemon.networks.solana.solana_fill import WSOL
from oee_daemon.orders.swap import QuoteRequest


class PaperHoldings:
    """`fee_cap`: the most that a swap may pay the network, lamports; `mints`: the chain's word on them."""

    def __init__(
        self, ledger: Ledger, chain: PaperChain, tokens: TokenBook, mints: Mints, *, fee_cap: int
    ) -> None:
        self._ledger = ledger
        self._chain = chain
        self._tokens = tokens
        self._mints = mints
        self._fee_cap = fee_cap

    async def balances(self, deadline_s: float) -> Sequence[Holding]:
        held = await self._read_balances()
        native = Holding(mint=WSOL, decimals=9, units=held.pop(WSOL, 0))
        return [
            native,
            *(
                Holding(mint=mint, decimals=self._tokens.by_mint(mint).decimals, units=units)
                for mint, units in sorted(held.items())
                if units
            ),
        ]

    async def means(
        self, request: QuoteRequest, deadline_s: float, *, every: bool = False, opens: Sequence[str] = ()
    ) -> Sequence[Means]:
        held = await self._read_balances()
        given, taken = request.input_token.mint, request.output_token.mint
        return [
            Means(
                native=held.get(WSOL, 0),
                given=held.get(given, 0),
                fee=self._fee_cap,
                reserve=0,
                spends_native=given == WSOL,
                facts=await self._mints.read((given, taken), deadline_s),
            )
        ]

    async def _read_balances(self) -> dict[str, int]:
        # Asked for who it is, a new ledger begins.
        await self._chain.identity()
        with REACHABLE:
            return dict(await self._ledger.balances())

"""Solana's chain, venues and guard over a localnet in this process, on a clock that is held: rigs for the
conformance suites.

What would be HTTP is a call; all else is as in a worker. The truth is localnet's own record.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from solders.keypair import Keypair

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.networks.conformance import chain_suite as chains
from oee_daemon.networks.conformance import venue_suite as venues
from oee_daemon.networks.solana.guard.guard_solana import SolanaGuard
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_answers import NoAnswer
from oee_daemon.networks.solana.rpc.rpc_http_line import Reply
from oee_daemon.networks.solana.solana_chain import SolanaChain
from oee_daemon.networks.solana.solana_unit_pricing import Pricing
from oee_daemon.networks.solana.venues.cpmm_venue import CpmmVenue
from oee_daemon.networks.solana.venues.jupiter_venue import JupiterVenue
from oee_daemon.networks.solana.venues.raydium_venue import RaydiumVenue
from oee_daemon.networks.solana.venues.venue_api import Api
from oee_daemon.networks.venue import Plan, Venue
from oee_daemon.networks.verdict import MARGIN_BLOCKS, VALID_BLOCKS
from oee_daemon.networks.wallet import Wallet
from oee_daemon.orders.swap import Anchor, QuoteRequest, SignedSwap
from oee_daemon.orders.tokens import TOKENS
from tests.networks.localnet.conftest import BONK, SOL, USDC, Localnet
from tests.networks.solana.held import HeldSite, pool

FEE_CAP = 200_000
#: Slots in which more blocks pass than a swap can land in: every twentieth has none.
LAPSE_SLOTS = (VALID_BLOCKS + MARGIN_BLOCKS + 10) * 20 // 19


class ApiSite(HeldSite):
    """A venue's API on the localnet."""

    def __init__(self, net: Localnet, path: str) -> None:
        super().__init__(net, path, path)

    async def get(self, path: str, query: Mapping[str, str]) -> Reply:
        answer = self._net.answer("GET", f"/{self._path}{path}?{urlencode(query)}")
        if answer.body is None:
            raise NoAnswer("cut")
        return Reply(answer.status, {}, answer.body)


class Held:
    """One localnet and a wallet with play money, asked at `nodes`."""

    def __init__(self, net: Localnet, nodes: Sequence[str] = ("",)) -> None:
        self.net = net
        net.fund()
        net.rpc("localnetMint", str(net.wallet.pubkey()), BONK, 10**14)
        net.blocks(5)
        self.wallet = Wallet(net.wallet)
        self.pool = pool(net, *nodes)
        self.pricing = Pricing(self.pool, fee_cap=FEE_CAP)
        self.guard = SolanaGuard(self.pool, fee_cap=FEE_CAP)

    def venue(self, name: str) -> Venue:
        if name == "cpmm":
            return CpmmVenue(self.pool, self.pricing)
        api_name = "raydium" if name == "raydium" else "jupiter"
        api = Api(api_name, ApiSite(self.net, api_name), Bucket(1e6, 10**6))
        if name == "raydium":
            return RaydiumVenue(api, self.pricing)
        return JupiterVenue(name, api, self.pricing, self.wallet.address)

    def chain(self) -> SolanaChain:
        # The held clock jumps, and the real one, by which a node may be too far ahead, does not.
        wallet = self.wallet.address
        return SolanaChain(self.pool, wallet=wallet, genesis=None, fastest_slot_ms=1e-6)


class ChainRig:
    can = frozenset(chains.Can)

    def __init__(self, net: Localnet, nodes: Sequence[str]) -> None:
        self._held = Held(net, nodes)
        self._net = net
        self.chain = self._held.chain()

    async def swap(self, *, fails: bool = False) -> SignedSwap:
        venue = self._held.venue("cpmm")
        request = QuoteRequest(
            input_token=TOKENS["SOL"], output_token=TOKENS["USDC"], amount=10**7, mode=SwapMode.EXACT_IN
        )
        quote = await venue.quote(request, chains.DEADLINE_S)
        # Others trade meanwhile, except where the price is to have moved by then.
        bound = quote.amount_out if fails else quote.amount_out * 99 // 100
        plan = Plan(
            order_id=uuid4(), request=request, quote=quote, bound=bound, payer=self._held.wallet.address
        )
        anchor = await self.chain.anchor(chains.DEADLINE_S)
        unsigned = await venue.build(plan, anchor, chains.DEADLINE_S)
        await self._held.guard.check(unsigned, plan)
        if fails:
            self._somebody_else_sells()
        return self._held.wallet.sign(unsigned, plan.order_id, 1)

    def _somebody_else_sells(self) -> None:
        mine, self._net.wallet = self._net.wallet, Keypair()
        self._net.fund(usdc=0)
        self._net.send(self._net.signed(self._net.raydium_tx(self._net.raydium(SOL, USDC, 10**10))))
        self._net.wallet = mine

    def pass_time(self, seconds: float) -> None:
        self._net.ms += round(seconds * 1000)

    def lapse(self, swap: SignedSwap) -> None:
        self._net.blocks(LAPSE_SLOTS)

    def drop(self) -> None:
        # A send goes to every endpoint.
        self._net.order("faults", target="send", kind="drop", remaining=self.chain.nodes)

    def reopen(self) -> SolanaChain:
        self._net.reopen()
        return self._held.chain()

    def truth(self) -> Sequence[tuple[str, int, int]]:
        """What left and arrived by the balances of each landing of the wallet's, as localnet keeps them."""
        told = [self._moved(one["signature"]) for one in self._signatures()]
        return [row for row in reversed(told) if row is not None]

    def _signatures(self) -> list[dict[str, Any]]:
        self._net.blocks(3)
        address = str(self._net.wallet.pubkey())
        rows: list[dict[str, Any]] = self._net.rpc("getSignaturesForAddress", address)
        return rows

    def _moved(self, signature: str) -> tuple[str, int, int] | None:
        asked = {"encoding": "json", "maxSupportedTransactionVersion": 0}
        meta = self._net.rpc("getTransaction", signature, asked)["meta"]
        if meta["err"] is not None:
            return None
        mine = str(self._net.wallet.pubkey())
        before, after = (_usdc(meta[side], mine) for side in ("preTokenBalances", "postTokenBalances"))
        return signature, meta["preBalances"][0] - meta["postBalances"][0] - meta["fee"], after - before


def _usdc(balances: list[dict[str, Any]], owner: str) -> int:
    mine = [b for b in balances if (b["owner"], b["mint"]) == (owner, USDC)]
    return sum(int(b["uiTokenAmount"]["amount"]) for b in mine)


class VenueRig:
    def __init__(self, net: Localnet, name: str) -> None:
        self._held = Held(net)
        self._net = net
        self._chain = self._held.chain()
        self.venue, self.guard, self.wallet = self._held.venue(name), self._held.guard, self._held.wallet
        can = {venues.Can.STEADY}
        if name != "meteora":
            can.add(venues.Can.EXACT_OUT)
        if name == "cpmm":
            can |= {venues.Can.SAY_FEE, venues.Can.EXACT_BOUND}
        self.can: Collection[venues.Can] = frozenset(can)

    async def anchor(self) -> Anchor:
        self._net.blocks(2)
        return await self._chain.anchor(venues.DEADLINE_S)

    def request(self, mode: SwapMode, amount: int | None = None) -> QuoteRequest:
        # Without SOL: a venue wraps it in an account whose seed is another one each time.
        given, taken = ("BONK", "USDC") if mode is SwapMode.EXACT_IN else ("USDC", "BONK")
        usual = QuoteRequest(
            input_token=TOKENS[given], output_token=TOKENS[taken], amount=10**9, mode=mode, number=1
        )
        return usual if amount is None else replace(usual, amount=amount)

    def seconds(self) -> float:
        return self._net.ms / 1000

    def effects(self) -> int:
        return self._net.ledger.count()

"""Asks the chain, before anything else is asked, whether an order can be traded; and once more at its choice.

A network whose wallet nobody can read is not asked, and costs nothing. Where one node says that the wallet
can't pay, or that a token is another or none, all of them are asked, for one may be behind or wrong: only
when none says otherwise does the order end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from oee_daemon.contract.order_types import OrderType, SwapMode
from oee_daemon.engine import engine_order_means, engine_quotes
from oee_daemon.engine.engine_order_means import Objection
from oee_daemon.engine.engine_quotes import request_of
from oee_daemon.engine.engine_token_desk import TokenDesk
from oee_daemon.errors import AttemptFailed, ChainUnavailable, OeeError
from oee_daemon.fault_log import FaultLog
from oee_daemon.networks.holdings import Holdings, Means
from oee_daemon.networks.network import Network
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import Quote, QuoteRequest, VenueAnswer
from oee_daemon.orders.terms import Terms
from oee_daemon.orders.tokens import Token
from oee_daemon.timing import USUAL

#: Seconds for one question about the wallet, of an order that is due.
MEANS_S = 2.0
#: Seconds for which what a node said serves the next orders of the same pair: they come by the hundred.
#: Where it speaks against one, the chain is asked anew.
FRESH_S = 1.0


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked about the wallet for one order, which spends so many base units of its input. `opens`:
    the accounts that its quote's way makes."""

    holdings: Holdings
    request: QuoteRequest
    spent: int
    deadline_s: float
    opens: Sequence[str] = ()


class OrderChecks:
    """For one process: a worker, or the daemon that accepts."""

    def __init__(
        self, network: Network, desk: TokenDesk, faults: FaultLog, *, courtesy_s: float = USUAL.courtesy_s
    ) -> None:
        self._courtesy_s = courtesy_s
        self._network = network
        self._desk = desk
        self._faults = faults
        #: What was said last for orders that were to be accepted: of which pair, until when, and what.
        self._told: tuple[tuple[str, str], float, Sequence[Means]] = (("", ""), 0.0, ())

    async def know_tokens(self, terms: Terms) -> None:
        """What another process has stored of the order's tokens is known here, too."""
        await self._desk.know((terms.input_mint, terms.output_mint))

    async def before_routing(self, order: Order) -> Sequence[Means]:
        """What the wallet has; nothing where nobody can read it.

        Raises `AttemptFailed`, which ends the order unless the chain merely could not be asked.
        """
        await self.know_tokens(order)
        holdings = self._network.holdings
        if holdings is None:
            return ()
        request = request_of(order, self._network.tokens, order.number, order.attempt)
        # A bound that the first choice has fixed is the most that may be spent, not what will be.
        most = order.bound if order.attempt == 1 else None
        spent = engine_order_means.spent_of(order.swap_mode, order.amount, most)
        asked = _Asked(holdings, request, spent, MEANS_S)
        try:
            means = await self._means(asked)
            # A token that was waited for is judged by its own checks, and by the risks that its order takes.
            judged = order.token_address is not None
            _raise(await self._objection(asked, means, judged=judged))
        except ChainUnavailable as e:
            raise AttemptFailed(e.message, code=e.code, retryable=True) from None
        return means

    async def at_choice(self, order: Order, quote: Quote, bound: int, means: Sequence[Means]) -> None:
        """Of an exact output it is the quote that says what it takes; SOL is wrapped up to the bound. Of each
        its way says which accounts are to be made. Raises as `before_routing`, which told `means`."""
        holdings, opens = self._network.holdings, _opens(quote)
        exact_in = order.swap_mode is SwapMode.EXACT_IN
        if holdings is None or not means or (exact_in and not opens):
            return
        spent = order.amount if exact_in else bound if means[0].spends_native else quote.amount_in
        request = request_of(order, self._network.tokens, order.number, order.attempt)
        asked = _Asked(holdings, request, spent, MEANS_S, opens)
        try:
            if opens:
                means = await self._means(asked)
            _raise(await self._shortage(asked, means))
        except ChainUnavailable as e:
            raise AttemptFailed(e.message, code=e.code, retryable=True) from None

    async def courtesy(self, terms: Terms, best: Quote | None = None) -> Objection | None:
        """What stands against an order that is about to be accepted, as far as the chain says so at once.
        `best`: its best quote, where venues were asked already."""
        holdings = self._network.holdings
        if holdings is None or terms.type is not OrderType.MARKET:
            return None
        request = request_of(terms, self._network.tokens)
        spent = engine_order_means.spent_of(terms.swap_mode, terms.amount, terms.bound)
        if best is not None and not spent:
            spent = best.amount_in
        opens = () if best is None else _opens(best)
        asked = _Asked(holdings, request, spent, self._courtesy_s, opens)
        try:
            async with asyncio.timeout(self._courtesy_s):
                means = await (self._means(asked) if opens else self._lately(asked))
                return await self._objection(asked, means)
        except (ChainUnavailable, TimeoutError):
            return None

    async def courtesy_of(self, terms: Terms, answers: Sequence[VenueAnswer]) -> Objection | None:
        """As `courtesy`, by the quote that would be chosen of these answers."""
        ranked = engine_quotes.rank(answers, terms.swap_mode)
        best = ranked[0].quote if ranked else None
        found = await self.courtesy(terms, best)
        if found is None or best is None or not _opens(best):
            return found
        with suppress(AttemptFailed):
            _, other = engine_quotes.choose_elsewhere(
                answers, best.venue, terms, terms.bound, engine_quotes.UNPAID
            )
            if other.venue != best.venue and await self.courtesy(terms, other) is None:
                return None
        return found

    async def _lately(self, asked: _Asked) -> Sequence[Means]:
        pair = asked.request.input_token.mint, asked.request.output_token.mint
        told, until, means = self._told
        if told != pair or time.monotonic() > until:
            means = await self._means(asked)
            self._told = pair, time.monotonic() + FRESH_S, means
        return means

    async def _objection(
        self, asked: _Asked, means: Sequence[Means], *, judged: bool = False
    ) -> Objection | None:
        if (found := _stands_against(asked.request, means[0])) is not None:
            others = await self._means(asked, every=True)
            means = [one for one in others if _stands_against(asked.request, one) is None]
            if not means:
                return found
        found = None if judged else await self._unsafe(asked.request.output_token, means[0])
        return found or await self._shortage(asked, means)

    async def _shortage(self, asked: _Asked, means: Sequence[Means]) -> Objection | None:
        given = asked.request.input_token
        found = engine_order_means.shortage(means[0], given, asked.spent)
        if found is None:
            return None
        others = await self._means(asked, every=True)
        short = [engine_order_means.shortage(one, given, asked.spent) for one in others]
        return found if all(short) else None

    async def _unsafe(self, token: Token, means: Means) -> Objection | None:
        """Of what is received: who holds such a token may always sell it."""
        facts = (means.facts or {}).get(token.mint)
        if facts is None or not engine_order_means.risks_of(facts, ()):
            return None
        accepted = await self._desk.accepted([token.mint])
        risks = engine_order_means.risks_of(facts, accepted.get(token.mint, ()))
        return engine_order_means.unsafe(token, risks)

    async def _means(self, asked: _Asked, *, every: bool = False) -> Sequence[Means]:
        """Raises `ChainUnavailable`, whatever goes wrong."""
        deadline_s = asked.deadline_s
        try:
            async with asyncio.timeout(deadline_s):
                return await asked.holdings.means(asked.request, deadline_s, every=every, opens=asked.opens)
        except TimeoutError:
            raise ChainUnavailable(
                f"The chain did not say within {deadline_s:g} s what the wallet has."
            ) from None
        except OeeError:
            raise
        except Exception as e:
            self._faults.say("the wallet's holdings failed", e)
            raise ChainUnavailable(f"The wallet could not be read: {type(e).__name__}.") from e


def _opens(quote: Quote) -> Sequence[str]:
    return () if quote.toll is None else quote.toll.opens


def _stands_against(request: QuoteRequest, means: Means) -> Objection | None:
    return engine_order_means.changed(request, means) or engine_order_means.delegated(request, means)


def _raise(found: Objection | None) -> None:
    if found is not None:
        raise AttemptFailed(found.message, code=found.code)

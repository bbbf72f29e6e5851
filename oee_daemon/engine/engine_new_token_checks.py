"""Asks the network what a new token is, and lets `engine_token_safety` judge it: at acceptance, while it is
waited for, and in each attempt to buy it.

Nobody waives a check but the order, by its name. What can't be asked is unknown, and unknown is not bought.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, NamedTuple, TypeVar

from oee_daemon.engine import engine_token_safety
from oee_daemon.engine.engine_quotes import request_of
from oee_daemon.engine.engine_token_safety import Check, Verdict, waived
from oee_daemon.errors import AttemptFailed, OeeError, UnsafeToken
from oee_daemon.fault_log import FaultLog
from oee_daemon.networks.network import Network
from oee_daemon.networks.network_listings import Listings, NewToken
from oee_daemon.orders.order import Order
from oee_daemon.orders.swap import Quote
from oee_daemon.orders.terms import Terms

T = TypeVar("T")

#: Seconds for one question.
LOOK_S = 2.0


class Judged(NamedTuple):
    """What is known before a venue is asked: the verdicts, what is kept of a transfer, basis points, and the
    venue and the route of the pool that was judged: it is bought there and nowhere else."""

    checks: Sequence[Check]
    kept_bps: int
    venue: str
    route: bytes


class NewTokenChecks:
    """For one process: a worker, or the daemon that accepts."""

    def __init__(self, network: Network, faults: FaultLog) -> None:
        self._network = network
        self._faults = faults

    @property
    def pace_s(self) -> float:
        """Seconds between two looks at one token."""
        return self._network.listings.pace_s if self._network.listings is not None else 0.0

    async def look(self, terms: Terms, *, urgent: bool = False) -> NewToken | None:
        """The token that is waited for, as it is now. Raises `AttemptFailed` where nobody could say."""
        source, mint = self._network.listings, terms.token_address
        if source is None or mint is None:
            raise AttemptFailed("Nobody looks for new tokens on this network.", code="no_listing_source")
        return await self._ask_in_time(source.look(mint, terms.input_mint, LOOK_S, urgent=urgent))

    def judge(self, terms: Terms, token: NewToken | None) -> list[Check]:
        """What stands before anybody is asked for a price."""
        if token is None:
            return [Check("token", Verdict.REFUSED, "it is the address of no token")]
        pinned = [one for one in self._network.tokens if self._network.tokens.is_pinned(one.mint)]
        checks = engine_token_safety.of_mint(token, pinned)
        if token.pool is not None:
            checks += engine_token_safety.of_pool(token.pool, terms.min_liquidity or 0)
        return waived(checks, terms.accepted_risks or ())

    async def _judge_trade(self, terms: Terms, quote: Quote, kept_bps: int) -> list[Check]:
        """What the order's own size says, by a purchase and a sale in one moment that move nothing."""
        source: Listings | None = self._network.listings
        back = None
        if source is not None:
            request = request_of(terms, self._network.tokens)
            back = await self._ask_in_time(source.sold_back(request, quote, LOOK_S))
        most = terms.most("max_impact", self._network.max_impact)
        checks = engine_token_safety.of_trade(quote, quote.amount_in, back, most, kept_bps)
        return waived(checks, terms.accepted_risks or ())

    async def before_routing(self, order: Order) -> Judged:
        """The verdicts so far. Raises `AttemptFailed` unless they are ok or accepted."""
        token = await self.look(order, urgent=True)
        if token is None:
            # It was one when the order was accepted.
            checks = [Check("token", Verdict.UNKNOWN, "nobody shows it any more")]
        else:
            checks = self.judge(order, token)
        if token is not None and token.pool is None:
            # It was there when the order fired. Nobody can waive that: what a pool says is not known.
            where = "" if token.elsewhere is None else f", and one of {token.elsewhere} is not traded in here"
            checks.append(Check("opens", Verdict.UNKNOWN, f"nobody shows its pool{where}"))
        require(checks, order.output_mint)
        assert token is not None and token.pool is not None
        return Judged(checks, token.fee_bps or 0, token.pool.venue, token.pool.route)

    async def at_choice(self, order: Order, quote: Quote, before: Judged) -> Sequence[Check]:
        """All verdicts. Raises as `before_routing`, which told `before`."""
        if before.route and quote.route != before.route:
            said = f"{quote.venue} quoted another pool than the one that was checked."
            raise AttemptFailed(said, code=UnsafeToken.code, retryable=True)
        found = [*before.checks, *await self._judge_trade(order, quote, before.kept_bps)]
        require(found, order.output_mint)
        return found

    async def _ask_in_time(self, question: Coroutine[Any, Any, T]) -> T:
        try:
            async with asyncio.timeout(LOOK_S):
                return await question
        except TimeoutError:
            said = f"Nobody said within {LOOK_S:g} s what the token is."
        except OeeError as e:
            said = e.message
        except Exception as e:
            self._faults.say("a new token could not be looked at", e)
            said = f"The token could not be looked at: {type(e).__name__}."
        raise AttemptFailed(said, code=UnsafeToken.code, retryable=True)


def verdicts_told(checks: Sequence[Check]) -> list[dict[str, Any]]:
    """As they stand in an event."""
    return [one.as_dict() for one in checks]


def require(checks: Sequence[Check], name: str) -> None:
    """Raises `UnsafeToken` unless all is ok or accepted; retryable where it may still become so."""
    for verdict in (Verdict.REFUSED, Verdict.UNKNOWN):
        found = list(engine_token_safety.against(checks, verdict))
        if found:
            said = "; ".join(f"{one.name}: {one.says}" for one in found)
            again = verdict is Verdict.UNKNOWN
            raise UnsafeToken(f"{name} is not bought: {said}.", checks=verdicts_told(checks), retryable=again)

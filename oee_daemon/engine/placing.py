"""What is checked before an order that waits is stored: its price against the market, so that a slip of the
pen is no order. The present price is asked for once, for the order's own size.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Any

from oee_daemon.contract.decimals import decimal_text
from oee_daemon.contract.moments import rfc3339
from oee_daemon.contract.order_types import OrderType, Side
from oee_daemon.engine import engine_quotes
from oee_daemon.engine.engine_new_token_checks import NewTokenChecks, require
from oee_daemon.engine.engine_quotes import request_of
from oee_daemon.errors import AttemptFailed, Conflict, InvalidInput, Refused, UnsafeToken
from oee_daemon.fault_log import FaultLog
from oee_daemon.networks.network import Network
from oee_daemon.networks.prices import PriceSource, Watched, price_of
from oee_daemon.orders.conditions import FALLING, TIMED, Rule, is_reached, is_unbound, rule_of, trailed
from oee_daemon.orders.terms import Terms
from oee_daemon.orders.tokens import Token
from oee_daemon.store.creating_sql import Armed

#: How far through the market a limit may be, and how far away, as parts of the market's price.
THROUGH, AWAY = Decimal("0.05"), Decimal("0.9")
#: Significant digits of a price in a sentence: a token of 0.0000002 has a price, too.
_SHOWN = Context(prec=6)
#: Within this of one divided by the market's price, and not near the market's, a price is upside down.
INVERTED, NEAR = Decimal("0.2"), Decimal("0.25")
#: A price that may be meant, as a part of the market's: a stop at the market would be met already.
_BEYOND = {Rule.SELL_STOP: Decimal("0.95"), Rule.BUY_STOP: Decimal("1.05")}


class Placing:
    """For the daemon that accepts."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._new_tokens = NewTokenChecks(network, FaultLog())

    async def armed(self, terms: Terms, peak: Decimal | None = None) -> Armed | None:
        """What the order is compared with from its first moment; none of one that does not wait. `peak`: the
        best price that a trailing stop has seen, where it has.

        Raises `InvalidInput` where its price can't be meant, and `Conflict` where nobody watches prices here.
        """
        if terms.token_address is not None:
            return await self._arm_listed(terms)
        if terms.type in TIMED:
            if terms.launch_at is None:
                return None
            return Armed(rule=Rule.TIME, price=None, data={"condition": {"rule": "time"}})
        source = self._network.prices
        if source is None:
            raise Conflict(
                f"Nobody watches prices on {self._network.name} yet, so that no order can wait for one.",
                code="no_price_source",
                hint="oee buy and oee sell trade at once.",
            )
        return await self._arm_priced(terms, source, peak)

    async def _arm_listed(self, terms: Terms) -> Armed:
        """Of a token that is not traded yet: refused at once for what its mint says already."""
        assert terms.token_address is not None
        if self._network.listings is None:
            raise Conflict(
                f"Nobody looks for new tokens on {self._network.name} yet.",
                code="no_listing_source",
                hint="With launchTime and without tokenAddress it buys in that moment, as every order.",
            )
        try:
            token = await self._new_tokens.look(terms)
            pool = None if token is None else token.pool
            if pool is not None and pool.opens_in_s == 0 and terms.launch_at is None:
                raise Conflict(
                    f"{terms.token_address} is traded already.",
                    code="already_listed",
                    hint="With launchTime, in some seconds, the checks hold; without them: oee buy.",
                )
            of_mint = None if token is None else replace(token, pool=None)
            require(self._new_tokens.judge(terms, of_mint), terms.token_address)
        except UnsafeToken as e:
            names = ",".join(one["check"] for one in e.checks if one["verdict"] in ("refused", "unknown"))
            hint = f"Where you take that risk: accept {names}. What each is: oee help sniping"
            raise Conflict(e.message, code=e.code, hint=hint) from None
        except AttemptFailed as e:
            raise Conflict(e.message, code=e.code) from None
        said = {"rule": "listed", "token": terms.token_address, "min_liquidity": terms.min_liquidity}
        return Armed(rule=Rule.LISTED, price=None, data={"condition": said})

    async def _arm_priced(self, terms: Terms, source: PriceSource, peak: Decimal | None) -> Armed:
        base, quote = (self._network.tokens.by_mint(mint) for mint in terms.pair.split("/"))
        rule = rule_of(terms.type, terms.side)
        firm = await source.firm(request_of(terms, self._network.tokens))
        if firm is None:
            raise await self._without_price(terms, base, quote)
        now = price_of(firm, terms.side, base, quote)
        if terms.type is OrderType.STOP:
            # A stop is compared with the price of a little: by that of its own size a large one seems met.
            little = await source.probed(Watched(terms.pair, base, quote), terms.side)
            now = now if little is None else price_of(little, terms.side, base, quote)
        # A trailing stop begins at the first price that its watcher sees, by which it moves from then on.
        trails = terms.trail_bps is not None
        price = trailed(peak or now, terms.side, terms.trail_bps or 0) if trails else terms.target_price
        assert price is not None
        # What waits for any price is never far from it.
        if not terms.far and not is_unbound(price):
            _check(terms, price, rule, now, base, quote)
        data: dict[str, Any] = {
            "condition": {
                "rule": "at_or_below" if rule in FALLING else "at_or_above",
                "price": decimal_text(price),
                "basis": "executable" if terms.type is OrderType.LIMIT else "marginal",
            },
            "market": {"price": decimal_text(now), "at": rfc3339(datetime.now(UTC), "microseconds")},
        }
        return Armed(rule=rule, price=price, data=data, peak=(peak or now) if trails else None)

    async def _without_price(self, terms: Terms, base: Token, quote: Token) -> Refused:
        """Why no venue has one: they are asked once more, for only their own answers say it."""
        answers = await engine_quotes.ask(self._network.venues, request_of(terms, self._network.tokens))
        why, late = engine_quotes.reasons(answers)
        message = f"No venue has a price of {base.symbol} in {quote.symbol} for that amount.{why}"
        if late:
            hint = "Who of those outside is away: oee doctor"
            return Conflict(message, code="no_price", hint=hint)
        hint = "Try a smaller amount, or another pair."
        return InvalidInput(message, code="no_price", field="targetPrice", hint=hint)


def _check(terms: Terms, target: Decimal, rule: Rule, now: Decimal, base: Token, quote: Token) -> None:
    shown, present = decimal_text(target), decimal_text(now.normalize(_SHOWN))
    example = decimal_text((now * _BEYOND.get(rule, 1)).normalize(_SHOWN))
    typed = terms.target_price is not None
    if typed and abs(target - 1 / now) <= INVERTED / now and abs(target - now) > NEAR * now:
        raise _refusal(
            "price_inverted",
            f"{shown} is {base.symbol} for one {quote.symbol}; a price is {quote.symbol} for one"
            f" {base.symbol}, now {present}.",
            f"For example {example}",
        )
    met = is_reached(rule, target, now, now)
    if terms.type is OrderType.STOP:
        if met:
            raise _refusal(
                "would_fire",
                f"It is met already: the price is {present}.",
                "Trade at once",
                "targetPrice" if typed else "trailBps",
            )
    elif met and abs(target - now) > THROUGH * now:
        what = "buy at once, up to" if terms.side is Side.BUY else "sell at once, down to"
        percent = decimal_text(round(abs(target - now) / now * 100, 1))
        raise _refusal(
            "price_far", f"It would {what} {percent} % past the price of {present}.", f"For example {example}"
        )
    if not met and abs(target - now) > AWAY * max(now, target):
        raise _refusal("price_far", f"{shown} is far from the price of {present}.", f"For example {example}")


def _refusal(code: str, message: str, hint: str, field: str = "targetPrice") -> InvalidInput:
    return InvalidInput(message, code=code, field=field, hint=f'{hint}, or "far": true if it is meant.')

"""New tokens: each trap is seen by exactly its check, an honest one by none, and unknown is not ok."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.contract.risks import RISKS
from oee_daemon.engine import engine_token_safety
from oee_daemon.engine.engine_new_token_checks import NewTokenChecks
from oee_daemon.engine.engine_token_safety import Check, Verdict, waived
from oee_daemon.errors import UnsafeToken, VenueRefused
from oee_daemon.fault_log import FaultLog
from oee_daemon.networks.holdings import Extension, MintFacts
from oee_daemon.networks.network_listings import NewPool, NewToken
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.networks.simulated import simulated_listings
from oee_daemon.networks.simulated.simulated_listing_source import SimulatedListings
from oee_daemon.networks.simulated.simulated_listings import ROUND, Listing, listing
from oee_daemon.orders.swap import Quote, QuoteRequest
from oee_daemon.orders.tokens import TOKENS, Token

#: By the page, not by the code: which check refuses which trap, and after how many slots those that only
#: come late may be bought.
REFUSED_BY = {
    "pulled": "thin", "thin": "thin", "honeypot": "sellback", "freeze": "freeze", "mint": "mint",
    "fee": "fee",
    "fee_later": "fee", "delegate": "delegate", "hook": "hook", "frozen_default": "frozen",
    "paused": "paused", "copycat": "copycat", "whale": "holders", "lp_free": "lp",
}  # fmt: skip
LATE = {"zero_liquidity": 5, "opens_later": 20}
SPACING, MOST_SLOTS = 150, 320
USDC = TOKENS["USDC"]


def test_no_attempt_buys_a_token_whose_pool_nobody_shows() -> None:
    """What is judged by its pool was left out, and so it passed."""
    token = next(one for number in range(ROUND) if (one := listing(0, number, SPACING)).trap is None)

    async def height() -> int:
        return token.listed_at - 1

    network: Any = SimpleNamespace(
        listings=SimulatedListings(height, seed=0, spacing=SPACING),
        tokens=TokenBook("simulated", TOKENS.values(), lambda _: None),
    )
    order: Any = SimpleNamespace(
        input_mint=USDC.mint,
        token_address=token.mint,
        output_mint=token.mint,
        min_liquidity=0,
        accepted_risks=tuple(RISKS),
    )
    with pytest.raises(UnsafeToken, match="nobody shows its pool") as refused:
        asyncio.run(NewTokenChecks(network, FaultLog()).before_routing(order))
    assert refused.value.retryable


class Stage:
    """One new token at any height."""

    def __init__(self, seed: int, token: Listing) -> None:
        self.height = 0
        self.token, self._seed = token, seed
        self._source = SimulatedListings(self._now, seed=seed, spacing=SPACING)

    async def _now(self) -> int:
        return self.height

    async def checks(self, slots: int) -> list[Check] | None:
        """All of them, so long after the listing; none where there is no pool."""
        self.height = self.token.listed_at + slots
        seen = await self._source.look(self.token.mint, USDC.mint, 1, urgent=False)
        assert seen is not None
        found = engine_token_safety.of_mint(seen, [*TOKENS.values()])
        if seen.pool is None:
            return None
        found += engine_token_safety.of_pool(seen.pool, 10_000)
        # As the engine: nobody is asked for a price of what is not to be bought.
        quoted = None if bad(found) else self._quote()
        if quoted is not None:
            back = await self._source.sold_back(self._request(), quoted, 1)
            found += engine_token_safety.of_trade(quoted, 100 * 10**6, back, None, seen.fee_bps or 0)
        return found

    def _request(self) -> QuoteRequest:
        token = Token(self.token.mint, self.token.mint, self.token.decimals)
        return QuoteRequest(
            input_token=USDC, output_token=token, amount=100 * 10**6, mode=SwapMode.EXACT_IN, number=7,
            attempt=1,
        )  # fmt: skip

    def _quote(self) -> Quote | None:
        try:
            return simulated_listings.quote(
                self._seed, self.token.venue, self.token, self._request(), self.height
            )
        except VenueRefused:
            return None


def bad(checks: list[Check]) -> set[str]:
    return {one.name for one in checks if one.verdict is not Verdict.OK}


@pytest.mark.parametrize("seed", [0, 7, 4127])
def test_every_trap_is_refused_by_its_check_alone_and_every_honest_token_passes(seed: int) -> None:
    tokens = [listing(seed, number, SPACING) for number in range(ROUND)]
    assert {str(token.trap) for token in tokens if token.trap} == {*REFUSED_BY, *LATE}
    assert sum(token.trap is None for token in tokens) == ROUND // 2
    for token in tokens:
        asyncio.run(_is_refused_by_its_check_alone(Stage(seed, token), token))


async def _is_refused_by_its_check_alone(stage: Stage, token: Listing) -> None:
    assert await stage.checks(-1) is None
    passed = None
    for slots in range(MOST_SLOTS):
        if not bad(await stage.checks(slots) or []):
            passed = slots
            break
    if token.trap is None or token.trap in LATE:
        after = LATE.get(str(token.trap), 0)
        assert passed is not None and after <= passed <= after + 2, (token.trap, passed)
        return
    at_last = await stage.checks(MOST_SLOTS)
    assert (passed, bad(at_last or [])) == (None, {REFUSED_BY[token.trap]}), token.trap
    assert bad(waived(at_last or [], RISKS)) == {REFUSED_BY[token.trap]}  # accepted, and still told
    taken = waived(at_last or [], [REFUSED_BY[token.trap]])
    assert {one.verdict for one in taken} <= {Verdict.OK, Verdict.ACCEPTED}


def test_what_is_not_known_is_not_ok() -> None:
    """Of a token that nobody can read anything of."""
    facts = MintFacts(mint="m", decimals=6, program="p")
    token = NewToken(facts=facts, fee_bps=None, fee_can_change=None, can_be_closed=None, pool=None)
    pool = NewPool(
        venue="v", slot=1, age_s=9000, opens_in_s=None, reserve_usd=None, reserve_before_usd=None,
        locked_bps=None, holders_bps=None,
    )  # fmt: skip
    quote = Quote(venue="v", amount_in=100, amount_out=7, fee=None, price_impact_bps=None)
    checks = engine_token_safety.of_mint(token, []) + engine_token_safety.of_pool(pool, 1)
    assert bad(checks) == {"close", "fee", "thin", "lp", "holders", "opens"}
    assert {one.verdict for one in checks} == {Verdict.OK, Verdict.UNKNOWN}
    traded = engine_token_safety.of_trade(quote, 100, None, None)
    assert [(one.name, one.verdict.value) for one in traded] == [
        ("impact", "refused"),
        ("sellback", "unknown"),
    ]


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, "ok"),
        ({"reserve_usd": Decimal(9_999)}, "unknown"),
        ({"reserve_before_usd": None}, "unknown"),
        ({"reserve_before_usd": Decimal(12_500)}, "ok"),
        ({"reserve_before_usd": Decimal(12_501)}, "unknown"),
        ({"locked_bps": 9_499, "age_s": 119.9}, "unknown"),
        ({"locked_bps": 9_499, "age_s": 120.0}, "refused"),
        ({"locked_bps": 9_500}, "ok"),
        ({"holders_bps": 5_000}, "ok"),
        ({"holders_bps": 5_001}, "refused"),
        ({"opens_in_s": 0.1}, "unknown"),
    ],
)
def test_a_pool_at_its_bounds(changed: dict[str, Any], verdict: str) -> None:
    pool = NewPool(
        venue="v", slot=1, age_s=200, opens_in_s=0, reserve_usd=Decimal(10_000),
        reserve_before_usd=Decimal(10_000), locked_bps=10_000, holders_bps=2_000,
    )  # fmt: skip
    checks = engine_token_safety.of_pool(replace(pool, **changed), 10_000)
    found = {one.verdict.value for one in checks} - {"ok"} or {"ok"}
    assert found == {verdict}


@pytest.mark.parametrize(
    ("fee", "impact", "back", "most", "refused"),
    [
        (2500, 1000, 10**6, None, set()),
        (2500, 1001, 10**6, None, {"impact"}),
        (2500, 200, 10**6, 100, {"impact"}),
        # 2 * 25 bps of fee, 2 * 1 % of impact, 5 % of spread.
        (2500, 100, 925_000, None, set()),
        (2500, 100, 924_999, None, {"sellback"}),
        (2500, 0, 0, None, {"sellback"}),
        # Who tells of a fee of nearly all explains nothing by it.
        (40_000, 0, 870_000, None, set()),
        (999_990, 0, 870_000, None, set()),
        (999_990, 0, 869_999, None, {"sellback"}),
        (999_990, 0, 0, None, {"sellback"}),
    ],
)
def test_a_trade_at_its_bounds(fee: int, impact: int, back: int, most: int | None, refused: set[str]) -> None:
    quote = Quote(venue="v", amount_in=10**6, amount_out=7, fee=fee, price_impact_bps=impact)
    assert bad(engine_token_safety.of_trade(quote, 10**6, back, most)) == refused


def test_an_extension_that_nobody_knows_can_not_be_accepted() -> None:
    facts = MintFacts(
        mint="m", decimals=6, program="p", extensions=(Extension("extension-99", "nobody knows", risk=True),)
    )
    token = NewToken(facts=facts, fee_bps=0, fee_can_change=False, can_be_closed=False, pool=None)
    assert bad(waived(engine_token_safety.of_mint(token, []), [*RISKS, "extension-99"])) == {"extension-99"}

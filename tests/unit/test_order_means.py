"""What stands against an order, of what the chain says: the figures are reckoned here by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.engine.engine_order_means import changed, delegated, risks_of, shortage, spent_of, unsafe
from oee_daemon.networks.holdings import Extension, Means, MintFacts
from oee_daemon.orders.swap import QuoteRequest
from oee_daemon.orders.tokens import TOKENS

SOL, USDC = TOKENS["SOL"], TOKENS["USDC"]
FACTS = {t.mint: MintFacts(mint=t.mint, decimals=t.decimals, program="P") for t in (SOL, USDC)}
#: A fee of 0.0001 SOL at most, and 0.003 for accounts.
MEANS = Means(native=10**9, given=10**9, fee=100_000, reserve=3_000_000, spends_native=True, facts=FACTS)
ASKED = QuoteRequest(input_token=SOL, output_token=USDC, amount=1, mode=SwapMode.EXACT_IN)
PULL = Extension("permanent-delegate", "X can take it out of every wallet", risk=True)


def test_sol_pays_for_itself_the_network_and_accounts() -> None:
    most = 10**9 - 100_000 - 3_000_000
    assert shortage(MEANS, SOL, most) is None
    found = shortage(MEANS, SOL, most + 1)
    assert found is not None and found.code == "insufficient_funds"
    assert found.message == (
        "The wallet has 1 SOL and needs 1.000000001: 0.996900001 to swap, up to 0.0001 for the network, "
        "0.003 kept for accounts."
    )


def test_a_token_is_spent_from_its_own_account_and_sol_pays_the_rest() -> None:
    means = replace(MEANS, spends_native=False, given=5_000_000, native=3_100_000)
    assert shortage(means, USDC, 5_000_000) is None
    found = shortage(means, USDC, 5_000_001)
    assert found is not None
    assert found.message == "The wallet has 5 USDC to swap, and the order needs 5.000001."
    found = shortage(replace(means, native=3_099_999), USDC, 1)
    assert found is not None and found.message == (
        "The wallet has 0.003099999 SOL and needs 0.0031: up to 0.0001 for the network, 0.003 kept for "
        "accounts."
    )


def test_of_an_exact_output_its_bound_is_what_may_be_spent() -> None:
    assert spent_of(SwapMode.EXACT_IN, 7, 9) == 7
    assert spent_of(SwapMode.EXACT_OUT, 7, 9) == 9
    assert spent_of(SwapMode.EXACT_OUT, 7, None) == 0


def test_a_token_that_is_another_than_it_was_counted_as_is_not_traded() -> None:
    assert changed(ASKED, MEANS) is None and changed(ASKED, replace(MEANS, facts=None)) is None
    found = changed(ASKED, replace(MEANS, facts={SOL.mint: FACTS[SOL.mint]}))
    assert found is not None and found.code == "unknown_token"
    other = {**FACTS, USDC.mint: replace(FACTS[USDC.mint], decimals=9)}
    found = changed(ASKED, replace(MEANS, facts=other))
    assert found is not None and found.code == "token_changed"


@pytest.mark.parametrize("accepted", [(), ("pausable",)])
def test_a_risk_that_nobody_accepted_is_named_with_what_accepts_it(accepted: tuple[str, ...]) -> None:
    facts = replace(FACTS[USDC.mint], extensions=(PULL, Extension("transfer-fee", "1 %")))
    found = unsafe(USDC, risks_of(facts, accepted))
    assert found is not None and found.code == "unsafe_token"
    assert found.message == "USDC is not bought: permanent-delegate, X can take it out of every wallet."
    assert found.hint is not None
    assert found.hint.endswith(f"oee tokens add {USDC.mint} --accept permanent-delegate")
    assert unsafe(USDC, risks_of(facts, ("permanent-delegate",))) is None


def test_an_account_that_somebody_else_may_spend_from_is_named_before_any_venue_is_blamed() -> None:
    assert delegated(ASKED, MEANS) is None
    found = delegated(ASKED, replace(MEANS, delegated={USDC.mint: "Acc"}))
    assert found is not None and found.code == "account_delegated"
    assert "USDC" in found.message and "spl-token revoke Acc" in (found.hint or "")

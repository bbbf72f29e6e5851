"""Whether an order can be traded at all: its tokens are what they were, nobody can take them back, and the
wallet can pay for it. Pure: what the chain said comes in, and what stands against the order goes out.

An amount to spend is never more than the order says; what the network takes is counted at its most.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.networks.holdings import Extension, Means, MintFacts
from oee_daemon.orders.swap import QuoteRequest
from oee_daemon.orders.tokens import Token


@dataclass(frozen=True, slots=True)
class Objection:
    """Why an order is not traded; `hint` says what would do."""

    code: str
    message: str
    hint: str | None = None


def spent_of(mode: SwapMode, amount: int, most: int | None) -> int:
    """Base units that are known to be spent before any venue has a price: of an exact output its bound, where
    the order says one."""
    return amount if mode is SwapMode.EXACT_IN else most or 0


def changed(request: QuoteRequest, means: Means) -> Objection | None:
    """A token of the order is not what it was when its amounts were counted."""
    if means.facts is None:
        return None
    for token in (request.input_token, request.output_token):
        facts = means.facts.get(token.mint)
        if facts is None:
            return Objection("unknown_token", f"The chain knows no token {token.mint}.")
        if facts.decimals != token.decimals:
            return Objection(
                "token_changed",
                f"{token.symbol} has {facts.decimals} decimals on the chain, and the order counts"
                f" {token.decimals}.",
            )
    return None


def delegated(request: QuoteRequest, means: Means) -> Objection | None:
    """Somebody else may spend from the wallet's account of a token of the order, and could before it.
    No swap is signed after which that is so."""
    for token in (request.input_token, request.output_token):
        if (account := means.delegated.get(token.mint)) is not None:
            return Objection(
                "account_delegated",
                f"Somebody else may spend from, or close, the wallet's account of {token.symbol}: {account}.",
                f"Take a delegate's right back with: spl-token revoke {account}. Who else may close it has to"
                " give that up, or another wallet trades",
            )
    return None


def risks_of(facts: MintFacts, accepted: Collection[str]) -> list[Extension]:
    """Each extension that is a risk and that nobody accepted."""
    return [one for one in facts.extensions if one.risk and one.name not in accepted]


def unsafe(token: Token, risks: Sequence[Extension]) -> Objection | None:
    """What the token would be bought with; `risks` that nobody accepted."""
    if not risks:
        return None
    said = "; ".join(f"{one.name}, {one.detail}" for one in risks)
    names = ",".join(one.name for one in risks)
    return Objection(
        "unsafe_token",
        f"{token.symbol} is not bought: {said}.",
        f"Where you take that risk: oee tokens add {token.mint} --accept {names}",
    )


def shortage(means: Means, given: Token, spent: int) -> Objection | None:
    """What the wallet lacks to spend so much of `given`, and to pay the network beside it."""
    coin = Token(means.coin, "", means.coin_decimals)
    costs = means.fee + means.reserve
    if means.spends_native:
        costs += spent
    elif means.given < spent:
        return Objection(
            "insufficient_funds",
            f"The wallet has {given.text(means.given)} {given.symbol} to swap,"
            f" and the order needs {given.text(spent)}.",
            "See: oee balance",
        )
    if means.native >= costs:
        return None
    parts = [f"{coin.text(spent)} to swap"] if means.spends_native and spent else []
    parts += [
        f"up to {coin.text(means.fee)} for the network",
        f"{coin.text(means.reserve)} kept for accounts",
    ]
    return Objection(
        "insufficient_funds",
        f"The wallet has {coin.text(means.native)} {coin.symbol} and needs {coin.text(costs)}: "
        + ", ".join(parts)
        + ".",
        "See: oee balance",
    )

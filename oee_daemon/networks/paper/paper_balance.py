"""What a paper wallet begins with, as the setting `OEE_PAPER_BALANCE` words it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.orders.tokens import units


def begun_with(text: str, tokens: TokenBook) -> Mapping[str, int]:
    """Base units by mint, of a text such as "100 SOL, 10000 USDC".

    Raises `InvalidInput`, naming the setting: a token that is not listed, or an amount that it can't have.
    """
    found: dict[str, int] = {}
    for part in text.split(","):
        amount, name = part.split()
        token = tokens.find(name, "OEE_PAPER_BALANCE")
        found[token.mint] = found.get(token.mint, 0) + units(Decimal(amount), token, "OEE_PAPER_BALANCE")
    return found

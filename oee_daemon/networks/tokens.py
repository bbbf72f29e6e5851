"""The tokens of one network: which it lists, and how a name or a mint becomes one.

A mint is a token's only identity. A symbol is what people say, and on a real network several tokens may bear
the same: such a symbol is refused, never guessed. What an amount of a token looks like is `orders.tokens`.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Iterator

from oee_daemon.errors import InvalidInput
from oee_daemon.orders.tokens import Token


class TokenBook:
    """The tokens that a network lists, in the order in which they are listed."""

    def __init__(self, network: str, tokens: Iterable[Token]) -> None:
        self._network = network
        self._by_mint = {token.mint: token for token in tokens}
        self._by_symbol: dict[str, list[Token]] = defaultdict(list)
        for token in self:
            self._by_symbol[token.symbol.lower()].append(token)

    def __iter__(self) -> Iterator[Token]:
        return iter(self._by_mint.values())

    def by_mint(self, mint: str) -> Token:
        """The token of a mint. One that is not listed any more is shown by its mint, in base units."""
        return self._by_mint.get(mint) or Token(mint, mint, 0)

    def find(self, name: str, field: str) -> Token:
        """The token of a symbol, in any case, or of a mint.

        Raises `InvalidInput`, naming `field`: `unknown_token`, or `ambiguous_token` for a symbol that several
        tokens bear.
        """
        if name in self._by_mint:
            return self._by_mint[name]
        found = self._by_symbol.get(name.lower(), [])
        if len(found) == 1:
            return found[0]
        shown = name if len(name) <= 44 else name[:41] + "..."
        if found:
            raise InvalidInput(
                f"{shown!r} is the symbol of {len(found)} tokens.",
                code="ambiguous_token",
                field=field,
                hint="Name it by its mint: " + ", ".join(token.mint for token in found) + ".",
            )
        raise InvalidInput(
            f"{shown!r} is not a token that the {self._network} network knows.",
            code="unknown_token",
            field=field,
            hint=self._hint(name),
        )

    def _hint(self, name: str) -> str:
        hint = "It knows " + ", ".join(token.symbol for token in self) + "."
        near = difflib.get_close_matches(name.lower(), self._by_symbol, n=1, cutoff=0.5)
        return f"{hint} Did you mean {self._by_symbol[near[0]][0].symbol}?" if near else hint

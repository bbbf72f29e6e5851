"""The tokens of one network: which it lists, which the user added, and how a name or a mint becomes one.

A mint is a token's only identity. A symbol is what people say, and on a real network several tokens may bear
the same: a symbol is one of the pinned list or one that the user gave, and where two tokens bear it, it is
refused, never guessed. What an amount of a token looks like is `orders.tokens`.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from oee_daemon.errors import AttemptFailed, InvalidInput
from oee_daemon.networks.holdings import MintFacts
from oee_daemon.orders.tokens import Token


@dataclass(frozen=True, slots=True)
class KnownToken:
    """A token that is not pinned: one that the user `added`, or that an order has named by its mint.

    `facts`: of when it was read from the chain. `accepted`: the extensions whose risk the user took.
    """

    facts: MintFacts
    added: bool = False
    symbol: str | None = None
    accepted: tuple[str, ...] = ()

    @property
    def token(self) -> Token:
        """Without a symbol it is called by its mint."""
        return Token(self.symbol or self.facts.mint, self.facts.mint, self.facts.decimals)


class TokenBook:
    """The tokens that a network lists, in the order in which they are listed, and those that were added.

    Read on any thread, changed on one: what is changed is replaced, never mended in place.
    """

    def __init__(
        self,
        network: str,
        tokens: Iterable[Token],
        unmet: Callable[[str], MintFacts | None] = lambda _: None,
    ) -> None:
        """`unmet`: what a mint is that nobody has met yet, where that is known without asking anybody."""
        self._network = network
        self._unmet = unmet
        self._pinned = {token.mint: token for token in tokens}
        self._known: Mapping[str, KnownToken] = {}
        self._index()

    def _index(self) -> None:
        by_mint = {mint: known.token for mint, known in self._known.items()} | self._pinned
        by_symbol: dict[str, list[Token]] = defaultdict(list)
        for token in by_mint.values():
            if token.symbol != token.mint:
                by_symbol[token.symbol.lower()].append(token)
        self._by_mint, self._by_symbol = by_mint, dict(by_symbol)

    def __iter__(self) -> Iterator[Token]:
        """The pinned ones, then those that were added."""
        yield from self._pinned.values()
        yield from (known.token for known in self._known.values() if known.added)

    def met(self) -> list[KnownToken]:
        """Those that orders have named by their mints, and nobody added; as the chain says them."""
        return [known for mint, known in self._known.items() if not known.added and mint not in self._pinned]

    def learn(self, *found: KnownToken) -> None:
        """Knows these from now on; what is pinned stays as it is."""
        self._known = {**self._known, **{known.facts.mint: known for known in found}}
        self._index()

    def is_pinned(self, mint: str) -> bool:
        return mint in self._pinned

    def known(self, mint: str) -> KnownToken | None:
        """What was read of a token; none of one that nobody added or named."""
        return self._known.get(mint)

    def __contains__(self, mint: str) -> bool:
        return mint in self._by_mint

    def by_mint(self, mint: str) -> Token:
        """The token of a mint. One that is not listed any more is shown by its mint, in base units."""
        return self._find_met(mint) or Token(mint, mint, 0)

    def _find_met(self, mint: str) -> Token | None:
        if mint not in self._by_mint and (facts := self._unmet(mint)) is not None:
            self.learn(KnownToken(facts))
        return self._by_mint.get(mint)

    def traded(self, mint: str) -> Token:
        """The token of a mint that is to be traded now. Raises `AttemptFailed` where nobody knows its
        decimals."""
        found = self._find_met(mint)
        if found is None:
            raise AttemptFailed(
                f"The {self._network} network does not know the token {mint}.", code="unknown_token"
            )
        return found

    def bearing(self, symbol: str) -> list[str]:
        """The mints of those that bear the symbol, in any case."""
        return [token.mint for token in self._by_symbol.get(symbol.lower(), ())]

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
        if not found and (token := self._find_met(name)) is not None:
            return token
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
        symbols = [token.symbol for token in self if token.symbol != token.mint]
        hint = "It knows " + ", ".join(symbols) + "."
        near = difflib.get_close_matches(name.lower(), self._by_symbol, n=1, cutoff=0.5)
        return f"{hint} Did you mean {self._by_symbol[near[0]][0].symbol}?" if near else hint

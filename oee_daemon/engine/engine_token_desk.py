"""Tokens that are not pinned: added by the user or named by an order, known to the daemon and all workers.

The chain says what a token is, Postgres keeps it, and each process has a book of what it has met: on a miss
it asks Postgres, so that an order for a token of a second ago is executed everywhere. Where the network has
no chain to read, nothing here asks anybody.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from oee_daemon.errors import ChainUnavailable, Conflict, InvalidInput
from oee_daemon.networks.holdings import Extension, MintFacts, Mints
from oee_daemon.networks.network import Network
from oee_daemon.networks.network_token_symbols import must_be_free
from oee_daemon.networks.network_tokens import KnownToken
from oee_daemon.store import token_rows
from oee_daemon.store.database import aside

#: Seconds that the chain has to say what a token is.
READ_S = 3.0
#: An address, as people write it: 32 bytes in base 58.
_ADDRESS = re.compile(r"[1-9A-HJ-NP-Za-km-z]{32,44}")


class TokenDesk:
    """One process's view of the network's tokens."""

    def __init__(self, db: Engine, network: Network) -> None:
        self._db = db
        self._network = network
        self.book = network.tokens

    def load(self) -> None:
        """Everything that is known: the daemon shows past orders in their tokens' amounts."""
        if self._network.mints is not None:
            with self._db.connect() as conn:
                self.book.learn(*map(_token_of, token_rows.every(conn)))

    async def know(self, mints: Collection[str]) -> None:
        """What others have stored of these is known here, too. A worker asks before it trades them."""
        missing = [mint for mint in mints if mint not in self.book]
        if missing and self._network.mints is not None:
            self.book.learn(*map(_token_of, await aside(self._db, token_rows.some, missing)))

    async def learn(self, *names: object) -> None:
        """A mint that nobody has met is read from the chain and kept, before an order names it; and a symbol
        is whose it is by now, for another daemon may have given it to another token.

        What is neither stays unknown. Raises `ChainUnavailable`: then nothing is stored.
        """
        if self._network.mints is None:
            return
        asked = {name.strip() for name in names if isinstance(name, str)}
        await self._know_symbols(name for name in asked if not _ADDRESS.fullmatch(name))
        mints = [name for name in asked if name not in self.book and _ADDRESS.fullmatch(name)]
        if not mints:
            return
        await self.know(mints)
        missing = [mint for mint in mints if mint not in self.book]
        for facts in (await self._read(self._network.mints, missing)).values() if missing else ():
            await aside(self._db, token_rows.see, facts.mint, facts.decimals, _facts_row(facts))
            self.book.learn(KnownToken(facts))

    async def _know_symbols(self, names: Iterable[str]) -> None:
        borne = {name.lower(): self.book.bearing(name) for name in names}
        # A pinned one is nobody else's.
        borne = {name: mints for name, mints in borne.items() if not any(map(self.book.is_pinned, mints))}
        if borne:
            mints = [mint for bearing in borne.values() for mint in bearing]
            self.book.learn(*map(_token_of, await aside(self._db, token_rows.named, list(borne), mints)))

    async def accepted(self, mints: Collection[str]) -> Mapping[str, Collection[str]]:
        """The extensions whose risk the user takes, by mint: as Postgres says it now, not from memory."""
        return {row.mint: row.accepted for row in await aside(self._db, token_rows.some, list(mints))}

    async def add(self, mint: str, symbol: str | None, accept: Sequence[str]) -> KnownToken:
        """The token, as the user wants it from now on. Raises `InvalidInput`, `Conflict`, and
        `ChainUnavailable`."""
        self._must_not_be_pinned(mint, "is pinned already")
        facts = await self.facts(mint)
        risks = [one.name for one in facts.extensions if one.risk]
        for name in accept:
            if name not in risks:
                told = "Its risks: " + ", ".join(risks) + "." if risks else "It has none."
                raise InvalidInput(
                    f"{name[:40]!r} is no risk of this token.", code="unknown_risk", field="accept", hint=told
                )
        if symbol is not None:
            must_be_free(symbol, mint, self.book)
        known = KnownToken(facts, True, symbol, tuple(dict.fromkeys(accept)))
        try:
            await asyncio.shield(self._store(known))
        except IntegrityError:
            raise InvalidInput(
                f"{symbol} is the symbol of another token.", code="symbol_taken", field="symbol"
            ) from None
        return known

    async def _store(self, known: KnownToken) -> None:
        facts, row = known.facts, _facts_row(known.facts)
        await aside(
            self._db,
            token_rows.add,
            facts.mint,
            facts.decimals,
            row,
            symbol=known.symbol,
            accepted=known.accepted,
        )
        self.book.learn(known)

    async def remove(self, name: str) -> KnownToken:
        """Nothing that the user said of the token holds any more. Raises `InvalidInput`, `Conflict`."""
        mint = self.book.find(name, "token").mint
        self._must_not_be_pinned(mint, "is pinned, and stays")
        known = self.book.known(mint)
        assert known is not None
        if not await aside(self._db, token_rows.remove, mint):
            raise InvalidInput(
                f"{mint} was not added.", code="token_not_added", field="token", hint="See: oee tokens"
            )
        self.book.learn(replace(known, added=False, symbol=None, accepted=()))
        return known

    async def facts(self, mint: str) -> MintFacts:
        """What the chain says of it now. Raises `InvalidInput` where that is no token."""
        if self._network.mints is None:
            raise Conflict(
                f"The {self._network.name} network has its own tokens and takes no others.",
                code="tokens_are_fixed",
            )
        found = await self._read(self._network.mints, [mint]) if _ADDRESS.fullmatch(mint) else {}
        if mint not in found:
            raise InvalidInput(
                f"{mint[:50]!r} is the address of no token on the {self._network.name} network.",
                code="unknown_token",
                field="mint",
                hint="A mint is an address of 32 to 44 letters and digits. Search: oee tokens search TEXT",
            )
        return found[mint]

    async def all_facts(self) -> Mapping[str, MintFacts]:
        """Of all that is listed, by mint: as the chain says it now, or as it was when it was added. Other
        daemons may have added some."""
        if self._network.mints is not None:
            # Learnt here, where the book is changed: two threads would each forget what the other learns.
            self.book.learn(*map(_token_of, await aside(self._db, token_rows.every)))
        listed = [token.mint for token in self.book]
        known = {mint: found.facts for mint in listed if (found := self.book.known(mint)) is not None}
        if self._network.mints is None:
            return known
        try:
            return {**known, **await self._read(self._network.mints, listed)}
        except ChainUnavailable:
            return known

    async def _read(self, mints: Mints, asked: Sequence[str]) -> Mapping[str, MintFacts]:
        try:
            async with asyncio.timeout(READ_S):
                return await mints.read(list(asked), READ_S)
        except TimeoutError:
            raise ChainUnavailable(f"The chain did not say within {READ_S:g} s what a token is.") from None

    def _must_not_be_pinned(self, mint: str, what: str) -> None:
        if self.book.is_pinned(mint):
            raise Conflict(f"{self.book.by_mint(mint).symbol} ({mint}) {what}.", code="token_pinned")


def _facts_row(facts: MintFacts) -> dict[str, Any]:
    return {name: value for name, value in asdict(facts).items() if name not in ("mint", "decimals")}


def _token_of(row: Any) -> KnownToken:
    said = {**row.facts, "extensions": tuple(Extension(**one) for one in row.facts["extensions"])}
    facts = MintFacts(mint=row.mint, decimals=row.decimals, **said)
    return KnownToken(facts, row.added, row.symbol, tuple(row.accepted))

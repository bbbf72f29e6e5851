"""Mints as all endpoints tell them, in one call each, and what each mint says that it is called.

A plain token keeps its name in an account of Metaplex, a token of Token-2022 in its own mint. Anybody can
write any name there: it is shown, and never believed.
"""

from __future__ import annotations

import base64
import binascii
import struct
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from solders.pubkey import Pubkey

from oee_daemon.contract.storable import storable
from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.holdings import MintFacts
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer, Result
from oee_daemon.networks.solana.solana_endpoint_ages import EndpointAges
from oee_daemon.networks.solana.solana_endpoint_look import GENESIS, must_be_of
from oee_daemon.networks.solana.solana_mint_account import Mint, NoMint, read_mint
from oee_daemon.networks.solana.solana_unit_pricing import accounts_of

#: Tells the genesis hash of the chain; raises `ChainUnavailable` where nobody says it.
Genesis: TypeAlias = Callable[[], Awaitable[str]]
#: https://developers.metaplex.com/token-metadata
_METAPLEX = Pubkey.from_string("metaqbxxUerdq28cj1RbAWkYQm3ybzjb6a8bt518x1s")
#: What an account of Metaplex begins with that is a token's metadata (`Key::MetadataV1`).
_METADATA_KEY = 4
#: Seconds for which an endpoint stands still, or is behind others, until it has no say on what can change.
STALE_S = 60.0
#: Mints of one call, with their metadata: a call takes 100 accounts.
_MOST = 50


class MintReader:
    """Reads through `pool`, of the chain that `genesis` tells. `fastest_slot_s`: as of `SlotAge`."""

    def __init__(self, pool: Pool, *, genesis: Genesis, fastest_slot_s: float = 0.1) -> None:
        self._pool = pool
        self._genesis = genesis
        self._ages = EndpointAges(fastest_slot_s, STALE_S)

    async def read(self, mints: Sequence[str], deadline_s: float) -> Mapping[str, MintFacts]:
        found: dict[str, MintFacts] = {}
        asked = [mint for mint in mints if is_address(mint)]
        for at in range(0, len(asked), _MOST):
            found |= await self._read(asked[at : at + _MOST], deadline_s)
        return found

    async def _read(self, mints: list[str], deadline_s: float) -> dict[str, MintFacts]:
        genesis = await self._genesis()
        asked = [*mints, *(metadata_at(mint) for mint in mints)]
        options = {"encoding": "base64", "commitment": "confirmed"}
        calls: list[Call] = [GENESIS, ("getMultipleAccounts", [asked, options])]

        def read(results: list[Result]) -> dict[str, MintFacts]:
            must_be_of(genesis, results[0])
            rows = accounts_of(results[1], len(asked))
            found = {}
            for mint, row, named in zip(mints, rows, rows[len(mints) :], strict=False):
                parsed = mint_of(row)
                if parsed is not None:
                    found[mint] = facts_of(mint, parsed, named_by(named))
            return found

        asked_at = time.monotonic()
        heard = await self._pool.each(calls, deadline_s, urgent=False)
        told: dict[str, dict[str, MintFacts]] = {}
        silent = []
        for name, results in heard.items():
            try:
                told[name] = read(results)
            except NoAnswer as e:
                silent.append(f"{name}: {e.reason}")
        if not told:
            raise ChainUnavailable(f"No RPC endpoint answers ({'; '.join(silent)}).")
        slots = {name: slot for name in told if (slot := _slot(heard[name][1])) is not None}
        ages = self._ages.of(slots, asked_at)
        fresh = [one for name, one in told.items() if ages.get(name, 0.0) <= STALE_S]
        return _agree_on(fresh or list(told.values()), list(told.values()))


def _agree_on(
    fresh: Sequence[Mapping[str, MintFacts]], told: Sequence[Mapping[str, MintFacts]]
) -> dict[str, MintFacts]:
    """What those say that have heard of each mint, the `fresh` of them first. All amounts are counted by its
    decimals: where two of them tell others, nobody knows. Raises `ChainUnavailable`."""
    found: dict[str, MintFacts] = {}
    for kind_of, some in ((_risks_of, fresh), (_fixed_of, told)):
        for mint, facts in ((mint, facts) for one in some for mint, facts in one.items()):
            if kind_of(found.setdefault(mint, facts)) != kind_of(facts):
                raise ChainUnavailable(f"The RPC endpoints tell different things of {mint}. See: oee doctor")
    return found


def _fixed_of(facts: MintFacts) -> object:
    """What of it never changes."""
    return facts.decimals, facts.program


def _risks_of(facts: MintFacts) -> object:
    """What it may be refused for: it can be taken back, which an endpoint that stands still does not hear."""
    return {one.name for one in facts.extensions if one.risk}


def _slot(said: Result) -> int | None:
    """At which slot an endpoint tells it; none where it does not say so."""
    try:
        slot = said["context"]["slot"]
    except (KeyError, TypeError):
        return None
    return slot if type(slot) is int else None


def facts_of(mint: str, found: Mint, named: tuple[str | None, str | None] = (None, None)) -> MintFacts:
    """What every network says of a mint, of Solana's. `named`: name and symbol, where it has none itself."""
    symbol, name = found.symbol or named[1], found.name or named[0]
    return MintFacts(
        mint=mint,
        decimals=found.decimals,
        program=found.program,
        mint_authority=found.mint_authority,
        freeze_authority=found.freeze_authority,
        extensions=found.extensions,
        symbol=None if symbol is None else storable(symbol),
        name=None if name is None else storable(name),
    )


def mint_of(row: Any) -> Mint | None:
    """The mint of a row of `getMultipleAccounts`; none where it is none."""
    try:
        return None if row is None else read_mint(row["owner"], data_of(row))
    except NoMint:
        return None


def data_of(row: Any) -> bytes:
    """An account's bytes. Raises `NoAnswer`."""
    try:
        return base64.b64decode(row["data"][0], validate=True)
    except (KeyError, TypeError, IndexError, binascii.Error):
        raise NoAnswer("accounts of another shape") from None


def is_address(text: str) -> bool:
    try:
        Pubkey.from_string(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1024)
def metadata_at(mint: str) -> str:
    seeds = [b"metadata", bytes(_METAPLEX), bytes(Pubkey.from_string(mint))]
    return str(Pubkey.find_program_address(seeds, _METAPLEX)[0])


def named_by(row: Any) -> tuple[str | None, str | None]:
    """Name and symbol, behind the key, an authority and the mint: a length, and text that zeros fill up."""
    if row is None or row["owner"] != str(_METAPLEX):
        return None, None
    data = data_of(row)
    try:
        (length,) = struct.unpack_from("<I", data, 65)
        (size,) = struct.unpack_from("<I", data, 69 + length)
        texts = data[69 : 69 + length], data[73 + length : 73 + length + size]
        name, symbol = (text.decode().rstrip("\0").strip() for text in texts)
    except (struct.error, UnicodeDecodeError):
        return None, None
    return (name or None, symbol or None) if data[0] == _METADATA_KEY else (None, None)

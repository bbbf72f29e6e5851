"""By what an instruction opens a pool: its program and its first bytes, never a line of a log. Pure.

The same eight bytes belong to several programs (`initialize_pool`, `create_pool`), so that both count.
Anchor's are `sha256("global:" + name)[:8]`; Raydium's older program has a number of one byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from oee_daemon.networks.solana.solana_fill import Unreadable, keys_of
from oee_daemon.networks.solana.solana_programs import AMM_V4, CLMM, CPMM, CPMM_ON_DEVNET, DAMM_V2, DLMM

_RAYDIUM_CPMM = ("afaf6d1f0d989bed", "3f37fe4131b25979", "4399af27da102620", "14061774bfe2b047")
#: Programs, what people call them, and the first bytes by which they open a pool: `initialize` and its later
#: forms, `initialize2`, `create_pool`, `initialize_pool` and `initialize_lb_pair` with theirs, as
#: docs/networks.md, Bytes of others, compares them. One that is missing here costs its name in a sentence: a
#: pool is looked at before anything is bought.
_OPENS: Mapping[str, tuple[str, tuple[bytes, ...]]] = {
    program: (market, tuple(bytes.fromhex(tag) for tag in tags))
    for program, market, tags in (
        (CPMM, "Raydium CPMM", _RAYDIUM_CPMM),
        (CPMM_ON_DEVNET, "Raydium CPMM", _RAYDIUM_CPMM),
        (AMM_V4, "Raydium AMM v4", ("01",)),
        (CLMM, "Raydium CLMM", ("e992d18ecf6840bc", "2b44d4a7592fa401")),
        ("pAMMBay6oceH9fJKBRHGP5D4bD4sWpmSwMn52FMfXEA", "PumpSwap", ("e992d18ecf6840bc",)),
        (
            DAMM_V2,
            "Meteora DAMM v2",
            ("5fb40aac54aee828", "14a1f118bdddb402", "955248c5fdfc440f"),
        ),
        (
            DLMM,
            "Meteora DLMM",
            (
                "2d9aedd2dd0fa65c",
                "493b2478ed536cc6",
                "2e2729876fb7c840",
                "f349817e3313f16b",
                "6c66d555fb033515",
            ),
        ),
    )
}
_DIGITS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Opening:
    """A pool that was opened. `market`: what people call its program."""

    program: str
    market: str
    accounts: tuple[str, ...]


def openings(said: Mapping[str, Any]) -> list[Opening]:
    """Those in a transaction as `getTransaction` tells it in JSON, the inner instructions too; none of one
    that failed. Raises `Unreadable`."""
    try:
        meta, message = said["meta"], said["transaction"]["message"]
        if meta["err"] is not None:
            return []
        keys = keys_of(message, meta)
        return [found for step in _steps(message, meta) if (found := _opening(step, keys)) is not None]
    except (KeyError, TypeError, IndexError, ValueError):
        raise Unreadable("a transaction of another shape") from None


def _steps(message: Mapping[str, Any], meta: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from message["instructions"]
    for inner in meta.get("innerInstructions") or ():
        yield from inner["instructions"]


def _opening(step: Mapping[str, Any], keys: list[str]) -> Opening | None:
    program = keys[step["programIdIndex"]]
    market, tags = _OPENS.get(program, ("", ()))
    if not tags or not _decode_base58(step["data"]).startswith(tags):
        return None
    return Opening(program, market, tuple(keys[n] for n in step["accounts"]))


def _decode_base58(text: str) -> bytes:
    """Base 58. Raises `ValueError`."""
    number = 0
    for digit in text:
        number = number * 58 + _DIGITS.index(digit)
    ones = len(text) - len(text.lstrip("1"))
    return bytes(ones) + number.to_bytes((number.bit_length() + 7) // 8, "big")

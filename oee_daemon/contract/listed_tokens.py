"""The tokens that are listed: symbol, mint, decimals, and which of them are worth one US dollar.

The command line completes symbols by this list; a network decides what is traded.
"""

from __future__ import annotations

from typing import NamedTuple


class Listed(NamedTuple):
    """`decimals`: how many digits after the point one whole token has."""

    symbol: str
    mint: str
    decimals: int
    stable: bool = False


#: Strangers name other mints by the same symbols: each of these is one that its maker or a market names.
#: `drift`: https://github.com/drift-labs/protocol-v2 at 03010fd3, sdk/src/constants/spotMarkets.ts.
#: `raydium`: npm @raydium-io/raydium-sdk 1.3.0, token/mainnet.ts.
LISTED = (
    # https://spl.solana.com/token#wrapping-sol
    Listed("SOL", "So11111111111111111111111111111111111111112", 9),
    # https://developers.circle.com/stablecoins/usdc-contract-addresses
    Listed("USDC", "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", 6, stable=True),
    # drift; its maker's page names no mint: https://tether.to/en/supported-protocols
    Listed("USDT", "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB", 6, stable=True),
    # drift
    Listed("JUP", "JUPyiwrYJFskUPiHa7hkeR8VUtAeFoSYbKedZNsDvCN", 6),
    # https://www.helius.dev/docs/das/get-nfts
    Listed("BONK", "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263", 5),
    # raydium
    Listed("RAY", "4k3Dyjzvzp8eMZWUXbBCjEvwSkkk59S5iCNLY3QrkX6R", 6),
    # drift
    Listed("WIF", "EKpQGSJtjMFqKZ9KQanSqYXRcF8fBopzLHYxdM65zcjm", 6),
    # https://docs.pyth.network/pyth-token/pyth-token-addresses
    Listed("PYTH", "HZ1JovNiVvGrGNiiYvEozEVgZ58xaU3RKwX8eACQBCt3", 6),
    # drift
    Listed("JTO", "jtojtomepa8beP8AuQc6eXt5FriJwfFMwQx2v2f9mCL", 9),
    # drift
    Listed("mSOL", "mSoLzYCxHdYgdzU16g5QSh3i5K3z3KZK7ytfqcJm7So", 9),
    # drift
    Listed("JitoSOL", "J1toso1uCk3RLmjorhTtrVwY9HJ7X8V9yYac6Y7kGCPn", 9),
    # raydium
    Listed("ORCA", "orcaEKTdK7LKz57vaAYr9QeNsVEPfiu6QeMU1kektZE", 6),
    # https://github.com/MeteoraAg/docs, protocol/met/tokenomics.mdx
    Listed("MET", "METvsvVRapdj9cFLzq4Tr43xK4tAjQfwX76z3n6mWQL", 6),
)
#: Devnet's: its USDC is another token, which Circle gives away
#: (https://developers.circle.com/stablecoins/usdc-contract-addresses).
ON_DEVNET = (
    LISTED[0],
    Listed("USDC", "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU", 6, stable=True),
)
SYMBOLS = tuple(token.symbol for token in LISTED)
STABLE = tuple(token.symbol for token in LISTED if token.stable)

_STABLE_NAMES = {
    name.lower() for token in (*LISTED, *ON_DEVNET) if token.stable for name in (token.symbol, token.mint)
}


def is_stable(name: str) -> bool:
    """Whether a symbol or mint is the quote against anything that is not stable."""
    return name.lower() in _STABLE_NAMES

"""Programs by their addresses, and which of them a venue's swap may call itself. Nothing else may list one.

A list is short on purpose: a program on it could do to the wallet whatever it does on the chain and not in a
simulation. What such a program calls inside is not listed, but is simulated.
"""

from __future__ import annotations

from collections.abc import Mapping

SYSTEM = "11111111111111111111111111111111"
COMPUTE_BUDGET = "ComputeBudget111111111111111111111111111111"
#: SPL Token, and its successor. https://spl.solana.com
TOKEN = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"  # noqa: S105
TOKEN_2022 = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"  # noqa: S105
#: Makes the account in which a wallet holds a token, at an address that follows from both.
ASSOCIATED = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL"
MEMO = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"
LOOKUP_TABLE = "AddressLookupTab1e1111111111111111111111111"

#: https://docs.raydium.io, its program addresses.
CPMM = "CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C"
#: Its build for devnet: https://github.com/raydium-io/raydium-cp-swap, the feature `devnet` of its lib.rs.
CPMM_ON_DEVNET = "DRaycpLY18LhpbydsBWbVJtxpNv9oXPgjRSfpF2bWpYb"
CLMM = "CAMMCzo5YL8w4VFF8KVHrK22GGUsp5VTaW7grrKgrWqK"
AMM_V4 = "675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8"
RAYDIUM_ROUTER = "routeUGWgWzqBWFcrCfv8tritsqukccJPu3q5GPP3xS"
#: https://github.com/jup-ag/docs
JUPITER = "JUP6LkbZbjS1jKKwapdHNy74zcZ3tLUZoi5QNyVTaV4"
#: https://github.com/MeteoraAg/docs
DLMM = "LBUZKhRxPF3XUpBCjp4YzTKgLccjZhTSDM9YuVaPwxo"
DAMM_V2 = "cpamdpZCGKUy5JxQXB4dcpGPiikHawvSWAd6mEn1sGG"
#: https://github.com/orca-so/whirlpools
WHIRLPOOL = "whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc"
#: https://github.com/pump-fun/pump-public-docs: its curves, and its pools.
PUMP = "6EF8rrecthR5Dkzon8Nwu78hRvfCKubJ14M5uBEwF6P"
PUMP_SWAP = "pAMMBay6oceH9fJKBRHGP5D4bD4sWpmSwMn52FMfXEA"

#: What each venue's swap may call beside the wallet's own chores.
VENUE_PROGRAMS: Mapping[str, frozenset[str]] = {
    "raydium": frozenset({AMM_V4, CPMM, CLMM, RAYDIUM_ROUTER}),
    "cpmm": frozenset({CPMM}),
    "meteora": frozenset({JUPITER}),
    "orca": frozenset({JUPITER}),
    "jupiter": frozenset({JUPITER}),
}
#: The same on devnet, where no other venue is.
ON_DEVNET: Mapping[str, frozenset[str]] = {"cpmm": frozenset({CPMM_ON_DEVNET})}

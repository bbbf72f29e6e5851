"""An order names its tokens by their mints: a symbol is not unique on a real network.

The symbols of the first release become the mints that it meant; any other text is left as it is. A table of a
million orders is written anew here, locked: 10 s of one core, 40 s on a busy machine.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"

MINTS = {
    "SOL": "So11111111111111111111111111111111111111112",
    "USDC": "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
    "USDT": "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB",
    "JUP": "JUPyiwrYJFskUPiHa7hkeR8VUtAeFoSYbKedZNsDvCN",
    "BONK": "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263",
    "RAY": "4k3Dyjzvzp8eMZWUXbBCjEvwSkkk59S5iCNLY3QrkX6R",
    "WIF": "EKpQGSJtjMFqKZ9KQanSqYXRcF8fBopzLHYxdM65zcjm",
    "PYTH": "HZ1JovNiVvGrGNiiYvEozEVgZ58xaU3RKwX8eACQBCt3",
    "JTO": "jtojtomepa8beP8AuQc6eXt5FriJwfFMwQx2v2f9mCL",
    "mSOL": "mSoLzYCxHdYgdzU16g5QSh3i5K3z3KZK7ytfqcJm7So",
    "JitoSOL": "J1toso1uCk3RLmjorhTtrVwY9HJ7X8V9yYac6Y7kGCPn",
    "ORCA": "orcaEKTdK7LKz57vaAYr9QeNsVEPfiu6QeMU1kektZE",
    "MET": "METvsvVRapdj9cFLzq4Tr43xK4tAjQfwX76z3n6mWQL",
}


def _mint(text: str) -> str:
    whens = " ".join(f"WHEN '{symbol}' THEN '{mint}'" for symbol, mint in MINTS.items())
    return f"CASE {text} {whens} ELSE {text} END"


def upgrade() -> None:
    base, quote = (_mint(f"split_part(pair, '/', {n})") for n in (1, 2))
    op.execute(f"""
        ALTER TABLE orders
            ALTER COLUMN input_token TYPE TEXT USING {_mint("input_token")},
            ALTER COLUMN output_token TYPE TEXT USING {_mint("output_token")},
            ALTER COLUMN pair TYPE TEXT USING {base} || '/' || {quote}""")
    op.execute("ALTER TABLE orders RENAME COLUMN input_token TO input_mint")
    op.execute("ALTER TABLE orders RENAME COLUMN output_token TO output_mint")

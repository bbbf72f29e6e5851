"""What a new token is checked for before it is bought, by the names by which a person takes the risk."""

from __future__ import annotations

#: Each name, and what it is that is taken, in half a line.
RISKS = {
    "mint": "somebody can make more of it",
    "freeze": "somebody can freeze it in your wallet",
    "copycat": "it is called like a known token, or nearly",
    "delegate": "somebody can take it out of every wallet",
    "hook": "a program decides whether it can be sent",
    "frozen": "what you receive is frozen until somebody thaws it",
    "paused": "somebody can stop all transfers",
    "close": "somebody can close the mint",
    "fee": "more than 1 % of every transfer is kept, or somebody can set that",
    "thin": "the pool holds less than asked for, or is being emptied",
    "impact": "your own order moves the price by more than 10 %",
    "sellback": "it can't be sold back at about what it cost",
    "lp": "the pool's liquidity can be taken out at any moment",
    "holders": "ten wallets hold more than half of it",
}

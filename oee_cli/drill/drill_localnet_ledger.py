"""What really happened on localnet, by its ledger's file: read by SQL, and reckoned here.

It shares no code with the engine and none with localnet. What a swap moved is what the pools got and gave:
the token accounts of everybody but the payer, so that no rent, fee or wrapping enters the sum.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oee_cli.drill.drill_ledger import read_ledger
from oee_cli.drill.drill_verdict import Landing

#: Every landing that succeeded, of wallets that traded.
_LANDED = """
SELECT signature, payer, memo, meta FROM landings WHERE err IS NULL AND payer IN
    (SELECT payer FROM landings WHERE memo LIKE 'oee1 %') ORDER BY n"""
#: Landings that are still to come.
_DUE = "SELECT count(*) FROM fates WHERE height IS NOT NULL"


def localnet_landings(ledger: Path) -> list[Landing]:
    """Each good landing of a wallet that traded; the order's id is empty where its memo names none."""
    return [_landing(*row) for row in read_ledger(ledger, _LANDED)]


def are_due(ledger: Path) -> bool:
    """Whether something is still to land by itself."""
    return bool(read_ledger(ledger, _DUE)[0][0])


def _landing(signature: str, payer: str, memo: str | None, meta: bytes) -> Landing:
    got = _sum_moves(json.loads(zlib.decompress(meta)), payer)
    paid = [units for units in got.values() if units > 0]
    taken = [-units for units in got.values() if units < 0]
    # Two pools on the way: what one gave the other got, and the sum of that token is nothing.
    one_of_each = len(paid) == len(taken) == 1
    return Landing(signature, _order_of(memo), *((paid[0], taken[0]) if one_of_each else (0, 0)))


def _sum_moves(meta: Mapping[str, Any], payer: str) -> dict[str, int]:
    """By mint, base units that others than the payer hold more since then."""
    sums: Counter[str] = Counter()
    for side, sign in (("preTokenBalances", -1), ("postTokenBalances", 1)):
        for held in meta[side]:
            if held["owner"] != payer:
                sums[held["mint"]] += sign * int(held["uiTokenAmount"]["amount"])
    return {mint: units for mint, units in sums.items() if units}


def _order_of(memo: str | None) -> str:
    """32 hexadecimal digits."""
    try:
        return base64.urlsafe_b64decode((memo or "").split(" ")[1] + "==").hex()
    except (IndexError, binascii.Error):
        return ""

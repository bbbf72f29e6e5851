"""The one instruction of the simulated network's program: what it says, and in which bytes.

The venues write it, the guard compares it, the chain reads it from the signed bytes and knows nothing else of
a swap. Its names are those of the first release, whose stored bytes may still have to land.
"""

from __future__ import annotations

import json
from typing import Any

from solders.pubkey import Pubkey

from oee_daemon.networks.venue import Plan

#: The program that a simulated swap calls; an address that no real program has.
PROGRAM = Pubkey.from_bytes(b"oee simulated network swap progr")


def instruction_of(plan: Plan) -> bytes:
    """Keys in a fixed order: the same plan on the same anchor gives the same bytes, hence signature."""
    return json.dumps(
        {
            "order": str(plan.order_id),
            "number": plan.request.number,
            "attempt": plan.request.attempt,
            "venue": plan.quote.venue,
            "mode": plan.request.mode,
            "input": plan.request.input_token.mint,
            "output": plan.request.output_token.mint,
            "amountIn": str(plan.quote.amount_in),
            "amountOut": str(plan.quote.amount_out),
            "fee": "" if plan.quote.fee is None else str(plan.quote.fee),
            "limit": str(plan.bound),
        },
        separators=(",", ":"),
    ).encode()


def read_instruction(data: bytes) -> dict[str, Any]:
    """What `instruction_of` wrote. Raises `ValueError` or `KeyError`."""
    content: dict[str, Any] = json.loads(data)
    int(content["number"])
    return content

"""What an order that was not filled took out of the wallet: nothing, or what a refused swap costs."""

from __future__ import annotations

from oee_daemon.contract.real_money import UNLABELLED
from oee_daemon.contract.shapes import Order


def left_wallet(order: Order) -> str:
    """A sentence. A swap that the chain refused moved nothing and cost the network's fee; which were refused
    is known of an order that comes with its swaps."""
    refused = sum(swap["state"] == "rejected" for swap in order.get("swaps", ()))
    # The simulated chain takes no fee, and a first attempt that was never signed left nothing to refuse.
    first = order["attempt"] == 1 and order.get("firings", 0) <= 1
    unsent = "swaps" in order or (first and order["signature"] is None)
    if order["network"] == UNLABELLED or (unsent and not refused):
        return "Nothing left the wallet."
    if not unsent:
        return "Nothing left the wallet but network fees, if a swap of it was refused: oee show tells."
    fees = "fee of one swap" if refused == 1 else f"fees of {refused} swaps"
    return f"Nothing left the wallet but the network's {fees} that the chain refused."

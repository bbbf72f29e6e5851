"""When an order's events happened, as `GET /api/orders/{id}` tells it."""

from __future__ import annotations

from datetime import datetime

from benchmarks.load import Client

#: What an order ends as.
FINAL = ("confirmed", "failed", "cancelled", "expired")


def times(client: Client, order_id: str) -> dict[str, datetime]:
    """The first moment of each status; `end` is that of the final one."""
    found: dict[str, datetime] = {}
    for event in client.get(f"/api/orders/{order_id}")["events"]:
        at = datetime.fromisoformat(event["at"])
        found.setdefault(event["status"], at)
        if event["status"] in FINAL:
            found["end"] = at
    return found


def between(moments: dict[str, datetime], status: str) -> float:
    """Milliseconds from event 1 to the first event with that status."""
    if status not in moments:
        raise RuntimeError(f"an order has no event {status!r} yet, only {sorted(moments)}")
    return (moments[status] - moments["pending"]).total_seconds() * 1000

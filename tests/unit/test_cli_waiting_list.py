"""All that waits is listed, however many the daemon's sorted page left out."""

from __future__ import annotations

from typing import Any, cast

from oee_cli.api.client_http import Client
from oee_cli.waiting.waiting_list import _nearest
from oee_daemon.contract.protocol import MAX_PAGE

ORDERS = [{"orderId": str(n), "market": {"awayBps": n}} for n in range(2 * MAX_PAGE + 500)]


class Stand:
    """A daemon whose nearest order fires between the two statements of a sorted page."""

    def get(self, _path: str, params: dict[str, Any]) -> dict[str, Any]:
        if "sort" in params:
            return {"orders": ORDERS[1 : params["limit"]]}
        begin = int(params.get("cursor", 1))
        end = begin + params["limit"]
        return {"orders": ORDERS[begin:end], "nextCursor": str(end) if end < len(ORDERS) else None}


def test_an_order_that_fires_meanwhile_hides_no_other() -> None:
    for limit, found in (
        (None, len(ORDERS) - 1),
        (9999, len(ORDERS) - 1),
        (MAX_PAGE + 9, MAX_PAGE + 9),
        (MAX_PAGE, MAX_PAGE - 1),
        (3, 2),
    ):
        assert [o["orderId"] for o in _nearest(cast(Client, Stand()), {}, limit)] == [
            o["orderId"] for o in ORDERS[1 : found + 1]
        ]

"""One line for each event of any order, as `oee watch` without an id prints them.

Remembers what each running order is, asks once for one it has not seen, and forgets it when it ends.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, cast

from oee_cli.api.client_http import Client
from oee_cli.cli_errors import CliError, ConnectionLost
from oee_cli.output import Output, clean
from oee_cli.text.order_text import event_detail, order_header
from oee_cli.text.time_text import clock_text
from oee_daemon.contract.shapes import Event
from oee_daemon.contract.status import FINAL

#: Orders remembered at once; more than ever run at once.
_KNOWN = 2000


class EventFormatter:
    """Formats events as lines, each with what its order is."""

    def __init__(self, client: Client, output: Output) -> None:
        self.client = client
        self.output = output
        self.names: OrderedDict[str, str] = OrderedDict()

    def line(self, message: dict[str, Any]) -> str:
        """`10:02:03.123  0c2f0b8e  buy 1.5 SOL  submitted  5xKq…9f2Z`."""
        event = cast(Event, message)
        name = self._describe_order(event["orderId"])
        if event["status"] in FINAL:
            self.names.pop(event["orderId"], None)
        told = [
            clock_text(event["at"]),
            event["orderId"][:8],
            f"{clean(event['status']):<9}",
            name,
            event_detail(event),
        ]
        return "  ".join(part for part in told if part).rstrip()

    def _describe_order(self, order_id: str) -> str:
        if order_id not in self.names:
            try:
                self.names[order_id] = order_header(self.client.order(order_id), bound=False, slippage=False)
            except (CliError, ConnectionLost):
                return ""
            if len(self.names) > _KNOWN:
                self.names.popitem(last=False)
        return self.names[order_id]

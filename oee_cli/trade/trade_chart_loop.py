"""`oee chart`: follows a pair's price and draws it with each news until a key ends it.

The stream has a thread of its own, which looks after the pair's orders in between, so that keys and resizing
never wait for an answer. What is drawn, `trade_chart` knows.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from oee_cli.api.client_http import Client, session
from oee_cli.cli_errors import CliError, ConnectionLost, UsageFault
from oee_cli.full_screen import FullScreen, is_full_terminal
from oee_cli.output import Output
from oee_cli.trade.trade_chart import Picture, chart_frame
from oee_cli.trade.trade_quote_watch import watch_price

#: The most prices that are kept, of any length of time: then every second one goes.
_MOST = 400
#: The most levels that are asked for, those nearest to the price, and the most fills that are kept.
_LEVELS, _FILLS = 40, 200
#: Seconds between two looks at the orders, and for an answer.
_ORDERS, _ANSWER_S = 1.0, 5.0
#: The longest pause between two frames, seconds: the age of the last news goes on.
_FRAME = 1.0


def show_chart(base: str, token: str, output: Output) -> None:
    """Draws the pair until q; with `--json` the same objects as `oee quote --watch --json`."""
    if output.json:
        watch_price(base, token, None, output)
        return
    if not is_full_terminal():
        raise UsageFault(
            "oee chart fills a terminal, and there is none.",
            hint=f"As text: oee quote {base} {token} --watch\nAs JSON: oee chart {base} {token} --json",
            code="no_terminal",
        )
    from oee_cli.api.client_event_stream import pair_prices

    with session(output) as client:
        prices = pair_prices(client, f"{base}/{token}")
        # Before the screen is taken: what is refused, is told as anywhere.
        first = next(seen for seen in prices if seen is not None)
        _follow(client, prices, first, output)


class _Follower(threading.Thread):
    """Follows the prices, and looks at the orders of the pair. Wakes `screen` for each news."""

    def __init__(
        self,
        client: Client,
        prices: Iterator[dict[str, Any] | None],
        first: dict[str, Any],
        screen: FullScreen,
    ) -> None:
        super().__init__(daemon=True)
        self._client, self._prices, self._screen = client, prices, screen
        self.picture = Picture(newest=first, prices=[first] if first["bid"] else [])
        self.heard = time.monotonic()
        #: What ends the command.
        self.fault: BaseException | None = None

    def run(self) -> None:
        try:
            due = 0.0
            for seen in self._prices:
                if seen is not None:
                    self._note(seen)
                if time.monotonic() >= due:
                    self._look_at_orders()
                    due = time.monotonic() + _ORDERS
                elif seen is None:
                    continue
                self._screen.wake()
        except BaseException as e:
            self.fault = e
            self._screen.wake()

    def _note(self, seen: dict[str, Any]) -> None:
        self.heard = time.monotonic()
        kept = [*self.picture.prices, seen] if seen["bid"] else self.picture.prices
        # The first stays, and the newest.
        kept = [kept[0], *kept[1::2]] if len(kept) >= _MOST else kept
        self.picture = replace(self.picture, newest=seen, prices=kept)

    def _look_at_orders(self) -> None:
        pair = self.picture.newest["pair"]
        asked = {"pair": pair, "status": "waiting", "sort": "away", "limit": _LEVELS}
        try:
            waiting = self._client.ask("GET", "/api/orders", params=asked, timeout=_ANSWER_S)["orders"]
            ended = self._client.ask("GET", "/api/engine", timeout=_ANSWER_S)["ended"]
        except ConnectionLost:
            # The stream brings the daemon back.
            self._client.close()
            return
        except CliError as e:
            if not e.retryable:
                raise
            return
        filled = {order["orderId"]: order for order in self.picture.filled}
        filled |= {o["orderId"]: o for o in ended if o["pair"] == pair and o["status"] == "confirmed"}
        newest = sorted(filled.values(), key=lambda order: order["finishedAt"])[-_FILLS:]
        self.picture = replace(self.picture, waiting=waiting, filled=newest)


def _follow(
    client: Client, prices: Iterator[dict[str, Any] | None], first: dict[str, Any], output: Output
) -> None:
    with FullScreen() as screen:
        follower = _Follower(client, prices, first, screen)
        follower.start()
        while follower.fault is None:
            columns, rows = screen.size
            picture = replace(follower.picture, silent_s=time.monotonic() - follower.heard)
            lines = chart_frame(output, picture, output.room(columns), rows)
            screen.draw([output.named(line, sys.stdout) for line in lines])
            if "q" in screen.keys(_FRAME).lower():
                return
        raise follower.fault

"""Following one order to its end, or to the end of the wait, and saying how it stands then.

Who draws is a `Screen`; this page decides when to look, when to stop, and with which exit code. Leaving a
follow never touches the order.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol, cast

from oee_cli.api.client_http import Client
from oee_cli.api.client_order_lookup import without_story
from oee_cli.cli_errors import CliError, ConnectionLost, OutcomeUnknown, Terminated
from oee_cli.exit_codes import ExitCode, exit_code_of
from oee_cli.output import Output, clean_lines, paint
from oee_cli.text.order_text import ending_text, event_line, overdue_text, short_id
from oee_cli.text.still_text import still_text
from oee_daemon.contract.shapes import Event, Order
from oee_daemon.contract.status import FINAL


class Screen(Protocol):
    """Shows one order while it runs. `order` may be replaced by a newer state of it."""

    order: Order

    def event(self, event: Event) -> None: ...
    def tick(self) -> None: ...
    def close(self, order: Order | None) -> None: ...


#: Seconds without news after which a plain line says how it stands; then twice as many, up to the last.
_STILL_S, _STILL_MOST_S = 10.0, 600.0


class PlainScreen:
    """One plain line a status on stderr, and one now and then where nothing new comes; none with `--quiet`.

    `told`: what it waits for was said before. `ask_order`: the order as it is now, `None` where nobody can
    say.
    """

    def __init__(
        self,
        output: Output,
        order: Order,
        ask_order: Callable[[], Order | None] = lambda: None,
        *,
        told: bool = False,
    ) -> None:
        self.output = output
        self.order = order
        self._ask_order = ask_order
        self._told = told
        self._last: Event | None = None
        self._last_at = time.monotonic()
        self._still_in = _STILL_S

    def event(self, event: Event) -> None:
        self._last, self._last_at, self._still_in = event, time.monotonic(), _STILL_S
        terms = event["seq"] > 1 or not self._told
        self.output.note(event_line(event, self.order["createdAt"], detailed=terms))

    def tick(self) -> None:
        """Says once that nobody begins it, and now and then that nothing is new, and why."""
        silent = time.monotonic() - self._last_at
        if self._last is not None and (said := overdue_text(self._last, silent)):
            self.output.note(f"{short_id(self.order)}  {said}")
            self._last = None
        if silent >= self._still_in and not self.output.quiet:
            self._still_in = silent + min(silent, _STILL_MOST_S)
            self.output.note(still_text(self._ask_order(), short_id(self.order), silent))

    def close(self, order: Order | None) -> None:
        pass


class EventScreen(PlainScreen):
    """Every event as a line of JSON on stdout, and the plain lines where stdout is not what is read."""

    def event(self, event: Event) -> None:
        self.output.emit(event)
        if not sys.stdout.isatty():
            super().event(event)


def _choose_screen(
    client: Client, output: Output, order: Order, events: bool, note: str | None, told: bool
) -> Screen:
    """The screen that these streams and options call for."""
    ask_order = partial(_find_out, client, order["orderId"])
    if events:
        return EventScreen(output, order, ask_order, told=told)
    if output.live:
        from oee_cli.text.live_order_text import LiveScreen

        return LiveScreen(output, order, note, client.max_attempts, partial(_fetch_newer, client))
    return PlainScreen(output, order, ask_order, told=told)


def follow_order(client: Client, screen: Screen, *, deadline: float | None, refresh: bool) -> Order:
    """Shows an order's events until its final one or the deadline; the order as it was last seen."""
    from oee_cli.api.client_event_stream import order_events

    order = screen.order
    for event in order_events(client, order["orderId"]):
        if event is None:
            screen.tick()
        else:
            order = apply_event(order, event)
            if refresh and event["status"] in ("waiting", "building"):
                # The first choice has fixed the worst price, or it was edited: the header can say it.
                order = apply_event(_fetch_newer(client, order), event)
            screen.order = order
            screen.event(event)
        if deadline is not None and time.monotonic() >= deadline and _goes_on(order):
            break
    return order


def apply_event(order: Order, event: Event) -> Order:
    """`order` with the status, attempt and time of `event` applied."""
    news = {"status": event["status"], "attempt": event["attempt"], "updatedAt": event["at"]}
    for name in ("venue", "signature", "error"):
        if name in event["data"]:
            news[name] = event["data"][name]
    return cast(Order, {**order, **news})


def watch_to_end(
    client: Client,
    output: Output,
    order: Order,
    *,
    timeout: float | None,
    began: float,
    events: bool,
    note: str | None = None,
    final_object: bool = True,
    told: bool = False,
) -> ExitCode:
    """Follows to the end and says how it ended. Interrupted, says how to watch again. `note`: what is to be
    read below a live view. `told`: what it waits for was said."""
    deadline = None if timeout is None else began + timeout
    client.patience.until = deadline
    screen = _choose_screen(client, output, order, events, note, told)
    try:
        try:
            order = follow_order(client, screen, deadline=deadline, refresh=output.live)
            # Where the daemon does not answer, workers go on: how it stood when last seen says nothing.
            order = client.order(order["orderId"]) if _goes_on(order) else _fetch_newer(client, order)
        except (CliError, ConnectionLost) as e:
            screen.close(None)
            return _report_lost_sight(output, screen.order, e, final_object)
        screen.close(order)
    except (KeyboardInterrupt, Terminated):
        screen.close(None)
        order = screen.order
        if final_object and output.json:
            output.emit(without_story(order))
        if _goes_on(order):
            output.warn(f"stopped watching; the order goes on.\n  watch again: oee watch {short_id(order)}")
        raise
    except BaseException:
        screen.close(None)
        raise
    return _conclude_order(output, order, timeout, events, final_object)


def _conclude_order(
    output: Output, order: Order, waited: float | None, events: bool, final_object: bool
) -> ExitCode:
    """Prints an order's end, or where it stands, and returns the exit code that it means."""
    code = exit_code_of(order)
    if output.json and final_object:
        output.emit(without_story(order))
    last = ending_text(order, waited=waited, room=output.width(sys.stdout))
    if code is not ExitCode.DONE:
        output.sentence(last.mark, clean_lines(last.text), last.hint)
    elif output.json or events:
        output.note(f"{last.mark} {last.text}")
    else:
        output.say(f"{paint(last.mark, 'green', colors=output.color(sys.stdout))} {last.text}")
    return code


def _goes_on(order: Order) -> bool:
    return order["status"] not in FINAL


def _fetch_newer(client: Client, order: Order) -> Order:
    """The order as the daemon has it; as it was, where the daemon can't be asked now."""
    return _find_out(client, order["orderId"]) or order


def _find_out(client: Client, order_id: str) -> Order | None:
    """The order as the daemon has it; `None` where the daemon can't be asked now."""
    try:
        return client.order(order_id)
    except (CliError, ConnectionLost):
        return None


def _report_lost_sight(
    output: Output, order: Order, e: CliError | ConnectionLost, final_object: bool
) -> ExitCode:
    """The daemon went away for good while an order of ours was on its way."""
    why = e.message if isinstance(e, CliError) else str(e)
    if output.json and final_object:
        output.emit(without_story(order))
    error = OutcomeUnknown(
        f"Not known how the order ended: {why}", hint=f"When the daemon is back: oee watch {short_id(order)}"
    )
    output.sentence("✗", clean_lines(error.message), error.hint)
    return ExitCode.UNKNOWN

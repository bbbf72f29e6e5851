"""What a log says now and then of an order of which nothing new is heard: how it stands, and why."""

from __future__ import annotations

from oee_cli.output import clean
from oee_cli.text.condition_text import market_words
from oee_cli.text.time_text import span_text
from oee_daemon.contract.shapes import Order

_WHY = {
    "pending": "no worker takes it up; why: oee doctor",
    "routing": "the venues are asked",
    "building": "its swap is built and signed",
    "submitted": "the chain has not answered and is asked again; is it away: oee doctor",
}
_AWAY = "the daemon does not answer and is asked again; why: oee daemon status"


def still_text(order: Order | None, name: str, seconds: float) -> str:
    """`0c2f0b8e  submitted   10 s  the chain has not answered …`, laid out as the line of an event.

    `order`: as the daemon has it now, `None` where it can't be asked. `seconds`: since something was heard.
    """
    if order is None:
        return f"{name}  {'?':<9}  {span_text(seconds):>7}  {_AWAY}"
    status = clean(order["status"])
    why = (market_words(order) or "no fresh price") if status == "waiting" else _WHY.get(status, "")
    return f"{name}  {status:<9}  {span_text(seconds):>7}  {why}".rstrip()

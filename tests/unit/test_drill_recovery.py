"""How long a drill says that the engine was away."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from oee_cli.drill.drill_progress import DrillProgress
from oee_cli.drill.drill_run import Drill


def _order(*events: tuple[float, str]) -> dict[str, Any]:
    return {"events": [{"at": datetime.fromtimestamp(at, UTC).isoformat(), "status": s} for at, s in events]}


def _recoveries(moment: float, *orders: dict[str, Any]) -> list[float]:
    drill = Drill(DrillProgress(orders=1, faults=0, seed=1, workers=1, network="simulated", waiting=0))
    try:
        drill.progress.moments.append(moment)
        return drill.recoveries(list(orders))
    finally:
        drill.remove()


def test_an_outage_lasts_until_the_next_order_moves() -> None:
    held = _order((10, "pending"), (14, "submitted"), (15, "confirmed"))
    assert _recoveries(11, held, _order((16, "pending"), (17, "submitted"))) == [3]


def test_an_outage_that_met_orders_that_waited_alone_tells_nothing() -> None:
    ended = _order((1, "pending"), (2, "submitted"), (3, "confirmed"))
    waits = _order((10, "waiting"), (40, "pending"), (41, "submitted"))
    assert _recoveries(11, ended, waits) == []
    assert _recoveries(40.5, ended, waits) == [0.5]

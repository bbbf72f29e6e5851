"""What a drill notes of those who watch prices while it runs, and the judging by it afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from oee_cli.drill.drill_asked import Asked
from oee_cli.drill.drill_ledger import read_ledger
from oee_cli.drill.drill_market import Market
from oee_cli.drill.drill_orders import Placed
from oee_cli.drill.drill_processes import Crew
from oee_cli.drill.drill_verdict import Verdict
from oee_cli.drill.drill_watch_faults import WatchFaults
from oee_cli.drill.drill_watch_verdict import Judge, Seen

_LEADS = """SELECT extract(epoch FROM clock_timestamp()) * 1000, fence,
    EXISTS (SELECT FROM workers WHERE seen_at > clock_timestamp() - interval '2 s') FROM watch"""
#: Milliseconds between two looks that find a worker at work, past which none was for a while; and until a
#: worker that is back leads the watch.
_NOBODY_MS, _LEADS_MS = 2500, 6000


class Watch:
    """`ledger`: the file of the simulated chain, on whose clock the prices of that seed move."""

    def __init__(self, ledger: Path, seed: int, volatility: int, crew: Crew) -> None:
        self._ledger = ledger
        self._crew = crew
        self._market = Market(seed, volatility)
        self.faults = WatchFaults(ledger)
        self._fences: list[tuple[float, int]] = []
        #: When some worker was at work.
        self._worked: list[float] = []

    def look(self) -> None:
        """Notes who leads now, where Postgres answers."""
        for at_ms, fence, works in self._crew.ask(_LEADS):
            self._fences.append((float(at_ms), int(fence)))
            self._worked += [float(at_ms)] if works else []

    def judge(
        self,
        verdict: Verdict,
        orders: Sequence[Mapping[str, Any]],
        placed: Mapping[str, Placed],
        asked: Asked,
        away: Sequence[tuple[float, float]],
    ) -> Counter[str]:
        """`away`: when parts of the engine were gone or frozen. What was looked at, by name."""
        self.faults.end_all()
        ((self._market.genesis_ms,),) = read_ledger(self._ledger, "SELECT genesis_ms FROM sim_chain")
        self._market.begun = dict(read_ledger(self._ledger, "SELECT pair, begun_height FROM sim_paths"))
        self._market.shifts = self.faults.shifts()
        nobody = [(a, b + _LEADS_MS) for a, b in pairwise(self._worked) if b - a > _NOBODY_MS]
        halted = [(a, b + _LEADS_MS) for a, b in asked.still]
        hidden = [*away, *nobody, *self.faults.hidden(), *halted]
        seen = Seen(placed, hidden, self.faults.blind(), away, self._fences, asked)
        return Judge(self._market, seen, verdict).judge(orders)

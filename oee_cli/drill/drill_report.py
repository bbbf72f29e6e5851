"""What `oee drill` shows while it runs and when it is over."""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter
from typing import Any

from oee_cli.drill.drill_progress import DrillProgress
from oee_cli.drill.drill_run import Drill
from oee_cli.drill.drill_verdict import KINDS, Verdict
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output

#: Seconds between two lines where nothing can be redrawn.
_LINE_EVERY = 5.0
#: How many of the findings are shown; `--json` has them all.
_SHOWN = 10


def run_drill(drill: Drill, keep: bool, output: Output) -> ExitCode:
    """Runs the drill. `DONE` only where nothing was lost, doubled, out of order or worse than promised."""
    p = drill.progress
    with_workers = f" --workers {p.workers}" if p.workers > 1 else ""
    on = f" --network {p.network}" if p.network != "simulated" else ""
    on += f" --waiting {p.waiting}" if p.waiting else ""
    again = f"oee drill{on} --orders {p.orders} --faults {p.faults}{with_workers} --seed {p.seed}"
    said = f"drill  {p.network}, {p.orders:,} orders, {p.faults} faults, seed {p.seed} · again: {again}"
    output.note(output.folded(said, sys.stderr))
    kept = False
    try:
        said_at = 0.0
        for progress in drill.run():
            if output.erasable:
                output.draw(_drill_line(progress, output.width(sys.stderr)))
            elif time.monotonic() - said_at > _LINE_EVERY:
                said_at = time.monotonic()
                output.note(_drill_line(progress, 400))
        if output.erasable:
            output.draw("judging by the chain's ledger")
        found, rows = drill.judge()
        if output.erasable:
            output.draw("")
        kept = found.kept
        _report_drill(drill, found, rows, output)
    finally:
        drill.stop()
        if kept and not keep:
            drill.remove()
        else:
            output.warn(f"The drill's home is kept: {drill.home}")
    return ExitCode.DONE if kept else ExitCode.FAULT


def _drill_line(p: DrillProgress, width: int) -> str:
    width -= 1
    cells = 24 if width >= 100 else 12
    full = cells * p.ended // max(1, p.orders)
    text = (
        f"  {'━' * full}{'·' * (cells - full)}  {p.ended:,} ended  {p.live} running"
        f"  {p.orders - len(p.accepted):,} to come  {sum(p.struck.values())} of {p.faults} faults"
        f"  {time.monotonic() - p.begun:.0f} s"
    )
    return text[:width]


def _report_drill(drill: Drill, found: Verdict, rows: list[dict[str, Any]], output: Output) -> None:
    p = drill.progress
    ends = Counter(str(row["status"]) for row in rows)
    back = drill.recoveries(rows)
    median, worst = (statistics.median(back), back[-1]) if back else (0.0, 0.0)
    seconds, longest = time.monotonic() - p.begun, drill.longest(rows)
    if output.json:
        output.emit(
            {
                "network": p.network,
                "orders": p.orders,
                "faults": sum(p.struck.values()),
                "seed": p.seed,
                "workers": p.workers,
                "kept": found.kept,
                "ends": dict(ends),
                "struck": dict(p.struck),
                **{kind: getattr(found, kind) for kind in KINDS},
                "waiting": p.waiting,
                "watched": dict(sorted(p.watched.items())),
                "recoveryMs": {"median": round(median * 1000), "worst": round(worst * 1000)},
                "longestOrderMs": round(longest * 1000),
                "durationMs": round(seconds * 1000),
            }
        )
        return
    kinds = " · ".join(f"{name} {count}" for name, count in sorted(p.struck.items()))
    output.say(f"  faults  {kinds or 'none'}")
    output.say(
        f"  lost {len(found.lost)}   doubled {len(found.doubled)}   gaps {len(found.gaps)}"
        f"   worse than promised {len(found.wrong)}"
    )
    output.say(f"  back in {median:.1f} s (median), {worst:.1f} s (worst)   longest order {longest:.1f} s")
    if p.waiting:
        watched = ", ".join(f"{name} {count:,}" for name, count in sorted(p.watched.items()))
        output.say(
            f"  fired without a reason {len(found.unfounded)}   missed {len(found.missed)}   ({watched})"
        )
    for kind in KINDS:
        for text in getattr(found, kind)[:_SHOWN]:
            output.say(f"    {kind}: {text}")
    counts = ", ".join(f"{count:,} {status}" for status, count in ends.most_common())
    if found.kept:
        told = f"✓ {len(rows):,} orders ended in {seconds:.0f} s: {counts}."
        told += " The chain's ledger agrees with every one of them."
    else:
        told = f"✗ The promise was broken: {counts}. Please report it with the drill's home."
    output.say(output.folded(told, sys.stdout))

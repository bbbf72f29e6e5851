"""`oee shadow`: runs the engine's reading process, and shows what it tells, line by line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from oee_cli.cli_errors import Unreachable, UsageFault
from oee_cli.exit_codes import ExitCode
from oee_cli.network_badge import badge
from oee_cli.output import Output
from oee_cli.search_path import engine_flags
from oee_cli.settings.settings_load import load_settings
from oee_cli.text.amount_text import counted
from oee_cli.text.time_text import read_duration

#: The engine's part, a process without a wallet.
_MODULE = "oee_daemon.networks.solana.shadow"
#: Seconds: thirty days.
_LONGEST_S = 30 * 86_400


def run_shadow(network: str, span: str, output: Output) -> ExitCode:
    """`FAULT` where the table concluded what a block contradicts. Raises `Unreachable`, `UsageFault`."""
    seconds = read_duration(span, "--for")
    if not 0 < seconds <= _LONGEST_S:
        raise UsageFault("--for takes a time up to 30d.", hint="For example --for 6h")
    # What is wrong with a setting is said as for every command.
    load_settings()
    badge.wear(network)
    seen: dict[str, Any] = {}
    interrupted: list[bool] = []
    counts = {"judged": 0, "wrong": 0}
    with _telling(network, seconds, interrupted) as lines:
        for line in lines:
            if line.get("event") == "judged":
                counts["judged"] += 1
                counts["wrong"] += bool(line["wrong"])
            else:
                seen = line
            _show(line, counts, output)
    if output.erasable:
        output.draw("")
    if interrupted and not counts["judged"]:
        raise KeyboardInterrupt
    if seen.get("event") != "summary":
        raise Unreachable(
            str(seen.get("message", "The process that reads the chain ended without a word.")),
            hint="Which endpoints it asks: oee config get rpc_urls",
            code=str(seen.get("code", "chain_unavailable")),
        )
    return _conclude(seen, output)


@contextmanager
def _telling(network: str, seconds: float, interrupted: list[bool]) -> Iterator[Iterator[dict[str, Any]]]:
    """The lines of the process; it is told to end, and to sum up, where this one is interrupted, which is
    noted."""
    command = [sys.executable, *engine_flags(), "-m", _MODULE, "--network", network, "--for", str(seconds)]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    stdout = process.stdout

    def lines() -> Iterator[dict[str, Any]]:
        while True:
            try:
                text = stdout.readline()
            except KeyboardInterrupt:
                interrupted.append(True)
                process.send_signal(signal.SIGTERM)
                continue
            if not text:
                return
            yield json.loads(text)

    try:
        yield lines()
    finally:
        process.terminate()
        process.wait()
        stdout.close()


def _show(line: dict[str, Any], counts: dict[str, int], output: Output) -> None:
    if output.json:
        output.emit(line)
    elif line.get("wrong"):
        if output.erasable:
            output.draw("")
        output.say(f"✗ {line['signature']}  {_contradiction(line)}")
    elif output.erasable and line.get("event") == "judged":
        output.draw(f"  {counts['judged']:,} judged, {counts['wrong']} wrong; slot {line['slot']}")


def _contradiction(line: dict[str, Any]) -> str:
    denied = line.get("deniedBy")
    if denied and line["block"] != "absent":
        return f"is in block {line['height']}, and {' and '.join(denied)} alone would have denied it"
    return f"was taken for {line['outcome']}, its block says {line['block']}"


def _conclude(summary: dict[str, Any], output: Output) -> ExitCode:
    judged, wrong = int(summary["judged"]), int(summary["wrong"])
    if not judged:
        raise Unreachable(
            "No swap could be judged: no endpoint gave a block in that time that had one in it.",
            hint="None may be in reach; or longer: --for 10m. Which are asked: oee config get rpc_urls",
            code="nothing_judged",
        )
    if not output.json:
        parts = f"{summary['agreed']:,} as their blocks say, {summary['unknown']:,} stayed unknown"
        rest = f", {summary['unclear']:,} whose block nobody gave" if summary["unclear"] else ""
        mark = "✗" if wrong else "✓"
        whose = f"{mark} {summary['network']}: {counted(judged, 'swap')} of others judged"
        output.say(f"{whose}: {parts}{rest}, {wrong:,} wrong.")
        for name, count in summary["deniedBy"].items():
            output.say(f"  {name} alone would have denied {count:,} of them: use no endpoint like it alone.")
    return ExitCode.FAULT if wrong else ExitCode.DONE

"""The line that a command shows while the daemon that it needs starts. Draws; starts nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable

from oee_cli.output import Output
from oee_daemon.contract.protocol import PHASES, READY


class StartLine:
    """The one line that a person sees while the daemon starts; erased once it has."""

    def __init__(self, output: Output, phases: Callable[[], list[str]]) -> None:
        """`phases`: tells which phases the daemon has behind it."""
        self._output = output
        self._phases = phases
        self._shown = ""

    def draw(self) -> None:
        output = self._output
        if not output.erasable:
            if not self._shown:
                self._shown = "said"
                output.note("starting the daemon")
            return
        done = self._phases()
        here = next((phase for phase in PHASES if phase not in done), None)
        parts = [f"{p} ✓" if p in done else f"{p} ●" if p == here else p for p in PHASES]
        line = "starting the daemon: " + "  ".join(parts)
        if len(line) > output.width(sys.stderr) - 2:
            line = f"starting the daemon: {here or READY} ●"
        if line != self._shown:
            # Known as shown first: whoever types ctrl-C as soon as it appears has it erased, too.
            self._shown = line
            output.draw(line)

    def close(self) -> None:
        if self._shown and self._output.erasable:
            self._output.draw("")

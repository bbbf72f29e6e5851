"""How long a command takes to come back, beside `import typer` and beside an interpreter that does nothing.

The commands are run as they are installed, one after the other in every round, floors included. Those that
need the daemon find it up.
"""

from __future__ import annotations

import argparse
import re
import sys

from benchmarks import bench, figures
from benchmarks.commands import OEE, python, shell, timed

#: Promised, against `import typer`; the last against `pass`.
PLAIN_TIMES, DAEMON_TIMES, TAB_TIMES = 1.3, 2.2, 5.0

#: What it is called, its arguments, its exit code, what it may cost.
COMMANDS: tuple[tuple[str, tuple[str, ...], int, float], ...] = (
    ("`oee --version`", ("--version",), 0, PLAIN_TIMES),
    ("`oee --help`", ("--help",), 0, PLAIN_TIMES),
    ("`oee buy --help`", ("buy", "--help"), 0, PLAIN_TIMES),
    ("a wrong flag", ("buy", "SOL", "USDC", "1.5", "--wrong"), 2, PLAIN_TIMES),
    ("`oee history --json`", ("history", "--json"), 0, DAEMON_TIMES),
    ("`oee show last --json`", ("show", "last", "--json"), 0, DAEMON_TIMES),
    ("`oee buy SOL USDC 1.5 --detach`", ("buy", "SOL", "USDC", "1.5", "--detach"), 0, DAEMON_TIMES),
)


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=15)


def measure(told: argparse.Namespace) -> list[figures.Figure]:
    """The figures of this script."""
    with bench.folder() as home, bench.Daemon(home / "home", **bench.NO_WAITS) as daemon:
        env = shell(OEE_HOME=str(daemon.home), OEE_PORT="0", OEE_NO_AUTOSTART="1")
        with daemon.client() as client:
            for _ in range(20):
                client.post(bench.EXECUTE, bench.ORDER)
        kinds = {"typer": (python("import typer"), 0), "pass": (python("pass"), 0)}
        kinds |= {name: ([OEE, *arguments], code) for name, arguments, code, _ in COMMANDS}
        tab = _tab()
        if tab is not None:
            kinds["tab"] = (tab, 0)
        found: dict[str, list[float]] = {name: [] for name in kinds}
        for number in range(told.rounds + 2):
            for name, (arguments, code) in kinds.items():
                taken = timed(arguments, env, code=code)
                # The first two rounds fill caches.
                if number > 1:
                    found[name].append(taken)
    typer, nothing = found["typer"], found["pass"]
    lines = [figures.ratio(name, typer, found[name], "ms", at_most=times) for name, _, _, times in COMMANDS]
    what = "a TAB for an order's id"
    if tab is None:
        return [*lines, figures.Figure(what, "", "it asks for none", "", f"at most {TAB_TIMES:g} x", False)]
    return [*lines, figures.ratio(what, nothing, found["tab"], "ms", at_most=TAB_TIMES)]


def _tab() -> list[str] | None:
    """What bash's completion runs where an order's id is wanted; `None` where it runs nothing."""
    script = (bench.ROOT / "completions" / "oee.bash").read_text()
    found = re.search(r"\boee (__[a-z-]+)", script)
    return None if found is None else [OEE, found[1], "show"]


if __name__ == "__main__":
    sys.exit(figures.run(measure, options, __doc__))

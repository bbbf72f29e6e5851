"""How long the first command on a machine takes: `oee buy` to `confirmed` with no daemon running.

On a bare home beside the daemon's imports plus `initdb`, and on a used home beside the imports alone. The
simulated waits are at 0. `initdb` is the one that the daemon runs, with its options, under its account.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks import bench, figures
from benchmarks.commands import IMPORTS, OEE, python, shell, timed
from oee_daemon.embedded import embedded_account, embedded_binaries
from oee_daemon.embedded.embedded_postgres import ROLE

#: Promised.
BARE_TIMES, USED_TIMES = 1.5, 1.3
#: As `embedded/embedded_postgres.py` has them.
INITDB = ("--auth-local=peer", "--auth-host=reject", "--data-checksums", "--encoding=UTF8", "--locale=C",
          f"--username={ROLE}", "--no-instructions")  # fmt: skip


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=4)


def measure(told: argparse.Namespace) -> list[figures.Figure]:
    """The figures of this script."""
    imports: list[float] = []
    initdb: list[float] = []
    bare: list[float] = []
    used: list[float] = []
    for number in range(told.rounds + 1):
        with bench.folder() as folder:
            took = (timed(python(IMPORTS), shell()), _initdb(folder), *_first_buys(folder / "home"))
        # The first round fills caches.
        if number:
            for column, value in zip((imports, initdb, bare, used), took, strict=True):
                column.append(value)
            figures.say(
                f"round {number}: imports {took[0]:.0f}, initdb {took[1]:.0f},"
                f" bare home {took[2]:.0f}, used home {took[3]:.0f} ms"
            )
    both = [a + b for a, b in zip(imports, initdb, strict=True)]
    return [
        figures.limit("the daemon's imports", figures.median(imports), "ms"),
        figures.limit("initdb", figures.median(initdb), "ms"),
        figures.ratio("first `oee buy` on a bare home, to confirmed", both, bare, "ms", at_most=BARE_TIMES),
        figures.ratio("the same on a used home, daemon down", imports, used, "ms", at_most=USED_TIMES),
    ]


def _initdb(folder: Path) -> float:
    """Milliseconds. Where we are root it runs under the account that the daemon would lend."""
    lent = embedded_account.choose(None)
    programs = embedded_binaries.postgres(folder / "servers", lent)
    data = folder / "data"
    data.mkdir(mode=0o700)
    arguments = [str(programs / "initdb"), f"--pgdata={data}", *INITDB]
    env = {"PATH": "/usr/bin:/bin", "LANG": "C", "LC_ALL": "C", "TZ": "UTC"}
    if not lent.lent:
        return timed(arguments, env)
    os.chown(data, lent.uid, lent.gid)
    return timed(arguments, env, account=(lent.uid, lent.gid))


def _first_buys(home: Path) -> tuple[float, float]:
    """Milliseconds of `oee buy` on a home that is not there yet, and again after the daemon's stop."""
    env = shell(OEE_HOME=str(home), OEE_PORT="0", **bench.NO_WAITS)
    buy = [OEE, "buy", "SOL", "USDC", "1.5", "--json"]
    took = []
    for _ in range(2):
        try:
            took.append(timed(buy, env))
        finally:
            timed([OEE, "daemon", "stop"], env)
    return took[0], took[1]


if __name__ == "__main__":
    sys.exit(figures.run(measure, options, __doc__))

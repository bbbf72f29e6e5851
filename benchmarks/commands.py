"""Runs a command as a user's shell would, and tells how long it took until it was back."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks import bench

#: The command as it is installed beside this interpreter.
OEE = str(Path(sys.executable).with_name("oee"))
#: What the daemon is made of.
IMPORTS = "import fastapi, uvicorn, sqlalchemy, psycopg, redis, dramatiq"


def shell(**settings: str) -> dict[str, str]:
    """A user's environment: nothing of the benchmarks' own in it."""
    found = bench.environ(**settings)
    del found["PYTHONPATH"]
    return found


def timed(
    arguments: list[str], env: dict[str, str], *, code: int = 0, account: tuple[int, int] | None = None
) -> float:
    """Milliseconds from start to end. Raises where it ended with another code."""
    user, group = account or (None, None)
    begun = time.perf_counter()
    done = subprocess.run(
        arguments,
        env=env,
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        user=user,
        group=group,
        extra_groups=[] if account else None,
    )
    taken = time.perf_counter() - begun
    if done.returncode != code:
        words = (done.stderr + done.stdout)[-1500:].decode(errors="replace")
        raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}, not {code}:\n{words}")
    return 1000 * taken


def python(statement: str) -> list[str]:
    return [sys.executable, "-c", statement]

"""Calls that are made at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def at_once(*calls: Callable[[], T]) -> list[T]:
    """What each gives when all are made at the same moment."""
    together = threading.Barrier(len(calls))

    def one(call: Callable[[], T]) -> T:
        together.wait(30)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [f.result(60) for f in [pool.submit(one, call) for call in calls]]

"""Warns of a daemon that was just started and protects money less than the one before it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from oee_cli.output import Output, clean


def say_loosened(output: Output, running: Mapping[str, Any]) -> None:
    """`running`: what the daemon wrote about itself."""
    told = running.get("loosened")
    for name, values in told.items() if isinstance(told, dict) else ():
        before, now = (None if value is None else clean(str(value)) for value in values)
        output.sentence(
            "●",
            f"{name} was {before} in the daemon that ran before; in this one it is {now or 'not set'}.",
            f"If that is not meant: oee config set {name} {shlex.quote(str(before))}, and oee daemon restart",
        )

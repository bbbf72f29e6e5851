"""Checks that what was typed can be sent: a request carries UTF-8."""

from __future__ import annotations

from typing import Any

from oee_cli.cli_errors import UsageFault
from oee_cli.output import clean


def check_text(name: str, value: Any) -> None:
    """Raises `UsageFault`, naming the field, for text that can't be sent because it is not UTF-8."""
    try:
        f"{name}{value}".encode()
    except UnicodeEncodeError:
        raise UsageFault(
            f"{clean(name)} is not UTF-8 text: {clean(str(value)[:40])!r}.", hint="Write plain characters."
        ) from None

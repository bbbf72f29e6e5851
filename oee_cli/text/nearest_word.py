"""What was probably meant by a word that nothing here is called."""

from __future__ import annotations

from collections.abc import Iterable

#: From 0 to 1. At a half `nothing` is like `scripting`.
_ALIKE = 0.6


def nearest(typed: str, known: Iterable[str]) -> str | None:
    """The one of `known` that looks most like `typed`; `None` where none is like it."""
    # difflib costs a command that is typed right nothing.
    from difflib import get_close_matches

    return next(iter(get_close_matches(typed, known, n=1, cutoff=_ALIKE)), None)

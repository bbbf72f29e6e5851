"""Finds the known word that somebody who mistyped one probably meant."""

from __future__ import annotations

from collections.abc import Iterable

#: From 0 to 1. At 0.61 `nothing` is like `notify`; two letters changed about in a word of three are 0.66.
_ALIKE = 0.65


def nearest(typed: str, known: Iterable[str]) -> str | None:
    """The one of `known` that looks most like `typed`; `None` where none is like it."""
    # difflib costs a command that is typed right nothing.
    from difflib import get_close_matches

    # The dashes of two options would make any two of them alike.
    bare = {word.lstrip("-"): word for word in known}
    found = get_close_matches(typed.lstrip("-"), bare, n=1, cutoff=_ALIKE)
    return bare[found[0]] if found else None

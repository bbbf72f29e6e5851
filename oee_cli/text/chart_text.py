"""Figures as lengths and heights, for where looking beats reading: bars, and one-line charts.

What something is worth in cells is decided here; what it means, where it is drawn. The charts' signs have
twins for terminals without UTF-8, chosen here because they stand for a height; the bars' sign has its twin
in `output`.
"""

from __future__ import annotations

from collections.abc import Sequence

_HEIGHTS = "▁▂▃▄▅▆▇█"
_PLAIN_HEIGHTS = ".:-=+*#@"


def bar(value: float, most: float, cells: int) -> str:
    """A length: `cells` for `most`, and at least one for anything above 0."""
    if value <= 0 or most <= 0:
        return ""
    return "━" * max(1, round(min(1.0, value / most) * cells))


def spans(values: Sequence[float], cells: int) -> list[str]:
    """Parts of one length, each where the one before it ends."""
    whole = sum(values)
    begun, lines = 0.0, []
    for value in values:
        at = min(cells - 1, round(begun / whole * cells)) if whole else 0
        lines.append(" " * at + bar(value, whole, cells)[: cells - at])
        begun += value
    return lines


def chart(values: Sequence[float | None], *, unicode: bool) -> str:
    """A height for each value, the highest for the most; none at all for 0 and for nothing."""
    heights = _HEIGHTS if unicode else _PLAIN_HEIGHTS
    most = max((value for value in values if value), default=1)
    return "".join(
        heights[min(len(heights) - 1, int(value / most * len(heights)))] if value else " " for value in values
    )

"""The options of `oee cancel` that say which of all orders are meant."""

from __future__ import annotations

from typing import Any, NamedTuple

from oee_cli import options as o


class CancelFilter(NamedTuple):
    """What `--all` is narrowed to."""

    pair: o.Pair = None
    side: o.Side = None
    type: o.Type = None

    def params(self) -> dict[str, Any]:
        return {name: value for name, value in self._asdict().items() if value is not None}

"""The options that say terms of an order, for every command that places or edits one: each described once,
and read once into the HTTP body.

To add one: a line in `Terms` and one in `body`.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import typer


def _slippage(usual: str, quote: str = "the first quote") -> Any:
    """`usual`: what holds where nobody says it."""
    told = f"How much worse than {quote} a fill may be." + (f" ({usual})" if usual else "")
    return typer.Option("--slippage", metavar="0.5%|50bps", help=told)


class Terms(NamedTuple):
    """As typed. The commands that word a help text otherwise have a class each."""

    slippage: Annotated[str | None, _slippage("0.5%")] = None

    def body(self) -> dict[str, Any]:
        """The fields that were given. Raises `UsageFault`."""
        from oee_cli.text.amount_text import read_slippage

        fields: dict[str, Any] = {}
        if self.slippage is not None:
            fields["slippageBps"] = read_slippage(self.slippage)
        return fields


class StopTerms(Terms):
    slippage: Annotated[str | None, _slippage("1%", "each try's quote")]


class SniperTerms(Terms):
    slippage: Annotated[str | None, _slippage("5%", "each try's quote")]


class BatchTerms(Terms):
    slippage: Annotated[str | None, _slippage("0.5%; stop 1%, sniper 5%")]


class EditedTerms(Terms):
    slippage: Annotated[str | None, _slippage("")]

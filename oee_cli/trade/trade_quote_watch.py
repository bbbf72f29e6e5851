"""`oee quote --watch`: the price of a pair as it moves, until Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from oee_cli.api.client_http import session
from oee_cli.cli_errors import UsageFault
from oee_cli.output import Output, clean, paint
from oee_cli.text.amount_text import short_amount
from oee_cli.text.layout_text import Cell, Line
from oee_cli.text.time_text import span_text


def watch_price(base: str, token: str, given: str | None, output: Output) -> None:
    """A line for each price that is another than the last; with `--json` an object for each look. `given`:
    what says how much, which does not go with it."""
    if given is not None:
        raise UsageFault(
            f"--watch shows the price of a little: {given} does not go with it.",
            hint=f"oee quote {base} {token} --watch",
        )
    from oee_cli.api.client_event_stream import pair_prices

    with session(output) as client:
        if output.live:
            output.note("the best venue's price of a little, until Ctrl-C")
        last: object = None
        for seen in pair_prices(client, f"{base}/{token}"):
            if seen is None:
                continue
            if output.json:
                output.emit(seen)
            elif (now := (seen["bid"], seen["ask"], seen["state"])) != last:
                last = now
                colors = output.color(sys.stdout)
                output.say("".join(paint(*cell, colors=colors) for cell in price_cells(seen)))


def price_cells(seen: Mapping[str, Any]) -> Line:
    """`SOL/USDC  bid 142.1  ask 142.3` and how fresh that is."""
    if seen["bid"] is None:
        return [Cell(f"{clean(seen['pair'])}  nobody has a price", "red")]
    age = span_text(seen["ageMs"] / 1000)
    told = f"{clean(seen['pair'])}  bid {short_amount(seen['bid'])}  ask {short_amount(seen['ask'])}"
    more = f"  {seen['state']}, {age} old, slot {seen['slot']}, {clean(seen['source'])}"
    return [Cell(told), Cell(more, "dim" if seen["state"] == "live" else "red")]

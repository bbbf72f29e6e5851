"""`oee tokens add` and `oee tokens remove`: what the user says of a token, and what the chain says of it."""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import quote

from oee_cli.api.client_http import session
from oee_cli.output import Output, clean
from oee_cli.text.layout_text import Cell, put_lines
from oee_cli.tokens.token_table import about_lines


def add_token(mint: str, symbol: str | None, accept: str | None, output: Output) -> None:
    """Adding the same token again says anew what it is called and what is accepted; nothing else changes."""
    accepted = [name.strip() for name in (accept or "").split(",") if name.strip()]
    body = {"mint": mint, "symbol": symbol, "accept": accepted}
    with session(output) as client:
        token: dict[str, Any] = client.read("POST", "/api/tokens", json=body)
    if output.json:
        output.emit(token)
        return
    put_lines(output, [[Cell(clean(token["symbol"]), "bold")], *about_lines(token, output.width(sys.stdout))])
    _say_what_follows(token, output)


def _say_what_follows(token: dict[str, Any], output: Output) -> None:
    risks = [one["name"] for one in token["extensions"] or () if one["risk"]]
    missing = [name for name in risks if name not in token["accepted"]]
    if missing:
        output.sentence(
            "✗",
            f"It is not bought: {', '.join(missing)}.",
            f"Where you take that risk: oee tokens add {token['mint']} --accept {','.join(risks)}",
        )
    if token["posesAs"] is not None:
        output.sentence("●", f"It calls itself like {clean(token['posesAs'])}, which is another token.")
    elif token["proposed"] is not None:
        hint = f"To call it so, too: oee tokens add {token['mint']} --symbol {clean(token['proposed'])}"
        output.sentence(
            "●", f"It calls itself {clean(token['proposed'])}. Anybody can call a token so.", hint
        )


def remove_token(token: str, output: Output) -> None:
    """Its past orders are shown in its amounts all the same."""
    with session(output) as client:
        path = f"/api/tokens/{quote(token.encode(errors='replace'), safe='')}"
        removed: dict[str, Any] = client.read("DELETE", path)
    output.answer(removed, f"removed {clean(removed['mint'])}: it is named by its mint from now on")

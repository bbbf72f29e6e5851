"""`oee tokens` and `oee tokens search`: what is known, and what a directory knows beside it."""

from __future__ import annotations

import sys
from typing import Any

from oee_cli.api.client_http import session
from oee_cli.cli_errors import UsageFault
from oee_cli.output import Output, clean
from oee_cli.text.future_text import until_text
from oee_cli.text.layout_text import Cell, Column, Line, fold_sentence, lay_table, put_lines
from oee_cli.tokens.token_table import program_text, risk_lines

_LISTED = (
    Column("token"),
    Column("mint"),
    Column("decimals", rank=2, right=True),
    Column("from", rank=1),
    Column("program", rank=3),
    Column("extensions", rank=4),
)
#: Where a token's entry comes from, for people.
_ORIGINS = {"pinned": "pinned list", "added": "you", "chain": "the chain"}
_NEW = (Column("mint"), Column("calls itself", rank=1), Column("traded", rank=2))
_FOUND = (Column("token"), Column("mint"), Column("", rank=1), Column("name", rank=2), Column("", rank=3))


def list_tokens(output: Output) -> None:
    """Pinned, added, and named by orders; below them what somebody could do to those who hold them."""
    with session(output) as client:
        tokens: list[dict[str, Any]] = client.get("/api/tokens")["tokens"]
    if output.json:
        output.emit(tokens)
        return
    width = output.width(sys.stdout)
    lines = lay_table(_LISTED, [_listed_row(token) for token in tokens], width, titles=True, indent=0)
    for token in tokens:
        lines += risk_lines(token, width)
    put_lines(output, lines)


def list_new_tokens(limit: int, output: Output) -> None:
    """What a new token calls itself says nothing of what it is: it is bought by its mint."""
    with session(output) as client:
        tokens: list[dict[str, Any]] = client.get("/api/tokens/new", {"limit": limit})["tokens"]
    if output.json:
        output.emit(tokens)
        return
    rows: list[Line] = [
        [Cell(clean(t["mint"])), Cell(clean(t["symbol"])), Cell(until_text(t["inS"]), "dim")] for t in tokens
    ]
    put_lines(output, lay_table(_NEW, rows, output.width(sys.stdout), titles=True, indent=0))


def search_tokens(text: str, output: Output) -> None:
    """What is not added can't be traded by its symbol, and says so."""
    if not text.strip():
        raise UsageFault("TEXT is empty: what to look for?", hint="oee tokens search BONK. All: oee tokens")
    with session(output) as client:
        found = client.get("/api/tokens/search", {"query": text})
    tokens: list[dict[str, Any]] = found["tokens"]
    if found["directory"] == "unavailable":
        output.warn("The network's directory does not answer: only pinned and added tokens are searched.")
    if output.json:
        output.emit(tokens)
        return
    if not tokens:
        output.note(f"no token found for {clean(text)[:60]!r}")
        return
    width = output.width(sys.stdout)
    lines = lay_table(_FOUND, [_found_row(token) for token in tokens], width, titles=True, indent=0)
    if any(token["origin"] is None for token in tokens):
        how = "What is not added is traded by its mint alone. Compare the mint with its maker's own page."
        lines += fold_sentence(how, width, "dim", indent="")
    put_lines(output, lines)


def _listed_row(token: dict[str, Any]) -> Line:
    named = token["symbol"] != token["mint"]
    extensions = ", ".join(one["name"] for one in token["extensions"] or ())
    return [
        Cell(clean(token["symbol"]) if named else "–", "bold" if named else "dim"),
        Cell(clean(token["mint"])),
        Cell(str(token["decimals"])),
        Cell(_ORIGINS.get(token["origin"], clean(token["origin"])), "dim"),
        Cell(program_text(token["program"])),
        Cell(clean(extensions)),
    ]


def _found_row(token: dict[str, Any]) -> Line:
    listed = token["origin"] is not None
    return [
        Cell(clean(token["symbol"]), "bold" if listed else ""),
        Cell(clean(token["mint"])),
        Cell(token["origin"] or "not added", "dim" if listed else "yellow"),
        Cell(clean(token["name"])),
        Cell("" if listed or token["verified"] else "not verified", "yellow"),
    ]

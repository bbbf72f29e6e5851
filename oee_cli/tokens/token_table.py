"""What a token is, in words: its program, its authorities, and what its extensions can do to who holds it."""

from __future__ import annotations

from typing import Any

from oee_cli.output import clean
from oee_cli.text.layout_text import Cell, Line, fold_sentence

#: What the two programs are called.
_PROGRAMS = {
    "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA": "SPL Token",
    "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb": "Token-2022",
}


def program_text(program: str | None) -> str:
    return "" if program is None else _PROGRAMS.get(program, clean(program))


def risk_lines(token: dict[str, Any], width: int) -> list[Line]:
    """One sentence for each extension that is a risk, and for each fee."""
    lines: list[Line] = []
    for one in token["extensions"] or ():
        if one["risk"]:
            taken = one["name"] in token["accepted"]
            end = "accepted" if taken else "it is not bought"
            text = f"! {token['symbol']}: {one['name']}, {one['detail']}; {end}"
            lines += fold_sentence(clean(text), width, "" if taken else "yellow")
        elif one["name"] == "transfer-fee":
            text = f"· {token['symbol']}: {one['detail']}, counted in every quote"
            lines += fold_sentence(clean(text), width, "dim")
    return lines


def about_lines(token: dict[str, Any], width: int) -> list[Line]:
    """Everything that the chain says of one token."""
    said = [
        ("mint", token["mint"]),
        ("decimals", str(token["decimals"])),
        ("program", program_text(token["program"])),
        ("more can be made by", token["mintAuthority"] or "nobody"),
        ("can be frozen by", token["freezeAuthority"] or "nobody"),
    ]
    said += [(one["name"], one["detail"] or "yes") for one in token["extensions"] or ()]
    room = max(len(name) for name, _ in said)
    lines: list[Line] = []
    for name, text in said:
        first, *rest = fold_sentence(clean(text), width - room - 5, indent="")
        lines.append([Cell(f"  {clean(name).ljust(room)}   ", "dim"), *first])
        lines += [[Cell(" " * (room + 5)), *line] for line in rest]
    return lines

"""`oee wallet list` and `show`: they tell what can be seen of wallets without their keys."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from oee_cli.output import Output, clean
from oee_cli.settings.settings_load import Settings, short_path
from oee_cli.text.future_text import instant_text
from oee_cli.text.layout_text import Cell, Column, lay_table, put_lines
from oee_cli.text.time_text import parse_moment
from oee_cli.wallet.wallet_engine import ask_engine, check_name, daemon_wallet, local_settings, must_have_key
from oee_daemon.contract.real_money import KEYLESS

_NONE = "no wallet yet: oee wallet new"


def show_wallet(name: str | None, output: Output) -> None:
    settings = local_settings("show")
    must_have_key(settings, name)
    found = ask_engine("show", name=check_name(name))
    _add_lock(settings, [found])
    rows = [("wallet", found["name"]), ("address", found["address"]), ("kind", found["kind"])]
    rows += [("locked", _lock_text(found)), ("file", short_path(Path(found["file"])))]
    if output.json:
        output.emit(found)
    else:
        cells = [[Cell(head, "dim"), Cell(clean(text))] for head, text in rows]
        put_lines(output, lay_table((Column(), Column()), cells, output.width(sys.stdout), indent=0))


def list_wallets(output: Output) -> None:
    settings = local_settings("list")
    found = ask_engine("list")
    _add_lock(settings, found)
    if output.json:
        output.emit(found)
    elif not found:
        keyless = settings.network in KEYLESS
        output.note(f"no wallet: nothing is signed on {settings.network}" if keyless else _NONE)
    else:
        rows = [
            [
                Cell("*" if row["default"] else " "),
                Cell(clean(row["name"]), "bold" if row["default"] else ""),
                Cell(row["address"] or "–"),
                Cell(row["kind"] or "broken", "" if row["kind"] else "red"),
                Cell(_lock_text(row) if row["kind"] else ""),
            ]
            for row in found
        ]
        put_lines(output, lay_table((Column(),) * 5, rows, output.width(sys.stdout), indent=0))
    for row in found:
        if row["problem"]:
            output.sentence("✗", row["problem"])


def wallet_line(row: dict[str, Any]) -> str:
    """A wallet in one line."""
    return "   ".join((clean(row["name"]), row["address"], row["kind"]))


def _add_lock(settings: Settings, found: list[dict[str, Any]]) -> None:
    """Whether each is locked: a sealed one is, unless the daemon that runs here has it open."""
    held = daemon_wallet(settings) or {}
    for row in found:
        here = held if held.get("file") == row["file"] else {}
        row["locked"] = None if row["kind"] is None else here.get("locked", row["kind"] == "sealed")
        row["reason"], row["unlockedUntil"] = here.get("reason"), here.get("unlockedUntil")


def _lock_text(row: dict[str, Any]) -> str:
    if row["kind"] == "plain":
        return "never: its file is the key"
    if not row["locked"]:
        until = row["unlockedUntil"]
        return f"no, until {instant_text(parse_moment(until))}" if until else "no"
    return f"yes: {row['reason']}" if row["reason"] else "yes"

"""Compares the settings that a running daemon works with to those that are configured here.

A daemon keeps what it read when it started, and the shell that started it may have had other variables.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from oee_cli.settings.settings_origins import DEFAULT, Value
from oee_daemon.contract import home_files
from oee_daemon.contract.addresses import OWN, place_of
from oee_daemon.contract.protocol import VERSION

#: The servers' settings, and the part of the daemon's status that tells of them.
SERVERS = {"database_url": "postgres", "redis_url": "queue"}


def not_in_force(found: Mapping[str, Value], status: Mapping[str, Any]) -> dict[str, str]:
    """By setting: what the daemon has instead. What is not given here says nothing of any setting but the
    servers', where to have none is a choice."""
    running = status.get("settings") or {}
    differs: dict[str, str] = {}
    for name, v in found.items():
        told: str | None
        if v.problem or name == "home" or v.setting.reader == "command":
            continue
        if name in SERVERS:
            part = status.get(SERVERS[name]) or {}
            told = part.get("place") or (OWN if part.get("own") else None)
            mine = place_of(v.text)
        elif v.text is None or v.origin == DEFAULT or not running:
            continue
        else:
            # Another release may not know it.
            told = running.get(name, "nothing" if status.get("version") == VERSION else None)
            mine = v.setting.shown(str(v.setting.read(v.text)))
        if told is not None and told != mine:
            differs[name] = told
    return differs


def database_before(home: Path) -> str | None:
    """The database that the home has worked on, as its daemon wrote down: `own`, or where it is. None also
    where the home can't be looked into."""
    try:
        told = json.loads((home / home_files.DATABASE).read_text())["database"]
    except (OSError, ValueError, TypeError, KeyError):
        with suppress(OSError):
            return OWN if (home / home_files.POSTGRES).is_dir() else None
        return None
    return told if isinstance(told, str) else None

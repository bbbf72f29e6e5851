"""Writes down which settings protected money in the daemon of a home, so that a later one that keeps less
says so.

A limit that was set in one shell alone is gone once another one starts the daemon, after a reboot for one.
"""

from __future__ import annotations

import json
from pathlib import Path

from oee_daemon.contract.atomic_file import atomic_write
from oee_daemon.contract.setting_protection import PROTECTS, is_kept
from oee_daemon.settings import Settings


def note(home: Path, settings: Settings) -> dict[str, tuple[str, str | None]]:
    """Writes down what protects now. By setting, what the daemon before this one had and this one does not
    keep: its value, and the one of now, `None` where it is not set."""
    file = home / f"protection.{settings.network}.json"
    before = _read(file)
    now = {name: text for name, text in settings.dump().items() if name in PROTECTS}
    if now != before:
        atomic_write(file, json.dumps(now) + "\n")
    lost = {name: text for name, text in before.items() if not is_kept(name, text, now.get(name))}
    return {name: (text, now.get(name)) for name, text in lost.items()}


def _read(file: Path) -> dict[str, str]:
    """Empty where nothing is written down, or not so that it can be read."""
    try:
        told = dict(json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return {}
    return {name: text for name, text in told.items() if name in PROTECTS and _can_be_read(name, text)}


def _can_be_read(name: str, text: object) -> bool:
    """Whether this release takes the value: else it is none to compare with."""
    try:
        return isinstance(text, str) and is_kept(name, text, text)
    except ValueError:
        return False

"""Where an account keeps its settings, and what its file of settings holds: both ends read it for themselves.

Readers of a setting's text are in `setting_readers`. What can't be read is raised as it is: each end has its
own words for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from oee_daemon.contract.setting_table import file_name


def account_folder(find: Callable[..., Path]) -> Path | None:
    """The account's own folder for `oee` as a function of platformdirs tells it; none for an account that has
    no home folder, or a relative one."""
    try:
        found = find("oee", appauthor=False)
    except RuntimeError:
        return None
    return found if found.is_absolute() else None


def stored_settings(config: Path | None) -> dict[str, str]:
    """What the file holds, by name, known or not. Raises `OSError`, and `ValueError` where it is not TOML.

    Nothing where there is no place for one, or it is in a folder that this account can't enter: a HOME that
    somebody else left in the environment holds nothing of ours.
    """
    if config is None:
        return {}
    try:
        content = config.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except PermissionError:
        if not _exists(config):
            return {}
        raise
    import tomllib

    return dict(_flatten(tomllib.loads(content.decode())))


def _flatten(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """What stands in a table of the file sets nothing: it is told by the table's name and its own."""
    for key, value in table.items():
        name = above + file_name(key)
        yield name, str(value)
        if isinstance(value, dict):
            yield from _flatten(value, f"{name}.")


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True

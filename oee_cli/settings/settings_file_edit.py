"""One setting of `config.toml` changed, added or taken out; every other line stays as it was written.

Loaded by `oee config set` and `unset` alone: tomlkit, which keeps comments, costs 40 ms.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Item

from oee_cli.cli_errors import Forbidden, UsageFault
from oee_daemon.contract.atomic_file import atomic_file, write_remedy
from oee_daemon.contract.setting_table import file_name


class NotFlat(Exception):
    """The setting is a table or an array in the file: what stands there is somebody else's."""


def changed_text(text: str, name: str, value: str | None) -> str:
    """`text` with the setting `name` being `value`, or gone. Raises `NotFlat`, for what stands in a table
    (`table.name`) too, and `TOMLKitError`."""
    document = tomlkit.parse(text)
    ours = [key for key in document if file_name(key) == name]
    if "." in name or any(isinstance(document[key], dict | list) for key in ours):
        raise NotFlat
    if value is not None:
        # Of several spellings the last one counts: it is kept.
        key = ours.pop() if ours else name
        document[key] = _toml_item(value, "\r\n" if "\r\n" in text else "\n")
    for key in ours:
        del document[key]
    return document.as_string()


def is_editable(path: Path, name: str) -> bool:
    """Whether `edit_config` takes the setting out of the file as it is now."""
    try:
        changed_text(_read_config(path), name, None)
    except (NotFlat, UsageFault, OSError):
        return False
    return True


def _toml_item(value: str, line_end: str) -> Item:
    """A number as a number, anything else as a string."""
    item: Item = tomlkit.string(value)
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            if str(kind(value)) == value:
                item = tomlkit.item(kind(value))
    item.trivia.trail = line_end
    return item


def edit_config(path: Path, name: str, value: str | None) -> bool:
    """Changes the file, whole or not at all. Returns whether there was something to do.

    Raises `UsageFault` where the file can't be edited safely, `Forbidden` where it can't be written.
    """
    try:
        # Where the file is a link, as in many a person's collection of dotfiles, it stays one.
        target = path.resolve()
        if value is not None:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _lock_config_folder(target.parent):
            before = _read_config(target)
            try:
                after = changed_text(before, name, value)
            except NotFlat:
                raise UsageFault(
                    f"{path} holds something that can't be edited safely from here.",
                    hint=f"Change `{name}` by hand.",
                    code="config_not_flat",
                ) from None
            if after == before:
                return False
            _replace_config(target, after)
    except FileNotFoundError:
        return False
    except OSError as e:
        raise Forbidden(
            f"{e.filename or path} can't be written: {e.strerror}.",
            hint=write_remedy(e, "") or None,
            code="config_unwritable",
        ) from None
    return True


def _read_config(target: Path) -> str:
    try:
        text = target.read_bytes().decode()
        tomlkit.parse(text)
    except FileNotFoundError:
        return ""
    except (TOMLKitError, UnicodeDecodeError) as e:
        raise UsageFault(
            f"{target} is not valid TOML: {e}.", hint="Correct it by hand first.", code="bad_setting"
        ) from None
    return text


@contextmanager
def _lock_config_folder(folder: Path) -> Iterator[None]:
    """Holds the folder's lock: two commands that change the file do so one after the other."""
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _replace_config(target: Path, text: str) -> None:
    with atomic_file(target) as file:
        with contextlib.suppress(OSError):
            # root who edits somebody's file leaves it theirs.
            owner = target.stat()
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        file.write(text.encode())

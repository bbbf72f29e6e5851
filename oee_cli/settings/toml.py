"""One line of `config.toml` changed, added or taken out; every other line stays as it was written.

The file is flat: `key = value` lines and comments. Instead of knowing TOML here, the changed text is parsed
and compared with the text before: where anything but the one setting differs, nothing is written.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from oee_cli.errors import Forbidden, UsageFault
from oee_daemon.contract.atomic_file import atomic_file
from oee_daemon.contract.settings import file_name

_LINE = re.compile(
    r"""(?P<head>\s*(?P<quote>["']?)(?P<key>[\w-]+)(?P=quote)\s*=\s*)"""
    r"""(?P<value>"(?:[^"\\]|\\.)*"|'[^']*'|[^\s#"'\[{][^\s#]*)(?P<tail>\s*(?:\#.*)?)""",
    re.ASCII,
)
_NUMBER = re.compile(r"(?:0|[1-9]\d*)(?:\.\d+)?", re.ASCII)


class NotFlat(Exception):
    """The text can't be changed line by line."""


def changed(text: str, name: str, value: str | None) -> str:
    """`text` with the setting `name` being `value`, or gone. Raises `NotFlat`."""
    lines = text.split("\n")
    found = [(i, m) for i, line in enumerate(lines[: _tables(lines)]) if (m := _LINE.fullmatch(line))]
    ours = [(i, m) for i, m in found if file_name(m["key"]) == name]
    if value is not None and ours:
        # Of several spellings the last one counts: it is kept.
        i, match = ours.pop()
        lines[i] = match["head"] + _written(value) + match["tail"]
    elif value is not None:
        _insert(lines, f"{name} = {_written(value)}" + ("\r" if "\r\n" in text else ""))
    for i, _ in reversed(ours):
        del lines[i]
    after = "\n".join(lines)
    _check(text, after, name, value)
    return after


def _insert(lines: list[str], line: str) -> None:
    """At the end of what stands before the first table."""
    place = _tables(lines)
    while place and not lines[place - 1].strip():
        place -= 1
    lines.insert(place, line)
    if place == len(lines) - 1:
        lines.append("")


def _tables(lines: list[str]) -> int:
    """Where the first table begins: what stands below is none of ours."""
    return next((i for i, text in enumerate(lines) if text.lstrip().startswith("[")), len(lines))


def _check(before: str, after: str, name: str, value: str | None) -> None:
    wanted = {key: kept for key, kept in tomllib.loads(before).items() if file_name(key) != name}
    try:
        found: dict[str, Any] = tomllib.loads(after)
    except tomllib.TOMLDecodeError as e:
        raise NotFlat(str(e)) from None
    others = {key: kept for key, kept in found.items() if file_name(key) != name}
    ours = [str(kept) for key, kept in found.items() if file_name(key) == name]
    if others != wanted or ours != ([] if value is None else [value]):
        raise NotFlat


def _written(value: str) -> str:
    """A number as a number, anything else as a string."""
    if _NUMBER.fullmatch(value) and str(tomllib.loads(f"x = {value}")["x"]) == value:
        return value
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def edit(path: Path, name: str, value: str | None) -> bool:
    """Changes the file, whole or not at all; whether there was something to do.

    Raises `UsageFault` where the file can't be edited safely, `Forbidden` where it can't be written.
    """
    try:
        # Where the file is a link, as in many a person's collection of dotfiles, it stays one.
        target = path.resolve()
        if value is not None:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(target.parent):
            before = _content(target)
            try:
                after = changed(before, name, value)
            except NotFlat:
                raise UsageFault(
                    f"{path} holds something that can't be edited safely from here.",
                    hint=f"Change `{name}` by hand.",
                    code="config_not_flat",
                ) from None
            if after == before:
                return False
            _replace(target, after)
    except FileNotFoundError:
        return False
    except OSError as e:
        raise Forbidden(
            f"{e.filename or path} can't be written: {e.strerror}.", code="config_unwritable"
        ) from None
    return True


def _content(target: Path) -> str:
    try:
        text = target.read_bytes().decode()
        tomllib.loads(text)
    except FileNotFoundError:
        return ""
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise UsageFault(
            f"{target} is not valid TOML: {e}.", hint="Correct it by hand first.", code="bad_setting"
        ) from None
    return text


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two commands that change the file do so one after the other."""
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _replace(target: Path, text: str) -> None:
    with atomic_file(target) as file:
        with contextlib.suppress(OSError):
            # root who edits somebody's file leaves it theirs.
            owner = target.stat()
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        file.write(text.encode())

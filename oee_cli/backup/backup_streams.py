"""What a path that was typed stands for: a file, or a stream that goes by, whatever it is called.

`-` and the names of `oee_cli.descriptors` are this process's own. A FIFO or a device can be opened, but not
replaced.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import BinaryIO

from oee_cli.cli_errors import UsageFault
from oee_cli.descriptors import check_direction, own_descriptor
from oee_cli.text.amount_text import short_ends

#: Characters of a path in a sentence.
_SHOWN = 80


def open_backup_stream(typed: str, *, write: bool) -> BinaryIO | None:
    """What the path stands for, opened, where it is no file; the caller closes it. Raises `UsageFault`."""
    number = (1 if write else 0) if typed == "-" else own_descriptor(typed)
    done = "written" if write else "read"
    try:
        if number is not None:
            if write and number == 1:
                sys.stdout.flush()
            check_direction(number, write=write)
            return os.fdopen(os.dup(number), "wb" if write else "rb")
        mode = Path(typed).stat().st_mode
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISBLK(mode):
            return None
        # Neither made nor cut short: it is there, and not ours.
        return os.fdopen(os.open(typed, os.O_WRONLY if write else os.O_RDONLY), "wb" if write else "rb")
    except FileNotFoundError:
        return None
    except OSError as e:
        what = f"{short_ends(typed, _SHOWN)} can't be {done}: {e.strerror}."
        hint = f"It takes a file, or - for {'stdout' if write else 'stdin'}."
        raise UsageFault(what, hint=hint) from None


def is_stdout(typed: str) -> bool:
    """Whether FILE is stdout by its name; what else may lead there is not looked for."""
    return typed == "-" or own_descriptor(typed) == 1


def whole_path(typed: str) -> Path:
    """A file's whole path, through a link to the file itself, which then keeps its place.

    Raises `UsageFault` where it is told from a working folder that is gone.
    """
    try:
        return Path(os.path.realpath(typed))
    except OSError as e:
        raise UsageFault(
            f"{typed} can't be found from here: the working folder is gone ({e.strerror}).",
            hint="Go to another folder, or name the file by its whole path.",
        ) from None

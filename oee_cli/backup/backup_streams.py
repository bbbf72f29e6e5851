"""What a path that was typed stands for: a file, or a stream that goes by, whatever it is called.

`-`, `/dev/stdout`, `/dev/fd/63` and a shell's `<( )` and `>( )` are this process's own descriptors, and no
other process can open them by these names. A FIFO or a device can be opened, but never replaced.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import sys
from pathlib import Path
from typing import BinaryIO

from oee_cli.cli_errors import UsageFault
from oee_cli.text.amount_text import short_ends

#: Characters of a path in a sentence.
_SHOWN = 80
_STANDARD = {"stdin": 0, "stdout": 1, "stderr": 2}
_DESCRIPTOR = re.compile(r"/dev/(stdin|stdout|stderr)|/(?:dev|proc/self)/fd/(\d{1,9})", re.ASCII)


def open_backup_stream(typed: str, *, write: bool) -> BinaryIO | None:
    """What the path stands for, opened, where it is no file; the caller closes it. Raises `UsageFault`."""
    number = (1 if write else 0) if typed == "-" else _descriptor(typed)
    done = "written" if write else "read"
    try:
        if number is not None:
            if write and number == 1:
                sys.stdout.flush()
            if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == (os.O_RDONLY if write else os.O_WRONLY):
                raise OSError(errno.EBADF, f"it is open for {'reading' if write else 'writing'} only")
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
    return typed == "-" or _descriptor(typed) == 1


def _descriptor(typed: str) -> int | None:
    found = _DESCRIPTOR.fullmatch(typed)
    return None if found is None else _STANDARD[found[1]] if found[1] else int(found[2])


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

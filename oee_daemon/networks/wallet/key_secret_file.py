"""Reads a file that holds a secret: a regular, small one that nobody but its owner can open.

Whatever else is there ends as one sentence that names the file and the remedy, and never shows what it holds.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from oee_daemon.start_errors import BadKeyFile

#: Bytes that such a file may have: a key is 300, a sealed one 600.
MOST = 8192
#: systemd lends its credentials here, to one account by an access list, whose mask is shown as the group's
#: rights (https://systemd.io/CREDENTIALS/).
LENT = Path("/run/credentials")


def read_secret_file(path: Path, *, what: str, code: str) -> bytes:
    """What `path` holds; `what` says in a few words what it should be. Raises `BadKeyFile` with `code`."""

    def refuse(why: str) -> BadKeyFile:
        return BadKeyFile(f"{path} {why}", code=code)

    try:
        # Nothing is waited for, as at a pipe; and whose it is, is asked of what was opened.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        if path.is_symlink():
            raise refuse(f"is a link to a file that does not exist, where {what} should be.") from None
        raise BadKeyFile(f"There is no {what.partition(' ')[2]} at {path}.", code=code) from None
    except OSError as e:
        raise refuse(f"can't be opened: {e.strerror}.") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise refuse(f"is no file, where {what} should be.")
        others = 0o007 if LENT in path.parents else 0o077
        if stat.S_IMODE(found.st_mode) & others:
            raise refuse(f"can be read by others. Close it: chmod 600 {path}")
        if found.st_size > MOST:
            raise refuse(f"has {found.st_size} bytes: that is not {what}.")
        return os.read(descriptor, MOST)
    except OSError as e:
        raise refuse(f"can't be read: {e.strerror}.") from None
    finally:
        os.close(descriptor)

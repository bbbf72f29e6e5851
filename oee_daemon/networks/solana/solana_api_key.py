"""A file with somebody's key of an API: one line, readable by its owner alone. The key is in no setting, so
that no screen, log or process list can show it."""

from __future__ import annotations

import stat
from pathlib import Path

from oee_daemon.start_errors import BadSetting

#: Characters that a key has at most.
_LONGEST = 512


def read_key(path: Path) -> str:
    """Raises `BadSetting`, which does not say what is in it."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise BadSetting(f"{path} can be read by others. Close it: chmod 600 {path}")
        key = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as e:
        reason = e.strerror if isinstance(e, OSError) else "it is no text"
        raise BadSetting(f"OEE_JUPITER_KEY_FILE names {path}, which can't be read: {reason}.") from None
    if not 0 < len(key) <= _LONGEST or not key.isascii() or not key.isprintable() or " " in key:
        raise BadSetting(f"{path} holds no key: it takes one line of plain characters without spaces.")
    return key

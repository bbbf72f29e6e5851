"""Where Python looks for modules while a command runs: this program's own place and Python's, no other.

Neither the folder that one happens to be in nor what PYTHONPATH names for other programs decides what a tool
imports that handles money. Imports nothing, since whatever it imported would be looked for in those places.
"""

from __future__ import annotations

import os
import sys


def import_only_ours() -> None:
    """Takes the working folder, the script's and PYTHONPATH's away, where the program is found without them.
    To be called before anything else is imported."""
    told = _pythonpath_parts()
    foreign = {_absolute(part) for part in told}
    if not sys.flags.safe_path and sys.path:
        foreign.add(_absolute(sys.path[0]))
    if not foreign:
        return
    sys.path[:] = [part for part in sys.path if _absolute(part) not in foreign]
    if told and not sys.flags.no_site:
        # A folder may be PYTHONPATH's and Python's own at once: Python adds its own again.
        import site

        site.main()
    own = _own()
    if own not in map(_absolute, sys.path):
        # PYTHONPATH is how it was installed, so what it needs may be in any of the folders that it names.
        kept = [part for part in told if os.path.isabs(part)]  # noqa: PTH117 - before pathlib
        sys.path[:0] = kept if own in map(_absolute, kept) else [*kept, own]


def engine_flags() -> list[str]:
    """For the engine as a process of this Python. `-P`: a file in the working folder is never imported; `-E`:
    nothing of Python's own is decided by the environment, unless that is where it finds itself or us."""
    placed = any(map(os.environ.get, ("PYTHONHOME", "PYTHONUSERBASE", "PYTHONPLATLIBDIR")))
    return ["-P"] if placed or _own() in map(_absolute, _pythonpath_parts()) else ["-P", "-E"]


def _pythonpath_parts() -> list[str]:
    told = "" if sys.flags.ignore_environment else os.environ.get("PYTHONPATH", "")
    return told.split(os.pathsep) if told else []


def _own() -> str:
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - before pathlib


def _absolute(part: str) -> str:
    try:
        return os.path.abspath(part)  # noqa: PTH100 - before pathlib
    except OSError:  # the working folder is gone
        return part

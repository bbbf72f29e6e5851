"""A pager for what is longer than the screen, as git has it; nothing of it where stdout is no terminal.

`OEE_PAGER`, then `PAGER`, then `less -FRX`; `cat` or an empty one is none. Lines go to it as they come, and
leaving it early ends the listing, quietly.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, islice
from typing import IO

from oee_cli.cli_errors import CliError
from oee_cli.output import Output

_DEFAULT = "less -FRX"
#: What makes a command one for the shell.
_SHELL = re.compile(r"[|&;<>()$`\\\"'*?\[#~=%]")


def page_list(output: Output, lines: Iterator[str], *, pager: bool) -> None:
    """Writes the lines to stdout, by way of the pager where they don't fit the screen."""
    command = _find_pager(os.environ) if pager and _is_screen() else None
    told: Iterable[str] = (output.marks(output.named(line, sys.stdout), sys.stdout) + "\n" for line in lines)
    if command is not None:
        # One line of the screen is the shell's.
        height = shutil.get_terminal_size((80, 24)).lines
        start = list(islice(told, height))
        told = chain(start, told)
        if len(start) == height:
            _run_pager(told, command)
            return
    sys.stdout.writelines(told)
    sys.stdout.flush()


def _is_screen() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _find_pager(environ: Mapping[str, str]) -> Sequence[str] | None:
    """The pager to run; `None` where none is wanted or it isn't there."""
    text = next((environ[name] for name in ("OEE_PAGER", "PAGER") if name in environ), _DEFAULT)
    try:
        words = shlex.split(text)
    except ValueError:
        return None
    program = next((word for word in words if "=" not in word), "cat")
    if program == "cat" or shutil.which(program) is None:
        return None
    return ["/bin/sh", "-c", text] if _SHELL.search(text) else words


def _run_pager(lines: Iterable[str], command: Sequence[str]) -> None:
    # As git does: where the user says nothing, less shows colours and leaves on the screen what was read.
    environ = {"LESS": "FRX"} | os.environ
    process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environ)
    assert process.stdin is not None
    with _ignore_interrupts():
        try:
            fault = _feed_pager(process.stdin, lines)
            process.wait()
        except BaseException:
            # It puts the terminal in order before it goes.
            process.terminate()
            process.wait()
            raise
    if fault is not None:
        raise fault


def _feed_pager(pipe: IO[bytes], lines: Iterable[str]) -> CliError | None:
    """Gives the pager everything, or as much as it wants. A fault is told once it has been left."""
    fault = None
    # Closing writes what is left, too.
    with suppress(BrokenPipeError), pipe:
        try:
            for line in lines:
                pipe.write(line.encode())
        except CliError as e:
            fault = e
    return fault


@contextmanager
def _ignore_interrupts() -> Iterator[None]:
    """Ctrl-C is the pager's while it has the terminal."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)

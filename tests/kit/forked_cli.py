"""The life of a command that was forked with everything imported. The engine it starts is forked, too."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import socket
import subprocess
import sys
import tempfile
from types import SimpleNamespace
from typing import IO, Any

# What nearly every command imports late.
import platformdirs.unix  # noqa: F401

from tests.kit import forks


def become_command(arguments: list[str]) -> None:
    """The command's life; it never returns."""
    sys.argv = ["oee", *arguments]
    from oee_cli.__main__ import main
    from oee_cli.api import client_hush
    from oee_cli.api import client_launcher as launcher
    from oee_cli.backup import backup_run
    from oee_cli.wallet import wallet_engine

    if os.environ.get("OEE_DEBUG") == "1":
        # Decided where it is imported.
        logging.getLogger().handlers.clear()
        importlib.reload(client_hush)
    with contextlib.suppress(OSError):
        forks.hand_on(socket.socket(fileno=3))
        ours = SimpleNamespace(**vars(subprocess) | {"Popen": _started, "run": _run})
        for starts in (launcher, backup_run, wallet_engine):
            setattr(starts, "subprocess", ours)  # noqa: B010
        setattr(launcher, "DaemonProcess", _started)  # noqa: B010
        sys.addaudithook(_refuse_imports_anew)
    try:
        main()
    except BaseException as e:
        os._exit(e.code if isinstance(e, SystemExit) and isinstance(e.code, int) else 99)


def _refuse_imports_anew(event: str, told: Any) -> None:
    """An engine that is started past `_started` and `_run` would do as well, in ten times the time."""
    assert event != "subprocess.Popen" or "oee_daemon" not in told[1], told[1]


def _started(
    argv: list[str],
    *,
    stdout: int,
    stderr: int | IO[bytes],
    cwd: str | None = None,
    **how: Any,
) -> forks.Running:
    """What the command line starts by `subprocess.Popen`: the engine comes from the process that forks it."""
    assert how.pop("stdin") == subprocess.DEVNULL and set(how) <= {"start_new_session"}
    arguments, folder = argv[argv.index("oee_daemon") + 1 :], cwd or os.getcwd()
    environ = dict(os.environ)
    err = stderr if isinstance(stderr, int) else stderr.fileno()
    with open(os.devnull, "rb") as nothing:
        if stdout != subprocess.PIPE:
            return forks.engine(arguments, [nothing.fileno(), stdout, err], environ, folder)
        read, written = os.pipe()
        started: Any = forks.engine(arguments, [nothing.fileno(), written, err], environ, folder)
        os.close(written)
        started.stdout = open(read, "rb")  # noqa: SIM115  # whoever started it reads it to its end
    return started  # type: ignore[no-any-return]


def _run(argv: list[str], *, input: bytes = b"", **how: Any) -> subprocess.CompletedProcess[bytes]:  # noqa: A002
    """The same to its end, with its streams captured."""
    assert how.pop("stdin", subprocess.DEVNULL) == subprocess.DEVNULL
    assert how.pop("capture_output") and how.pop("cwd") == "/" and not how
    with contextlib.ExitStack() as files:
        streams = [files.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        streams[0].write(input)
        streams[0].seek(0)
        arguments = argv[argv.index("oee_daemon") + 1 :]
        process = forks.engine(arguments, [file.fileno() for file in streams], dict(os.environ))
        code = process.wait()
        for file in streams[1:]:
            file.seek(0)
        return subprocess.CompletedProcess(argv, code, *(file.read() for file in streams[1:]))

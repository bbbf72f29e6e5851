"""`oee` for the shells of tests: a program for their PATH that has each command forked.

Most of a fresh `oee` is Python's start and imports, and a shell starts one for each command. The program
passes arguments, variables, folder and the three streams on to this process, and ends as the command did.
Where a variable decides something while Python starts, it makes itself the real one. It hands on the signals
that end a command, and no other descriptors, limits or ignored signals: where they are the subject, the shell
has to have the real one (`Cli.sh` with `fresh`).
"""

from __future__ import annotations

import ast
import os
import signal
import socket
import sys
import tempfile
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path

from tests.kit import forks

#: Without `site` and with nothing but what is built in: a tenth of what `oee` costs.
_PROGRAM = """#!{python} -IS
import _signal, _socket, array, os, sys
real = {real!r}
fresh = real + sys.argv[1:]
try:
    line = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    line.connect({place!r})
    asked = ascii((sys.argv[1:], dict(os.environ), os.getcwd())).encode()
    rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))
    line.sendmsg([asked], [rights])
    for number in {passed!r}:
        if _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, lambda number, frame: line.send(b"%d" % number))
    code = line.recv(16)
except OSError:
    code = b""
if not code:
    os.execv(fresh[0], fresh)
for stream in (0, 1, 2):
    os.close(stream)
os._exit(int(code) & 255)
"""
_MOST = 1 << 17
#: Signals that who is the shell's child hands on to who is the command.
_PASSED = [int(s) for s in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)]


@cache
def folder(real: tuple[str, ...], name: str = "oee") -> str:
    """Of the program, which stands for the command line `real`. It is there as long as this process."""
    made = tempfile.TemporaryDirectory(prefix="oee-path-")
    place = Path(made.name)
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line.bind(str(place / "line"))
    line.listen(64)
    program = place / name
    program.write_text(
        _PROGRAM.format(python=sys.executable, real=[*real], place=str(place / "line"), passed=_PASSED)
    )
    program.chmod(0o755)
    threading.Thread(target=_serve, args=(line, made, name), daemon=True, name="oee of shells").start()
    return made.name


def _serve(line: socket.socket, made: tempfile.TemporaryDirectory[str], name: str) -> None:
    with made:
        while True:
            asking, _ = line.accept()
            threading.Thread(target=_run, args=(asking, name), daemon=True).start()


def _run(asking: socket.socket, name: str) -> None:
    """One command to its end. Who gets no answer runs the real one."""
    with asking:
        asked, descriptors, _, _ = socket.recv_fds(asking, _MOST, 3)
        try:
            if not asked:
                return
            arguments, environ, where = ast.literal_eval(asked.decode())
            if name == "oee" and not forks.can(environ):
                return
            program = "oee_cli" if name == "oee" else name
            process = forks.Running(program, arguments, environ, descriptors, folder=where)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        threading.Thread(target=_pass_signals, args=(asking, process.pid), daemon=True).start()
        code = process.wait()
        asking.shutdown(socket.SHUT_RD)
        asking.send(b"%d" % (code if code >= 0 else 128 - code))


def _pass_signals(asking: socket.socket, pid: int) -> None:
    """Until the command has ended, or who stands for it was killed."""
    with suppress(OSError):
        while told := asking.recv(16):
            os.kill(pid, int(told))

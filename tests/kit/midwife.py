"""Children of a process, forked from a twin that it had before its first thread.

A daemon with threads, connections and a loop can't fork what is to begin anew. Its midwife can: forked from
it at its birth, it has imported everything and done nothing. What it bears becomes the daemon's child as the
system hands over whoever has lost its parent: to the next above that asks for it.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import socket
import time
import traceback
from collections.abc import Callable
from contextlib import suppress

from oee_daemon.embedded.embedded_child import prepared

#: Linux's number for "mine are those who lose their parent below me" (prctl).
_PR_SET_CHILD_SUBREAPER = 36
#: A request's most bytes: a life's name, arguments and an environment.
_MOST = 1 << 17

#: From the first line of a process to its exit code.
Life = Callable[[list[str]], int]


class Midwife:
    """To be made while there is one thread, by the process whose children it bears. It ends with it."""

    def __init__(self, *lives: Life) -> None:
        self._lives = [life.__name__ for life in lives]
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            gc.freeze()
            prepared(signal.SIGKILL, parent)()
            self._line.close()
            with suppress(BaseException):
                _attend(theirs, parent, {life.__name__: life for life in lives})
            os._exit(1)
        theirs.close()

    def bear(self, life: Life, environ: dict[str, str], descriptors: list[int], arguments: list[str]) -> int:
        """The pid of a new child that lives so; `descriptors` become its first ones."""
        request = json.dumps([life.__name__, environ, arguments]).encode()
        assert len(request) < _MOST and life.__name__ in self._lives
        _adopt(True)
        try:
            socket.send_fds(self._line, [request], descriptors)
            return int(self._line.recv(16))
        finally:
            _adopt(False)


def _adopt(whether: bool) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(whether), 0, 0, 0)


def _attend(line: socket.socket, parent: int, lives: dict[str, Life]) -> None:
    while True:
        request, descriptors, _, _ = socket.recv_fds(line, _MOST, 8)
        if not request:
            return
        told, tell = os.pipe()
        between = os.fork()
        if between == 0:
            between = os.getpid()
            child = os.fork()
            if child:
                os.write(tell, b"%d" % child)
                os._exit(0)
            os._exit(_live(request, lives, descriptors, parent, between))
        os.waitpid(between, 0)
        line.send(os.read(told, 16))
        for descriptor in (told, tell, *descriptors):
            os.close(descriptor)


def _live(request: bytes, lives: dict[str, Life], descriptors: list[int], parent: int, between: int) -> int:
    name, environ, arguments = json.loads(request)
    try:
        while os.getppid() == between:
            time.sleep(0.0005)
        os.setsid()
        prepared(signal.SIGKILL, parent)()
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
        os.closerange(len(descriptors), 256)
        os.environ.clear()
        os.environ.update(environ)
        os.chdir("/")
        return lives[name](arguments)
    except BaseException:
        traceback.print_exc()
        return 1

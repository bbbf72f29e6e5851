"""`oee drill` whose daemons and localnets are forked: it starts and kills a dozen of them.

The process has imported both ends before it forks its midwife. What is killed and frozen is a process of its
own all the same, and the drill's child, as it wants it. The word that a user says to halt is a fresh `oee`.
"""

from __future__ import annotations

import gc
import os
import select
import subprocess
import sys
from types import SimpleNamespace
from typing import IO, Any

from oee_cli.__main__ import main
from oee_cli.drill import drill_localnet_stage, drill_processes, drill_run  # noqa: F401
from tests.kit import forked
from tests.kit.midwife import Midwife


class Born(forked.Process):
    """As much of `subprocess.Popen` as the drill asks of it."""

    stdout: IO[bytes] | None = None

    def wait(self, timeout: float | None = None) -> int | None:
        if self.poll() is None:
            ends = os.pidfd_open(self.pid)
            try:
                if not select.select([ends], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            finally:
                os.close(ends)
        return super().wait()


def _bearing(midwife: Midwife) -> Any:
    def started(
        command: list[str], *, stdout: int | IO[bytes], stderr: IO[bytes], cwd: str, **how: Any
    ) -> Born:
        assert how.pop("stdin") == subprocess.DEVNULL and how.pop("start_new_session") and cwd == "/"
        environ = how.pop("env", dict(os.environ))
        assert not how
        life = forked.localnet if "oee_daemon.networks.localnet" in command else forked.daemon
        module = next(n for n, word in enumerate(command) if word.startswith("oee_daemon"))
        read, written = os.pipe() if isinstance(stdout, int) else (None, stdout.fileno())
        with open(os.devnull, "rb") as nothing:
            streams = [nothing.fileno(), written, stderr.fileno()]
            born = Born(midwife.bear(life, environ, streams, command[module + 1 :]), None)
        if read is not None:
            os.close(written)
            born.stdout = open(read, "rb")  # noqa: SIM115  # whoever started it reads it
        return born

    return started


if __name__ == "__main__":
    gc.disable()
    forked.import_networks()
    gc.freeze()
    gc.enable()
    started = _bearing(Midwife(forked.daemon, forked.localnet))
    for starts in (drill_processes, drill_localnet_stage):
        setattr(starts, "subprocess", SimpleNamespace(**vars(subprocess) | {"Popen": started}))  # noqa: B010
    sys.argv[0] = "oee"
    main()

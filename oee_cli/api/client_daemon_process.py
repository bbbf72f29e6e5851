"""The process of the daemon, for whoever starts one."""

from __future__ import annotations

import subprocess


class DaemonProcess(subprocess.Popen[bytes]):
    """It is meant to outlive whoever started it, which is nothing to warn of."""

    def __del__(self) -> None:
        pass

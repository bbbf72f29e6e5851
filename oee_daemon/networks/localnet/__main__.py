"""`python -m oee_daemon.networks.localnet FILE --listen PATH|HOST:PORT`: see `localnet_process`."""

from __future__ import annotations

import gc

if __name__ == "__main__":
    # What is imported stays: to look through it for garbage again and again is a fifteenth of the start.
    gc.disable()

import sys

from oee_daemon.networks.localnet.localnet_process import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

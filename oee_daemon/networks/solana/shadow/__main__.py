"""`python -m oee_daemon.networks.solana.shadow --network NAME --for SECONDS`: see `shadow_process`."""

from __future__ import annotations

import sys

from oee_daemon.networks.solana.shadow.shadow_process import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

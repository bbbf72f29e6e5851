"""Where wallets lie: `wallets/` in the home, or wherever the setting `wallet` points.

A wallet's name is its file's, in the letters that a backup takes along too.
"""

from __future__ import annotations

from pathlib import Path

from oee_daemon.contract import home_files
from oee_daemon.settings import Settings


def wallet_file(home: Path, name: str) -> Path:
    """The file of the wallet called `name`."""
    return home / home_files.WALLET.format(name)


def wallet_path(settings: Settings) -> Path:
    """The file of the wallet that the engine signs with: the one that was set, else the network's own."""
    given = settings.wallet or settings.network
    return Path(given) if "/" in given else wallet_file(settings.home, given)

"""Wallets: a key in a file, plain or sealed by a passphrase, and the one place that signs with it.

`key_signer` signs; `key_file` finds out what a file is, opens it and writes a new one; `key_pair_file` and
`key_sealed_file` are its two formats; `key_secret` reads what people import; `key_passphrase` is what seals.
Nothing here asks a person, logs, or makes a key by itself.
"""

from oee_daemon.networks.wallet.key_file import make_wallet, open_wallet
from oee_daemon.networks.wallet.key_signer import Wallet

__all__ = ["Wallet", "make_wallet", "open_wallet"]

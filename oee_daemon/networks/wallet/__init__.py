"""Wallets: a key in a file, plain or sealed by a passphrase, and the one place that signs with it.

`signer` signs; `wallet_file` finds out what a file is, opens it and writes a new one; `keypair_file` and
`sealed_file` are its two formats; `secret_key` reads what people import; `passphrase` is what seals. Nothing
here asks a person, logs, or makes a key by itself.
"""

from oee_daemon.networks.wallet.signer import Wallet
from oee_daemon.networks.wallet.wallet_file import make_wallet, open_wallet

__all__ = ["Wallet", "make_wallet", "open_wallet"]

"""The bytes by which a worker says that it lives, and how it stands with the wallet's key."""

#: How it stands: the key is open; it is not; it is not, and the passphrase's file was of no use.
UNLOCKED, LOCKED, FAILED_FILE = b"u", b"l", b"f"
#: The answers to a passphrase that was handed over: it opened the key; it did not.
OPENED, WRONG = b"O", b"W"

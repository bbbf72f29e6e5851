"""An idempotency key as people give it."""

from __future__ import annotations

from oee_cli.errors import UsageFault

#: What the contract lets a key be long.
_KEY = range(8, 256)


def read_key(key: str | None) -> str | None:
    """An idempotency key that can travel in a header. Raises `UsageFault`."""
    if key is None:
        return None
    if len(key) not in _KEY or not key.isascii() or not key.isprintable() or key != key.strip():
        raise UsageFault(
            "--idempotency-key takes 8 to 255 plain characters.",
            hint='For example --idempotency-key "$(uuidgen)"',
        )
    return key

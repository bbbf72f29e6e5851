"""Reads an idempotency key as people give it."""

from __future__ import annotations

from oee_cli.cli_errors import UsageFault
from oee_daemon.contract.protocol import KEY_LENGTH


def read_key(key: str | None) -> str | None:
    """An idempotency key that can travel in a header. Raises `UsageFault`."""
    if key is None:
        return None
    least, most = KEY_LENGTH
    if not least <= len(key) <= most or not key.isascii() or not key.isprintable() or key != key.strip():
        raise UsageFault(
            f"--idempotency-key takes {least} to {most} plain characters.",
            hint='For example --idempotency-key "$(uuidgen)"',
        )
    return key

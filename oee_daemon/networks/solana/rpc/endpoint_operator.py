"""Whose an RPC endpoint is, as far as its name tells: two of one operator are one word. Pure."""

from __future__ import annotations

import ipaddress


def operator_of(name: str) -> str:
    """The part of the host's name that somebody registers, as far as its labels tell; two keys at one host
    are numbered behind its name."""
    host = name.partition(" (")[0].lower()
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return ".".join(host.rsplit(".", 2)[-2:])

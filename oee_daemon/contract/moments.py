"""Moments as both ends write them."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(at: datetime, timespec: str = "auto") -> str:
    """`2026-11-23T10:00:00.5Z`: in UTC, as exact as `timespec` of `datetime.isoformat` says."""
    return at.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")

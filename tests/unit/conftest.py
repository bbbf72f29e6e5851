"""Properties are searched the same way on every machine, and a slow one is no failure."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("oee", max_examples=60, deadline=None, derandomize=True, database=None)
settings.load_profile("oee")

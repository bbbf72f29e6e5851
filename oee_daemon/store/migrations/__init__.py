"""The steps from each release's tables to this one's, and what takes them."""

from oee_daemon.store.migrations.migration_revision import HEAD, current, known, migrate, require, why_left

__all__ = ["HEAD", "current", "known", "migrate", "require", "why_left"]

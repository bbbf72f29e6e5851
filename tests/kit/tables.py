"""The engine's tables as SQLAlchemy knows them, for tests that write or look behind it: nothing is said of
them here but their names, and their columns are those of the migrated template."""

from __future__ import annotations

from sqlalchemy import Engine, MetaData, Table
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.types import BigInteger

_metadata = MetaData()
orders = Table("orders", _metadata)
order_events = Table("order_events", _metadata)
swaps = Table("swaps", _metadata)
execution_slots = Table("execution_slots", _metadata)
spent_keys = Table("spent_keys", _metadata)
watch = Table("watch", _metadata)
returned = Table("returned", _metadata)
feeds = Table("feeds", _metadata)
gaps = Table("gaps", _metadata)


def read_columns(db: Engine) -> None:
    """Once, before anybody names a column."""
    # SQLAlchemy does not know the number of a transaction.
    PGDialect.ischema_names["xid8"] = BigInteger
    _metadata.reflect(db, only=[*_metadata.tables], extend_existing=True)

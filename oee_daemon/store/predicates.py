"""What queries ask of a row of `orders`, each named once; statements are composed from these.

A predicate names its columns without a table and has no parameter unless its comment says so. Sets of
statuses come from `contract.status` and are never written out anywhere else. No statement stands here.
"""

from __future__ import annotations

from collections.abc import Iterable

from oee_daemon.contract import status
from oee_daemon.contract.order_types import URGENT
from oee_daemon.contract.status import Status

#: A lease or a due time further ahead than this comes from a clock that jumped.
ABSURD = "interval '120 seconds'"
#: The queue and Postgres tell the time apart: an order that is due within this long counts as due.
TOLERANCE = "interval '20 milliseconds'"


def over(lease: str) -> str:
    """The lease of a row of another table is over, or from a clock that jumped. `lease`: its column."""
    return f"({lease} <= clock_timestamp() OR {lease} > clock_timestamp() + {ABSURD})"


def status_in(statuses: Iterable[Status]) -> str:
    """The order's status is one of these."""
    return f"status IN ({', '.join(repr(s.value) for s in sorted(statuses))})"


# To find such orders among all: in the words of the partial indexes, which name no status, for an update that
# changes no indexed column leaves every index alone. `orders_runnable` and `orders_finished` of the schema
# hold that both wordings mean the same.

#: The order may be claimed, rung and counted as due, stuck or overdue. Index `orders_due`.
RUNNABLE = "next_run_at IS NOT NULL"
#: The order waits for its condition. Index `orders_waiting`.
WAITING = "(finished_at IS NULL AND next_run_at IS NULL)"
#: Not final.
LIVE = f"({RUNNABLE} OR {WAITING})"

# To ask it of orders that were found otherwise, by their ids: in words of no index, and of which none
# follows, for Postgres may take an index on what is due for the way to one order, and read every one that is.

IS_RUNNABLE = status_in(status.RUNNABLE)
IS_LIVE = status_in(status.LIVE)
MAY_CANCEL = status_in(status.MAY_CANCEL)

#: The order can't wait for a place that others hold: it may take an urgent one. Index `orders_urgent`.
IS_URGENT = f"type IN ({', '.join(repr(kind.value) for kind in sorted(URGENT))})"
#: The order's time is over. What waits may have no end.
EXPIRED = "(expires_at <= clock_timestamp()) IS TRUE"
#: To go on with the order a swap has to be signed: a worker whose wallet is locked leaves it alone.
NEEDS_KEY = f"({status_in(status.UNSENT)} AND NOT {EXPIRED})"
#: A worker holds the order, and not by a clock that jumped.
HELD = f"(lease_until BETWEEN clock_timestamp() AND clock_timestamp() + {ABSURD}) IS TRUE"
#: The next run of an order that was found otherwise may begin. Of a comparison alone, which no null passes,
#: Postgres concludes that the index `orders_due` serves; of `coalesce` it concludes nothing.
IS_DUE = f"""coalesce(next_run_at <= clock_timestamp() + {TOLERANCE}
            OR next_run_at > clock_timestamp() + {ABSURD}, false)"""
#: Nobody has begun the order's next run for `%(overdue)s`, an interval, after it was due.
OVERDUE = f"(next_run_at <= clock_timestamp() - %(overdue)s OR next_run_at > clock_timestamp() + {ABSURD})"

#: What a trailing stop is armed with until its watcher has seen a first price: no market ever meets it.
UNMET = "CASE side WHEN 'buy' THEN 1e30 ELSE 0 END"

#: The engine is halted: nothing may be signed or sent. See `halt_row`.
HALTED = "EXISTS (SELECT FROM halt WHERE one = 1 AND halted)"
#: A swap of the order was signed, and may be on the chain.
IS_SENT = status_in(status.LIVE - status.UNSENT)
#: A halt leaves the order to be worked on: what was sent is asked about, and what has lapsed expires.
MAY_RUN = f"(NOT {NEEDS_KEY} OR NOT {HALTED})"


def there(timeline: str, started: str) -> str:
    """The database is where it was last looked at, by these two values of `engine_row.Where`; true where the
    second is null. On another timeline, or started since, it may have forgotten what was sent. (To ask each
    time for the server's identifier would read a file.)"""
    return f"""CASE WHEN {started} IS NULL THEN true
            ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) = {timeline}
                AND pg_postmaster_start_time() = {started} END"""


#: `there`, for a statement that is run with `engine_row.place`.
IS_THERE = there("%(timeline)s::text", "%(started)s::timestamptz")

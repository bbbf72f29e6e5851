"""What queries ask of a row of `orders`, each named once; statements are composed from these.

A predicate names its columns without a table and has no parameter unless its comment says so. Sets of
statuses come from `contract.status` and are never written out anywhere else. No statement stands here.
"""

from __future__ import annotations

from collections.abc import Iterable

from oee_daemon.contract import status
from oee_daemon.contract.status import Status

#: A lease or a due time further ahead than this comes from a clock that jumped.
ABSURD = "interval '120 seconds'"
#: The queue and Postgres tell the time apart: an order that is due within this long counts as due.
TOLERANCE = "interval '20 milliseconds'"


def status_in(statuses: Iterable[Status]) -> str:
    """The order's status is one of these."""
    return f"status IN ({', '.join(repr(s.value) for s in sorted(statuses))})"


#: Not final, in the words of the partial indexes: only the last move writes that column, and an update that
#: changes no indexed column leaves every index alone.
LIVE = "finished_at IS NULL"
#: The order may be claimed. An order that waits for its condition may not.
RUNNABLE = f"({LIVE} AND {status_in(status.RUNNABLE)})"
WAITING = f"({LIVE} AND {status_in([Status.WAITING])})"
MAY_CANCEL = status_in(status.MAY_CANCEL)
#: The order's time is over.
EXPIRED = "expires_at <= clock_timestamp()"

#: A worker holds the order, and not by a clock that jumped.
HELD = f"(lease_until BETWEEN clock_timestamp() AND clock_timestamp() + {ABSURD}) IS TRUE"
#: The order's next run may begin; of use beside RUNNABLE only.
DUE = (
    f"(next_run_at <= clock_timestamp() + {TOLERANCE} OR next_run_at > clock_timestamp() + {ABSURD}) IS TRUE"
)
#: Nobody has begun the order's next run for `%(overdue)s`, an interval, after it was due.
OVERDUE = (
    f"(next_run_at <= clock_timestamp() - %(overdue)s OR next_run_at > clock_timestamp() + {ABSURD}) IS TRUE"
)

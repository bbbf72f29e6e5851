"""Which settings protect money, and whether the value in force protects as much as one that somebody has set.

A daemon keeps what it read when it started, and whoever places an order may have set something since, or in
another shell. So the command line sends what was set, and the daemon refuses what it would not keep.
"""

from __future__ import annotations

from oee_daemon.contract.setting_table import BY_NAME

#: In force may be: no more than that, nothing but some of those, only the same.
MOST, AMONG, SAME = "most", "among", "same"
#: By setting. The network has a header of its own.
PROTECTS = {
    "venues": AMONG,
    "max_impact": MOST,
    "fee_cap": MOST,
    "max_order": MOST,
    "max_daily": MOST,
    "max_slippage": MOST,
    "max_open": MOST,
    "tokens": AMONG,
    "wallet": SAME,
}
#: Those that bind an order while it is executed: each worker has them of its own.
OF_WORKERS = ("venues", "max_impact", "fee_cap")


def is_kept(name: str, stated: str, in_force: str | None) -> bool:
    """Whether what is in force protects as much as what was stated; `None`: nothing is set, and all goes.
    Names that mean the same have to be the same text by now."""
    rule = PROTECTS[name]
    if in_force is None or rule == SAME:
        return in_force == stated
    if rule == AMONG:
        return set(in_force.split(",")) <= set(stated.split(","))
    read = BY_NAME[name].read
    return bool(read(in_force) <= read(stated))

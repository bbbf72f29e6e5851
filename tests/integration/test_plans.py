"""How Postgres finds the rows that are asked for by batches, under plans that are made once and then kept.

A connection of the line plans each statement once, maybe while there are no orders at all, and keeps that
plan for as long as it lives: it has to be the right one for a million.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from oee_daemon.networks.simulated import simulated_faults, simulated_ledger
from oee_daemon.store import lease_sql, move_sql
from oee_daemon.store.database import dial
from oee_daemon.store.postgres_line import SETTINGS, Batch

#: Tables that grow with orders. Of any other one a few rows are all there is.
GROWING = {"orders", "order_events", "swaps", "spent_keys", "sim_ledger", "order_groups"}
MODULES = (move_sql, simulated_ledger, simulated_faults)
KINDS = [b for module in MODULES for b in vars(module).values() if isinstance(b, Batch)]
KINDS.append(lease_sql._claim("market"))


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


@pytest.mark.parametrize("batch", KINDS, ids=lambda batch: batch.name)
def test_a_plan_made_without_any_order_looks_each_one_up(db: Engine, batch: Batch) -> None:
    with dial(db.url, SETTINGS) as conn:
        conn.execute(f"PREPARE looked_at (jsonb) AS {batch.texts[-1]}".encode())
        told = conn.execute("EXPLAIN (FORMAT JSON) EXECUTE looked_at ('[]')").fetchone()
    assert told is not None
    found = json.loads(told[0]) if isinstance(told[0], str) else told[0]
    read = [
        n for n in nodes(found[0]["Plan"]) if n.get("Relation Name") in GROWING and "Scan" in n["Node Type"]
    ]
    assert [n for n in read if "Index Cond" not in n] == []

"""The simulated network makes its own tables, whoever opens it and however many at once."""

from __future__ import annotations

import re
import threading
from urllib.parse import quote

from sqlalchemy import Engine, inspect

from oee_daemon.contract.planned_faults import ORDER_FAULT
from oee_daemon.networks.simulated.simulated_schema import open_schema
from oee_daemon.store import migrations
from tests.kit.simulated_tables import sim_faults, simulation

OPENINGS = 12


def test_many_who_open_it_at_once_all_find_its_tables(db: Engine, database_url: str) -> None:
    with db.connect() as conn:
        conn.exec_driver_sql("DROP SCHEMA public CASCADE")
        conn.exec_driver_sql("CREATE SCHEMA public")
    migrations.migrate(db)
    together = threading.Barrier(OPENINGS)
    found: list[int] = []

    def open_and_ask() -> None:
        network = open_schema(database_url)
        together.wait()
        with network.connect() as conn:
            found.append(conn.exec_driver_sql("SELECT count(*) FROM sim_ledger").scalar_one())
        network.dispose()

    threads = [threading.Thread(target=open_and_ask) for _ in range(OPENINGS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [0] * OPENINGS
    inspected = inspect(db)
    for table in simulation.tables.values():
        there = [column["name"] for column in inspected.get_columns(table.name)]
        assert there == [column.name for column in table.columns], "in Postgres as in a file"


def test_where_nothing_may_be_written_it_opens_with_the_tables_that_are_there(database_url: str) -> None:
    options = quote("-c default_transaction_read_only=on")
    network = open_schema(f"{database_url}&options={options}")
    with network.connect() as conn:
        assert conn.exec_driver_sql("SHOW transaction_read_only").scalar_one() == "on"
        assert conn.exec_driver_sql("SELECT count(*) FROM sim_ledger").scalar_one() == 0
    network.dispose()


def test_a_fault_is_ordered_by_every_column_that_says_something() -> None:
    named = set(re.findall(r":(\w+)", ORDER_FAULT))
    assert named == {column.name for column in sim_faults.columns} - {"id"}

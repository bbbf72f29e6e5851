"""How the address of one's own Postgres is read: by all of us as by libpq."""

from __future__ import annotations

import pytest
from sqlalchemy.dialects import postgresql

from oee_daemon.start_errors import BadSetting
from oee_daemon.store.database import address_of

#: Addresses that libpq reads, with what a connection is opened with by them.
ADDRESSES = {
    "postgresql://u@a:1,[::1]:2/d?target_session_attrs=any": {
        "host": "a,::1", "port": "1,2", "user": "u", "dbname": "d", "target_session_attrs": "any",
    },
    "postgres://u:p%40%25@%2Ftmp%2Fa%20b:5433/d%C3%BC": {
        "host": "/tmp/a b", "port": "5433", "user": "u", "password": "p@%", "dbname": "dü",
    },
    "postgresql+psycopg:///d?host=/tmp": {"host": "/tmp", "dbname": "d"},
    "postgresql://u@h/d?host=a:1&host=b:2": {"host": "a,b", "port": "1,2", "user": "u", "dbname": "d"},
    "postgresql://u:12/cd@h/d": {"host": "h", "user": "u", "password": "12/cd", "dbname": "d"},
    "postgresql://h/d?options=-c+search_path%3Dx": {
        "host": "h", "dbname": "d", "options": "-c search_path=x",
    },
    "postgresql://h/d?options=-csearch_path%3Dx%20-cjit%3Don": {
        "host": "h", "dbname": "d", "options": "-csearch_path=x -cjit=on",
    },
}  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_leads_where_it_leads_postgres_s_own_programs(address: str) -> None:
    found: dict[str, str] = postgresql.psycopg.dialect().create_connect_args(address_of(address))[1]  # type: ignore[no-untyped-call]
    assert {name: str(value) for name, value in found.items()} == ADDRESSES[address]


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("postgresql://h/d?foo=bar", "foo"),
        ("postgresql://h/d?sslmode=require&prepare_threshold=5", "prepare_threshold"),
        ("postgresql://h/d?autocommit=0", "autocommit"),
        ("postgresql://h/d?host=a:1&host=b:2&sslmod=require", "sslmod"),
    ],
)
def test_a_parameter_that_would_not_count_is_refused_by_its_name(address: str, named: str) -> None:
    with pytest.raises(BadSetting, match=f"OEE_DATABASE_URL .*: {named}\\."):
        address_of(address)


@pytest.mark.parametrize("address", ["postgresql://u:geheim@h:port/d", "postgresql://u:geheim@[::1/d"])
def test_an_address_that_leads_nowhere_is_refused_in_a_sentence_without_its_password(address: str) -> None:
    with pytest.raises(BadSetting, match="OEE_DATABASE_URL") as refusal:
        address_of(address)
    assert "geheim" not in refusal.value.message

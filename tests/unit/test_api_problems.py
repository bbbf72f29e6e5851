"""What a client is told of a Postgres that can't store its order."""

from __future__ import annotations

import json

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.exc import DBAPIError
from starlette.requests import Request

from oee_daemon.api.api_problems import as_problem

REQUEST = Request({"type": "http", "method": "POST", "path": "/api/orders/execute", "headers": []})


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            errors.DiskFull('could not extend file "base/5/1": No space left on device'),
            "No space left on device",
        ),
        (errors.LockNotAvailable("canceling statement due to lock timeout"), "lock timeout"),
        (errors.QueryCanceled("canceling statement due to statement timeout"), "statement timeout"),
        (errors.TooManyConnections("sorry, too many clients already\nHINT:  None."), "already)"),
        (psycopg.OperationalError("connection refused"), "Postgres can't be reached;"),
    ],
)
def test_one_that_answers_is_not_called_away(error: psycopg.Error, says: str) -> None:
    found = DBAPIError.instance("INSERT", None, error, psycopg.Error)
    assert isinstance(found, DBAPIError)
    answer = as_problem(found, REQUEST)
    told = json.loads(bytes(answer.body))
    assert (answer.status_code, told["code"], told["retryable"]) == (503, "database_unavailable", True)
    assert says in told["detail"] and told["detail"].endswith("; this request stored nothing. Try again.")
    assert ("can't be reached" in told["detail"]) == (error.sqlstate is None)

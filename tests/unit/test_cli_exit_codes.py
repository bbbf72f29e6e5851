"""Exit codes are frozen: the enum against the contract's list, written here by hand."""

from __future__ import annotations

import json
from typing import cast

import pytest

from oee_cli.api.client_response_problems import Response, check_response, error_of_problem
from oee_cli.cli_errors import (
    CliError,
    Forbidden,
    NoSuchOrder,
    OutcomeUnknown,
    Refused,
    Unreachable,
    UsageFault,
)
from oee_cli.exit_codes import MEANINGS, ExitCode, exit_code_of, exit_code_table, worst_exit_code
from oee_daemon.contract.protocol import PROTOCOL
from oee_daemon.contract.shapes import Order

CONTRACT = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 124, 130, 141, 143]


def test_the_codes_are_the_contracts() -> None:
    assert sorted(ExitCode) == CONTRACT
    assert sorted(MEANINGS) == CONTRACT
    assert [int(line.split()[0]) for line in exit_code_table().splitlines() if line[:4].strip()] == CONTRACT


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("confirmed", 0),
        ("failed", 7),
        ("cancelled", 10),
        ("expired", 10),
        ("submitted", 9),
        ("pending", 124),
        ("routing", 124),
        ("building", 124),
    ],
)
def test_a_status_is_a_code(status: str, code: int) -> None:
    assert exit_code_of(cast(Order, {"status": status, "error": None})) == code


def test_what_a_restored_database_can_not_know_is_unknown() -> None:
    error = {"code": "restored_unknown", "message": "m", "retryable": False}
    assert exit_code_of(cast(Order, {"status": "failed", "error": error})) == 9


def test_the_worst_of_many_in_the_contracts_order() -> None:
    order = [1, 6, 9, 7, 3, 2, 124, 10]
    for i, code in enumerate(order):
        assert worst_exit_code([ExitCode.DONE, *(ExitCode(c) for c in reversed(order[i:]))]) == code
    assert worst_exit_code([]) == worst_exit_code([ExitCode.DONE]) == 0
    assert worst_exit_code([ExitCode.DONE, ExitCode.FORBIDDEN]) == 4


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (422, "invalid_amount", UsageFault),
        (422, "idempotency_key_reused", Refused),
        (400, "ambiguous_prefix", UsageFault),
        (401, "unauthorized", Forbidden),
        (403, "foreign_host", Forbidden),
        (404, "not_found", NoSuchOrder),
        (409, "conflict", Refused),
        (503, "database_unavailable", Unreachable),
        (500, "internal", CliError),
    ],
)
def test_a_problem_is_an_error(status: int, code: str, kind: type[CliError]) -> None:
    error = error_of_problem(status, {"code": code, "detail": "Because.", "retryable": status == 503})
    assert type(error) is kind
    assert (error.code, error.message, error.retryable) == (code, "Because.", status == 503)


def response(status: int, headers: dict[str, str], body: object = None) -> Response:
    return Response(status, headers, json.dumps(body).encode())


def test_another_protocol_is_named_with_both_versions_and_the_remedy() -> None:
    refused = response(426, {"OEE-Protocol": "9"}, {"protocol": "9", "version": "9.9.9"})
    for answer in (refused, response(200, {"OEE-Protocol": "9", "OEE-Version": "9.9.9"})):
        with pytest.raises(Unreachable) as e:
            check_response(answer)
        assert "9.9.9" in e.value.message
        assert "0.1.0" in e.value.message
        assert "oee daemon restart" in (e.value.hint or "")
    with pytest.raises(Unreachable):
        check_response(response(200, {}))
    assert check_response(response(200, {"OEE-Protocol": str(PROTOCOL)})).status == 200


def test_the_error_object() -> None:
    error = OutcomeUnknown("What.", hint="Next.", retryable=True)
    assert error.as_dict() == {
        "code": "outcome_unknown",
        "message": "What.",
        "retryable": True,
        "hint": "Next.",
    }


def test_the_table_of_codes_fits_a_terminal_of_80_columns() -> None:
    assert max(map(len, exit_code_table().splitlines())) <= 80

"""Errors of landed swaps, as the RPC gives them, and what they are called here."""

from __future__ import annotations

from typing import Any

import pytest

from oee_daemon.networks.solana.solana_programs import CLMM, CPMM, DLMM, JUPITER, TOKEN
from oee_daemon.networks.solana.solana_refusals import NAMES, NUMBERS, RUNTIME, SENTENCES, rejection


def custom(number: int, place: int = 4) -> dict[str, Any]:
    return {"InstructionError": [place, {"Custom": number}]}


def failed(program: str, number: int) -> str:
    return f"Program {program} failed: custom program error: {number:#x}"


def anchor_error(name: str, number: int) -> str:
    return (
        f"Program log: AnchorError thrown in programs/x/src/lib.rs:346. Error Code: {name}."
        f" Error Number: {number}. Error Message: said so."
    )


CASES: list[tuple[Any, list[str] | None, str, bool]] = [
    # As captured of Jupiter: the name in front of the number.
    (
        custom(6001),
        [anchor_error("SlippageToleranceExceeded", 6001), failed(JUPITER, 6001)],
        "slippage_exceeded",
        True,
    ),
    (custom(6001), [failed(JUPITER, 6001)], "slippage_exceeded", True),
    (custom(6005), [failed(CPMM, 6005)], "slippage_exceeded", True),
    # The number of another program is another error.
    (custom(6001), [failed(CPMM, 6001)], "swap_failed", True),
    (custom(6005), [failed(DLMM, 6005)], "swap_failed", True),
    # A name stays where numbers drift between releases.
    (
        custom(6018),
        [anchor_error("TooLittleOutputReceived", 6018), failed(CLMM, 6018)],
        "slippage_exceeded",
        True,
    ),
    # The innermost program says why.
    (custom(1), [failed(TOKEN, 1), failed(CPMM, 1), failed(JUPITER, 1)], "insufficient_funds", False),
    (custom(6001), None, "swap_failed", True),
    (custom(6001), [], "swap_failed", True),
    ("InsufficientFundsForFee", None, "insufficient_funds", False),
    ({"InsufficientFundsForRent": {"account_index": 1}}, None, "insufficient_funds", False),
    ({"InstructionError": [2, "ComputationalBudgetExceeded"]}, [], "compute_exceeded", True),
    ({"InstructionError": [2, "UninitializedAccount"]}, [], "account_missing", False),
    ("SomethingNew", ["Program log: x"], "swap_failed", True),
    ({"InstructionError": "broken"}, None, "swap_failed", True),
    (7, [None], "swap_failed", True),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("err", "logs", "code", "retryable"), CASES)
def test_an_error_has_a_code(err: Any, logs: list[str] | None, code: str, retryable: bool) -> None:
    found = rejection(err, logs)
    assert (found.code, found.retryable) == (code, retryable)
    assert found.message


def test_what_is_not_known_is_shown_by_its_own_name() -> None:
    assert "SomethingNew" in rejection("SomethingNew", None).message
    assert f"{CPMM[:8]} 6001" in rejection(custom(6001), [failed(CPMM, 6001)]).message


def test_every_code_has_a_sentence() -> None:
    assert {*NAMES.values(), *NUMBERS.values(), *RUNTIME.values()} <= SENTENCES.keys()

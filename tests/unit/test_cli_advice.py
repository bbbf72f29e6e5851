"""What a command advises where its error came without an advice: something that can help."""

from __future__ import annotations

import pytest
import typer

from oee_cli.app import app
from oee_cli.cli_errors import CliError, Refused, Unreachable, UsageFault
from oee_cli.wrong_usage import what_next

COMMAND = typer.main.get_command(app)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (UsageFault("No."), "See: oee buy --help"),
        (Refused("No."), "See: oee buy --help"),
        (Refused("Too much.", code="over_limit"), "oee limits"),
        (Refused("Not known.", code="no_reference_price"), "oee limits"),
        (Unreachable("Nobody."), "oee doctor"),
        (CliError("It can't be read."), "oee doctor"),
    ],
)
def test_the_doctor_is_sent_for_where_something_can_be_out_of_order(error: CliError, advice: str) -> None:
    told = what_next(error, COMMAND, ["buy", "SOL", "USDC", "1"])
    assert advice in told
    assert ("oee doctor" in told) == (advice == "oee doctor")

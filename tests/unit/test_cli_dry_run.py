"""How a dry run ends: as the order itself would, for one order and for each row of a batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oee_cli.api.client_http import Client
from oee_cli.api.client_place_once import dry_run_order
from oee_cli.batch.batch_options import Batch
from oee_cli.batch.batch_reader import Row
from oee_cli.batch.batch_sender import BatchSender
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output
from oee_cli.settings.settings_load import Settings
from tests.unit.order_views import QUOTES, order, quoted

POOR = {"code": "insufficient_funds", "message": "The wallet holds 1 USDC.", "hint": None}
WORSE = {"code": "slippage_exceeded", "message": "The best price is worse.", "hint": None}
SILENT = [quoted("raydium", None, None)]


class Checked(Client):
    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(Settings(home=Path("/nonexistent")), Output())
        self.answer = answer

    def dry_run(self, body: dict[str, Any], key: str | None = None) -> Any:
        return self.answer


@pytest.mark.parametrize(
    ("status", "quotes", "objection", "ends"),
    [
        ("pending", QUOTES, None, ExitCode.DONE),
        ("pending", SILENT, None, ExitCode.FAILED),
        ("waiting", QUOTES, None, ExitCode.DONE),
        ("waiting", SILENT, None, ExitCode.DONE),
        ("pending", QUOTES, POOR, ExitCode.REFUSED),
        ("waiting", SILENT, POOR, ExitCode.REFUSED),
        ("pending", QUOTES, WORSE, ExitCode.FAILED),
    ],
)
def test_it_ends_as_the_order_would(
    capsys: pytest.CaptureFixture[str],
    status: str,
    quotes: list[Any],
    objection: dict[str, Any] | None,
    ends: ExitCode,
) -> None:
    answer = {"order": order(status=status), "quotes": quotes, "objection": objection}
    client = Checked(answer)
    assert dry_run_order(client, Output(), {}, None) is ends
    said = capsys.readouterr()
    assert ("would be accepted" in said.out) is (ends is ExitCode.DONE)
    assert ("Nothing was placed." in said.err) is (ends is not ExitCode.DONE)
    sender = BatchSender(client, Batch(max_inflight=1, dry_run=True), 1, lambda _: None)
    assert sender._check(Row(1, {}, "key")) == ({"line": 1, **answer}, ends)

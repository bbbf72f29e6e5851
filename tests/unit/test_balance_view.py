"""`oee balance` on a narrow terminal."""

from __future__ import annotations

import pytest

from oee_cli.api import client_balance
from oee_cli.text.layout_text import lay_table


@pytest.mark.parametrize("width", [34, 40, 60, 80])
def test_no_amount_is_cut(width: int) -> None:
    row = {"symbol": "JitoSOL", "mint": "J" * 44, "amount": "1000.499994611", "usdPrice": "140.0251"} | {
        "usdValue": "18454299.01",
        "wrapped": False,
        "frozen": "0",
    }
    (line,) = lay_table(client_balance._COLUMNS, [client_balance._row(row)], width)
    said = "".join(cell.text for cell in line)
    assert "JitoSOL" in said and "1,000.499994611" in said
    assert "18,454" not in said.replace("18,454,299.01", "")

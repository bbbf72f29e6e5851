"""What a daemon says of the one before it: which settings that protect money it does not keep."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from oee_daemon.home.home_protection import note
from oee_daemon.settings import Settings


def test_what_is_kept_no_more_is_told_once(tmp_path: Path) -> None:
    strict = Settings(home=tmp_path, max_daily=Decimal(100), tokens="SOL,USDC", fee_cap=5000, wallet="small")
    assert note(tmp_path, strict) == note(tmp_path, strict) == {}
    stricter = Settings(home=tmp_path, max_daily=Decimal(9), tokens="USDC", fee_cap=5000, wallet="small")
    assert note(tmp_path, stricter) == {}
    loose = Settings(home=tmp_path, max_daily=Decimal(10))
    assert note(tmp_path, loose) == {
        "max_daily": ("9", "10"),
        "tokens": ("USDC", None),
        "fee_cap": ("5000", "100000"),
        "wallet": ("small", None),
    }
    assert note(tmp_path, loose) == {}


def test_each_network_of_a_home_has_its_own(tmp_path: Path) -> None:
    note(tmp_path, Settings(home=tmp_path, network="mainnet", max_order=Decimal(5)))
    assert note(tmp_path, Settings(home=tmp_path)) == {}
    assert note(tmp_path, Settings(home=tmp_path, network="mainnet")) == {"max_order": ("5", None)}


def test_one_value_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "protection.simulated.json").write_text('{"max_order": "much", "max_daily": "100"}')
    assert note(tmp_path, Settings(home=tmp_path)) == {"max_daily": ("100", None)}


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"max_daily": "much", "colour": "red"}', '{"tokens": null}']
)
def test_what_cannot_be_read_keeps_no_daemon_from_starting(tmp_path: Path, text: str) -> None:
    (tmp_path / "protection.simulated.json").write_text(text)
    assert set(note(tmp_path, Settings(home=tmp_path))) <= {"tokens"}
    assert note(tmp_path, Settings(home=tmp_path)) == {}

"""What once was said wrongly, of input and surroundings that are nobody's fault: each by its own sentence."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.kit.api_daemon import Shared
from tests.kit.commands import Cli

ROW = "inputToken,outputToken,amount\nUSDC,SOL,10\n"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (ROW.replace(",", ";").encode(), "one column, 'inputToken;outputToken;amount': separate by commas"),
        (ROW.replace(",", "\t").encode(), "separate by commas"),
        (ROW.replace(",", "|").encode(), "separate by commas"),
        (b",inputToken,outputToken,amount\n0,USDC,SOL,10\n", "Column 1 of the CSV has no name"),
        (ROW.replace("\n", "\r").encode(), "end with CR alone"),
        (ROW.encode("utf-16"), "UTF-16 text"),
        (ROW.replace("outputToken", "inputToken").encode(), "inputToken"),
    ],
    ids=["semicolons", "tabs", "bars", "an index", "CR", "UTF-16", "a name twice"],
)
def test_a_table_that_is_none_says_what_was_read(
    cli: Cli, api: Shared, tmp_path: Path, content: bytes, sentence: str
) -> None:
    before = api.stored()
    (tmp_path / "wrong.csv").write_bytes(content)
    done = cli.run("submit", str(tmp_path / "wrong.csv"))
    assert done.returncode == 2 and sentence in " ".join(done.stderr.split()), done.stderr
    assert api.stored() == before


def test_whole_numbers_of_a_data_frame_are_whole(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "frame.csv"
    file.write_text("inputToken,outputToken,amount,slippageBps\nUSDC,SOL,10,25.0\nUSDC,SOL,11,\n")
    done = cli.run("submit", str(file), "--dry-run", "--slippage", "1%")
    found = [json.loads(line)["order"]["slippageBps"] for line in done.stdout.splitlines()]
    assert sorted(found) == [25, 100], done.stderr
    file.write_text("inputToken,outputToken,amount,slippageBps\nUSDC,SOL,10,25.5\n")
    assert cli.run("submit", str(file), "--dry-run").returncode == 2


@pytest.mark.parametrize(
    ("zone", "day", "begins"),
    [
        ("America/Santiago", "2026-09-06", "2026-09-06T04:00:00.000000Z"),
        ("America/Asuncion", "2023-10-01", "2023-10-01T04:00:00.000000Z"),
        ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00.000000Z"),
    ],
)
def test_a_day_without_a_midnight_begins_with_its_first_hour(
    cli: Cli, zone: str, day: str, begins: str
) -> None:
    assert cli.json("stats", "--since", day, TZ=zone)["since"] == begins


def test_a_home_whose_name_is_no_text_is_refused_in_words(cli: Cli) -> None:
    script = "for c in history 'daemon start' 'restore x.oee' paths doctor; do oee $c; echo $?; done"
    done = cli.sh(script, OEE_HOME=os.fsdecode(b"/tmp/oee-\xff"))
    assert "Traceback" not in done.stderr + done.stdout and "fault of ours" not in done.stderr
    codes = [line for line in done.stdout.splitlines() if line.isdigit()]
    assert codes == ["2", "2", "2", "2", codes[-1]] and codes[-1] != "1", done.stdout + done.stderr
    assert done.stderr.count("OEE_HOME can't be ") >= 4


@pytest.mark.parametrize("zone", ["UTC-25", "UTC+24", "XXX-24:59:59", "AAA-23BBB-25,0/0,J365/25", "nonsense"])
def test_a_zone_that_is_none_counts_as_utc(cli: Cli, zone: str) -> None:
    order = cli.json("buy", "SOL", "USDC", "0.1")["orderId"]
    for words in (("show", order), ("history", "--since", "today"), ("waiting",)):
        done = cli.run(*words, TZ=zone)
        assert done.returncode == 0 and "fault" not in done.stderr, done.stderr
    told = cli.json("show", order)
    assert f"{told['createdAt'][:10]} {told['createdAt'][11:19]}" in cli.run("show", order, TZ=zone).stdout

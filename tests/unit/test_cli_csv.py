"""What programs and countries call CSV: what was read is said, and what makes it right."""

from __future__ import annotations

import gzip
import io
from typing import Any

import pytest

from oee_cli.batch.batch_input_lines import Lines
from oee_cli.batch.batch_reader import Row, read_rows
from oee_cli.batch.batch_row_keys import Keys
from oee_cli.cli_errors import UsageFault

HEADER = "inputToken,outputToken,amount,slippageBps"
ROW = "USDC,SOL,10,50"
TABLE = f"{HEADER}\n{ROW}\n"


def rows(text: str | bytes, **defaults: Any) -> list[Row]:
    raw = text.encode() if isinstance(text, str) else text
    return list(read_rows(Lines(io.BytesIO(raw)), defaults, Keys("b")))


@pytest.mark.parametrize(
    ("text", "said", "remedy"),
    [
        (TABLE.replace(",", ";"), "one column, 'inputToken;outputToken;amount;slippageBps'", "semicolons"),
        (TABLE.replace(",", "\t"), "separate by commas", "tabs"),
        (TABLE.replace(",", "|"), "separate by commas", "bars"),
        (f"sep=;\n{TABLE}", "one column, 'sep=;'", "leave it out"),
        (f",{HEADER}\n0,{ROW}\n", "Column 1 of the CSV has no name", "index=False"),
        (f"Unnamed: 0,{HEADER}\n0,{ROW}\n", "'Unnamed: 0'", "index=False"),
        (f"{HEADER},\n{ROW},\n", "Column 5 of the CSV has no name", "comma"),
        (f'"{HEADER}"\n"{ROW}"\n', "stands in quotes", "quotes"),
        (f'"{HEADER}\n{ROW}\n', "a quote is left open", "inputToken"),
        (f"{HEADER},amount\n{ROW},1\n", "'amount' twice", "once"),
        (f"{ROW}\n", "It is 'USDC', 'SOL', '10', '50'", "inputToken"),
        (TABLE.replace("inputToken", "Input Token"), "'Input Token'", "Did you mean inputToken?"),
        (TABLE.replace("amount", "AMOUNT"), "'AMOUNT'", "Did you mean amount?"),
        (TABLE.replace("\n", "\r"), "CR alone", "tr"),
        ('{"amount": 1}\r{"amount": 2}\r', "CR alone", "tr"),
        (TABLE.encode("utf-16"), "UTF-16", "iconv"),
        (TABLE.encode("utf-16-le"), "zero bytes", "iconv"),
        (gzip.compress(TABLE.encode(), mtime=0), "gzip", "zcat"),
        (b"PK\x03\x04\x14\0", "Excel workbook", "CSV"),
    ],
)
def test_a_table_that_can_not_be_read_is_told_what_was_read(
    text: str | bytes, said: str, remedy: str
) -> None:
    with pytest.raises(UsageFault) as e:
        rows(text)
    assert said in e.value.message and remedy in str(e.value.hint)


def test_marks_ends_and_blanks_are_no_part_of_a_table() -> None:
    for text in (
        "\ufeff" + TABLE,
        TABLE.replace("\n", "\r\n"),
        TABLE.replace(",", " , "),
        TABLE + "\n\n,,,\n",
    ):
        (row,) = rows(text)
        assert row.body == {"inputToken": "USDC", "outputToken": "SOL", "amount": "10", "slippageBps": 50}
    (quoted,) = rows('"inputToken", "outputToken", "amount"\n"USDC", "SOL", "10"\n')
    assert quoted.body == {"inputToken": "USDC", "outputToken": "SOL", "amount": "10"}


@pytest.mark.parametrize("text", ["25", "25.0", "25.", "25.000"])
def test_whole_numbers_may_be_written_as_programs_with_gaps_write_them(text: str) -> None:
    (row,) = rows(f"{HEADER}\nUSDC,SOL,10,{text}\n")
    assert row.body["slippageBps"] == 25
    (as_json,) = rows('{"slippageBps": 25.0, "validForS": 3e2}')
    assert as_json.body == {"slippageBps": 25, "validForS": 300}


@pytest.mark.parametrize("amount", ["1,000.50", "1.000,5", "1,5", "1 000", "1'000", "€5", "5%", "1_000"])
def test_a_number_as_a_country_writes_it_is_never_guessed_at(amount: str) -> None:
    (row,) = rows(f'{HEADER}\nUSDC,SOL,"{amount}",50\n')
    assert row.fault is not None and f"amount can't be {amount!r}" in row.fault.message


@pytest.mark.parametrize(
    ("row", "hint"),
    [("USDC,SOL,1,000,50", "thousands"), (f"{ROW},", "ends with a comma"), ("USDC,SOL", None)],
)
def test_a_row_of_another_length_says_why_it_may_be(row: str, hint: str | None) -> None:
    (found,) = rows(f"{HEADER}\n{row}\n")
    assert found.fault is not None and "the first one names 4" in found.fault.message
    assert (hint or "") in str(found.fault.hint)


@pytest.mark.parametrize("amount", ["1e3", "1.5", "007", "10.00"])
def test_plain_numbers_go_to_the_daemon_as_they_stand(amount: str) -> None:
    (row,) = rows(f"{HEADER}\nUSDC,SOL,{amount},\n")
    assert row.body["amount"] == amount

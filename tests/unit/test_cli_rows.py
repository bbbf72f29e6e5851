"""`oee submit` reading lines: what is a row, what is a fault of one line only, and which key a line gets."""

from __future__ import annotations

import io

import pytest

from oee_cli.batch.batch_csv import COLUMNS
from oee_cli.batch.batch_input_lines import Lines
from oee_cli.batch.batch_reader import Row, read_rows
from oee_cli.batch.batch_row_keys import Keys
from oee_cli.cli_errors import UsageFault
from oee_daemon.api.api_answer_schema import OrderIn

GOOD = '{"inputToken": "SOL", "outputToken": "USDC", "amount": 1.5}'
HEADER = "inputToken,outputToken,amount"


def rows(text: str | bytes, batch: str = "b", **defaults: object) -> list[Row]:
    raw = text.encode() if isinstance(text, str) else text
    return list(read_rows(Lines(io.BytesIO(raw)), defaults, Keys(batch)))


def faults(found: list[Row]) -> dict[int, str]:
    return {row.line: row.fault.message for row in found if row.fault is not None}


def test_lines_of_json_keep_their_numbers_and_their_decimals() -> None:
    found = rows(f'\n{GOOD}\n\n{{"amount": 123456789.123456789, "slippageBps": 50}}\n')
    assert [row.line for row in found] == [2, 4]
    assert found[0].body == {"inputToken": "SOL", "outputToken": "USDC", "amount": "1.5"}
    assert found[1].body == {"amount": "123456789.123456789", "slippageBps": 50}


def test_a_bad_line_is_its_own_fault() -> None:
    bad = ["{", '{"a": 1, "a": 2}', '{"amount": NaN}', "[1]", '{"idempotencyKey": "short"}', "x" * 70_000]
    found = rows("\n".join([GOOD, *bad, GOOD]))
    assert [row.line for row in found] == list(range(1, 9))
    assert [row.fault is None for row in found] == [True, *[False] * len(bad), True]


def test_rows_of_csv() -> None:
    found = rows(
        "\ufeffinputToken,outputToken,amount,slippageBps,idempotencyKey\n"
        "USDC,SOL,1.50,50,\n\nUSDC,SOL,2,,my-own-key\nUSDC,SOL\n"
    )
    assert [row.line for row in found] == [2, 4, 5]
    assert found[0].body == {"inputToken": "USDC", "outputToken": "SOL", "amount": "1.50", "slippageBps": 50}
    assert found[1].key == "my-own-key"
    assert found[2].fault is not None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("amount,amount\n1,2\n", "'amount' twice"),
        ("SOL,USDC,1.5\n", "names its fields"),
        ("inputToken;outputToken;amount\nSOL;USDC;1\n", "one column, 'inputToken;outputToken;amount'"),
        ("inputToken,outputToken\nSOL,USDC\n", "does not name amount"),
        (f"{HEADER},slipageBps\nSOL,USDC,1,50\n", "'slipageBps'"),
        (f"[{GOOD}]", "JSON array"),
        ("\n[" + "1," * 90_000 + "1]", "JSON array"),
        (HEADER.encode("utf-16"), "UTF-8"),
    ],
)
def test_what_is_no_input_at_all_is_refused_whole(text: str | bytes, named: str) -> None:
    with pytest.raises(UsageFault) as e:
        rows(text)
    assert named in e.value.message and e.value.hint


def test_a_column_that_is_misspelt_suggests_the_nearest() -> None:
    with pytest.raises(UsageFault) as e:
        rows(f"{HEADER},slipageBps\nSOL,USDC,1,50\n")
    assert "Did you mean slippageBps?" in str(e.value.hint)


def test_a_column_can_be_whatever_the_daemon_reads() -> None:
    assert set(COLUMNS) == {*(f.alias for f in OrderIn.model_fields.values()), "idempotencyKey"}


def test_the_ends_of_lines_and_of_the_input_are_everybodys() -> None:
    json_lines = rows(f"\ufeff{GOOD}\r\n\r\n{GOOD}")
    assert [(row.line, row.fault) for row in json_lines] == [(1, None), (3, None)]
    as_csv = rows(f"\ufeff{HEADER}\r\nSOL,USDC,1\r\n\r\nSOL,USDC,2")
    assert [(row.line, row.body["amount"]) for row in as_csv] == [(2, "1"), (4, "2")]
    assert rows("") == rows("\n \r\n") == rows("\ufeff\n") == []


def test_a_line_that_is_no_text_or_has_no_end_is_the_fault_of_that_line_alone() -> None:
    long = b'{"inputToken": "' + b"x" * 1_000_000 + b'"}'
    raw = b"\n".join([GOOD.encode(), b'{"a": "\xff"}', long, GOOD.encode()])
    found = rows(raw)
    assert [row.line for row in found] == [1, 2, 3, 4]
    assert {n: "UTF-8" in what or "longer" in what for n, what in faults(found).items()} == {2: True, 3: True}
    as_csv = rows(HEADER.encode() + b"\nSOL,USDC,1\nSOL,\xff,1\n" + long + b"\nSOL,USDC,4\n")
    assert sorted(faults(as_csv)) == [3, 4]
    assert [row.body["amount"] for row in as_csv if row.fault is None] == ["1", "4"]


def test_a_row_of_csv_may_take_several_lines_and_has_the_number_of_its_first() -> None:
    found = rows(f'{HEADER}\nSOL,USDC,"1\n"\n\nSOL,USDC,2\n')
    assert [(row.line, row.body["amount"]) for row in found] == [(2, "1"), (5, "2")]


def test_a_quote_left_open_takes_no_more_than_an_orders_worth_and_says_which_lines() -> None:
    found = rows(f'{HEADER}\nSOL,USDC,"1\n' + "SOL,USDC,2\n" * 12_000)
    (line, what), *others = faults(found).items()
    assert (line, others) == (2, [])
    assert "from line 2 to line 5959" in what and "quote" in what
    assert [found[1].line, found[-1].line] == [5960, 12_002]
    assert faults(rows(f'{HEADER}\nSOL,USDC,"1\n')) == {2: "The row can't be read: a quote is left open."}


def test_a_row_that_was_wrong_leaves_nothing_behind() -> None:
    found = rows(f'{HEADER}\nSOL,"a"b,1\nSOL,USDC,2\n')
    assert list(faults(found)) == [2]
    assert found[1].body == {"inputToken": "SOL", "outputToken": "USDC", "amount": "2"}


def test_a_key_is_of_the_line_and_not_of_the_options() -> None:
    """Another --slippage then meets the order that is there, and is refused, instead of placing a second."""
    (plain,), (with_option,) = rows(GOOD), rows(GOOD, slippageBps=70)
    assert plain.key == with_option.key and plain.identity is not None
    assert with_option.body["slippageBps"] == 70
    (own,) = rows('{"idempotencyKey": "my-own-key", "amount": 1}')
    assert (own.key, own.identity) == ("my-own-key", None)


def test_an_absurd_number_costs_nothing() -> None:
    assert rows('{"amount": 1e999999999}')[0].body == {"amount": "1E+999999999"}


class Endless(io.RawIOBase):
    def readline(self, size: int | None = -1) -> bytes:
        return GOOD.encode() + b"\n"


def test_a_long_input_is_read_as_it_is_needed() -> None:
    stream = read_rows(Lines(Endless()), {}, Keys("b"))  # type: ignore[arg-type]
    assert [next(stream).line for _ in range(3)] == [1, 2, 3]

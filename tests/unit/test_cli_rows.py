"""`oee submit` reading lines: what is a row, what is a fault of one line only, and which key a line gets."""

from __future__ import annotations

from oee_cli.errors import UsageFault
from oee_cli.rows import Row, derived_key, read_rows

GOOD = '{"inputToken": "SOL", "outputToken": "USDC", "amount": 1.5}'


def rows(text: str, batch: str | None = "b") -> list[Row]:
    return list(read_rows(text.splitlines(keepends=True), {}, batch))


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


def test_a_header_that_names_a_field_twice_is_refused_whole() -> None:
    try:
        rows("amount,amount\n1,2\n")
    except UsageFault as e:
        assert e.hint
    else:
        raise AssertionError


def test_keys_are_the_same_for_the_same_values_however_written() -> None:
    body = {"inputToken": "SOL", "amount": "1.50"}
    key = derived_key("b", 3, body)
    assert 8 <= len(key) <= 255
    assert key == derived_key("b", 3, {"amount": "1.5", "inputToken": "SOL"})
    assert (
        len(
            {
                key,
                derived_key("c", 3, body),
                derived_key("b", 4, body),
                derived_key("b", 3, {**body, "amount": "2"}),
            }
        )
        == 4
    )


def test_no_batch_no_key() -> None:
    assert rows(GOOD, batch=None)[0].key is None
    assert rows(GOOD)[0].key is not None


def test_an_absurd_number_costs_nothing() -> None:
    assert rows('{"amount": 1e999999999}')[0].body == {"amount": "1E+999999999"}


def test_a_long_input_is_read_as_it_is_needed() -> None:
    def endless() -> object:
        while True:
            yield GOOD + "\n"

    stream = read_rows(endless(), {}, None)  # type: ignore[arg-type]
    assert [next(stream).line for _ in range(3)] == [1, 2, 3]

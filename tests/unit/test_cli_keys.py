"""Keys of a batch's rows: equal exactly where the daemon makes the same order, wherever the row stands."""

from __future__ import annotations

import io
import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oee_cli.batch.batch_earlier import Earlier
from oee_cli.batch.batch_input_lines import Lines
from oee_cli.batch.batch_reader import Row, read_rows
from oee_cli.batch.batch_row_keys import Keys, former_keys
from oee_cli.cli_errors import CliError, NoSuchOrder, Unreachable, UsageFault
from oee_daemon.api import request_wire
from oee_daemon.errors import OeeError
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.orders.terms import Terms
from oee_daemon.orders.tokens import TOKENS

BOOK = TokenBook("simulated", TOKENS.values())
MINTS = {name: t.mint for t in TOKENS.values() for name in (t.symbol.lower(), t.mint)}
JUP = TOKENS["JUP"].mint


def rows(text: str, name: str = "b", **defaults: Any) -> list[Row]:
    return list(read_rows(Lines(io.BytesIO(text.encode())), defaults, Keys(name, name, lambda: MINTS)))


def keys(*bodies: dict[str, Any], name: str = "b", **defaults: Any) -> list[str]:
    return [row.key for row in rows("\n".join(json.dumps(body) for body in bodies), name, **defaults)]


def body(amount: Any = 1, **fields: Any) -> dict[str, Any]:
    return {"inputToken": "USDC", "outputToken": "SOL", "amount": amount, **fields}


def test_a_row_keeps_its_key_wherever_it_stands() -> None:
    before = [body(n) for n in range(20)]
    kept = before[3:9] + before[12:]
    random.Random(7).shuffle(kept)
    now = keys(*kept, body(99))
    assert set(now[:-1]) == {key for key, b in zip(keys(*before), before, strict=True) if b in kept}
    assert now[-1] not in keys(*before)


def test_equal_rows_are_an_order_each_and_of_one_more_that_one_is_new() -> None:
    one, two, three = (keys(*[body()] * count) for count in (1, 2, 3))
    assert len(set(three)) == 3
    assert one == two[:1] and two == three[:2]


def test_what_is_commented_blank_or_wrong_changes_no_other_rows_key() -> None:
    text = f"# {json.dumps(body(1))}\n\n{{not JSON\n{json.dumps(body(2))}"
    assert [row.key for row in rows(text) if row.fault is None] == keys(body(2))
    plain, commented = (
        rows("inputToken,outputToken,amount\n" + text)
        for text in ("USDC,SOL,2\n", "#USDC,SOL,1\n  # off\nUSDC,SOL,2\n")
    )
    assert [row.key for row in plain] == [row.key for row in commented] == keys(body(2))
    assert [row.line for row in commented] == [4]


@pytest.mark.parametrize(
    "same",
    [
        body("1.00"),
        body("1e0"),
        body(inputToken="usdc"),
        body(outputToken=" SOL "),
        body(inputToken=TOKENS["USDC"].mint),
        body(swapMode="ExactIn"),
        body(side="buy"),
        body(slippageBps=50, validForS=300),
        body(slippageBps=50.0),
        body(slippageBps=None, minReceive=None, side=None),
    ],
)
def test_what_makes_the_same_order_is_the_same_row(same: dict[str, Any]) -> None:
    assert keys(same) == keys(body())


@pytest.mark.parametrize(
    "other",
    [
        body("1.01"),
        body("1_0"),
        body(outputToken="JUP"),
        body(swapMode="ExactOut"),
        body(side="sell"),  # refused: it must not be counted with the row that is right
        body(slippageBps=51),
        body(slippageBps="50"),
        body(minReceive=1),
    ],
)
def test_what_makes_another_order_or_none_is_another_row(other: dict[str, Any]) -> None:
    assert keys(other) != keys(body())
    assert keys(other, body())[1] == keys(body())[0]


def test_json_and_csv_are_the_same_row() -> None:
    (as_csv,) = rows("amount,outputToken,inputToken,slippageBps,side\n1.50,sol,USDC,20.0,\n")
    assert [as_csv.key] == keys(body(1.5, slippageBps=20))


def test_what_is_null_is_not_given_and_undoes_no_option() -> None:
    options: dict[str, Any] = {"slippageBps": 10, "validForS": 60}
    (given,) = rows(json.dumps(body(slippageBps=None, validForS=None, maxSpend=None)), **options)
    (empty,) = rows("inputToken,outputToken,amount,slippageBps,validForS\nUSDC,SOL,1,,\n", **options)
    assert given.body == body() | options
    assert empty.body == body("1") | options
    assert given.key == empty.key


VALUES = st.fixed_dictionaries(
    {
        "inputToken": st.sampled_from(["USDC", "usdc", "SOL", "JUP", JUP, "USDT", "none"]),
        "outputToken": st.sampled_from(["SOL", "sol ", "USDC", "JUP"]),
        "amount": st.sampled_from([1, 1.0, "1", "1.00", "01", "1_0", "1e1", "10", 10, "", True, None, "٣"]),
    },
    optional={
        "swapMode": st.sampled_from(["ExactIn", "ExactOut", None, "exactin"]),
        "side": st.sampled_from(["buy", "sell", None, "Buy"]),
        "slippageBps": st.sampled_from([50, 50.0, "50", 0, 51, None, 50.5]),
        "validForS": st.sampled_from([300, 60, 60.0, None, "300"]),
        "minReceive": st.sampled_from([None, 1, "1.0", -1]),
        "maxSpend": st.sampled_from([None, 2]),
    },
)


def made(values: dict[str, Any]) -> Terms | None:
    """The terms that the daemon makes of a body; `None` where it refuses it."""
    try:
        body = request_wire.read_json(json.dumps(values).encode())
        terms = request_wire.read_order(body, BOOK)
        return replace(terms, request_hash=None, far=bool(terms.far))
    except OeeError:
        return None


@given(VALUES, VALUES)
def test_keys_are_the_same_exactly_where_the_daemon_makes_the_same_order(
    one: dict[str, Any], two: dict[str, Any]
) -> None:
    """Whole orders: where the daemon refuses one and takes the other the keys have to differ as well."""
    first, second = made(one), made(two)
    if first is not None or second is not None:
        assert (keys(one) == keys(two)) == (first == second), (first, second)


LIMIT = {"type": "limit", "targetPrice": 140}
STOP = {"type": "stop", "targetPrice": 140, "limitPrice": 160}
SNIPE = {"type": "sniper", "launchTime": "2035-01-01T00:00:00Z", "expiresAt": "2036-01-01T00:00Z"}
GROUP = "ab" * 4 + "-0000-4000-8000-" + "cd" * 6


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (LIMIT, {"targetPrice": "140.00"}),
        (LIMIT, {"targetPrice": "1.4e2", "slippageBps": 50, "validForS": 300, "far": False}),
        (LIMIT | {"oco": GROUP}, {"oco": GROUP.upper()}),
        (STOP, {"limitPrice": "160.0", "slippageBps": 100, "confirmMs": 800.0}),
        (SNIPE, {"launchTime": "2035-01-01T01:00+01:00", "slippageBps": 500, "validForS": 30}),
        (SNIPE, {"expiresAt": "2035-12-31 23:00:00.000-01:00", "swapMode": "ExactIn", "side": "buy"}),
    ],
)
def test_what_waits_is_the_same_row_however_it_is_written(one: dict[str, Any], two: dict[str, Any]) -> None:
    """A spreadsheet makes 140.00 of 140; and what a type brings may be said."""
    assert made(body(**one)) == made(body(**one | two)) is not None
    assert keys(body(**one)) == keys(body(**one | two))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (LIMIT, {"targetPrice": 141}),
        (LIMIT, {"slippageBps": 100}),
        (LIMIT, {"far": True}),
        (LIMIT, {"far": 0}),  # refused, as are the next three
        ({}, {"far": False}),
        (SNIPE, {"launchTime": "2035-01-01T00Z"}),
        (SNIPE, {"launchTime": "2035-01-01T00:00:00"}),
        (STOP, {"limitPrice": "none"}),
        (STOP, {"slippageBps": 50}),
        (STOP, {"confirmMs": 0}),
        (SNIPE, {"validForS": 300}),
    ],
)
def test_what_waits_for_something_else_is_another_row(one: dict[str, Any], two: dict[str, Any]) -> None:
    assert made(body(**one)) != made(body(**one | two))
    assert keys(body(**one)) != keys(body(**one | two))


def test_a_new_token_that_is_named_twice_is_named_once() -> None:
    said = {"type": "sniper", "inputToken": "USDC", "amount": 1, "tokenAddress": JUP, "accept": "lp,fee"}
    more = {"outputToken": JUP, "minLiquidity": 10_000, "side": "buy", "accept": ["fee", "lp"]}
    assert keys(said) == keys(said | more) != keys(said | {"minLiquidity": 9_999})


def test_the_keys_of_0_1_0_are_still_known() -> None:
    """As that release made them, of a batch, the line and what stood in it, null and all."""
    stood = {"inputToken": "USDC", "amount": "1.50", "slippageBps": None}
    made = [*former_keys("/tmp/o.csv", stood, (2, 3))]
    assert made == [
        "batch-92c90c310ff26c06d95852419fd156b31126297eedf7863cc2f0c99383901d29",
        "batch-437a7d1c1a1b53a4d49ea2ef7ee95f4c0b8f9687360a5cf3d6d1c73c5c145a15",
    ]


class Silent:
    """An engine of an earlier release: it does not know the question."""

    def __init__(self, answer: CliError) -> None:
        self._answer = answer

    def read(self, *_: Any, **__: Any) -> Any:
        raise self._answer


@pytest.mark.parametrize("answer", [NoSuchOrder("404"), UsageFault("405"), UsageFault("422")])
def test_a_daemon_that_can_not_say_what_was_placed_is_not_asked_to_place(answer: CliError) -> None:
    made = Keys("b", "b", lambda: MINTS)
    earlier = Earlier(Silent(answer), made)  # type: ignore[arg-type]
    with pytest.raises(Unreachable) as e:
        earlier.found(rows(json.dumps(body())))
    assert e.value.code == "protocol_mismatch" and "oee daemon restart" in str(e.value.hint)

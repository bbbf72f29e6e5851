"""Anything may be typed or piped in: what comes out is a value or an error of ours, nothing else."""

from __future__ import annotations

import io
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from oee_cli.api.client_http import Client
from oee_cli.api.client_order_lookup import find_order
from oee_cli.batch.batch_input_lines import Lines
from oee_cli.batch.batch_reader import Row, read_rows
from oee_cli.batch.batch_row_keys import Keys
from oee_cli.cli_errors import CliError, NoSuchOrder, UsageFault
from oee_cli.output import Output, clean
from oee_cli.settings.settings_load import Settings, load_settings
from oee_cli.text.amount_text import exact_amount, read_amount, read_slippage, short_amount
from oee_cli.text.key_text import read_key
from oee_cli.text.request_text import TradeRequest, make_order_body
from oee_cli.text.terms_text import Terms
from oee_cli.text.time_text import read_duration, read_moment, read_whole_seconds
from oee_daemon.contract.decimals import decimal_text

#: Half characters too, which an argument that is no UTF-8 becomes.
TEXT = st.text(st.characters(), max_size=40)
#: What looks nearly right is where parsers break.
NEARLY = st.from_regex(
    re.compile(r"[-+ ]?[0-9.,_e]{0,12} ?(%|bps|ms|s|m|min|h|d|w|x)?", re.ASCII), fullmatch=True
)
TYPED = TEXT | NEARLY
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TYPED,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TYPED, inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["inputToken", "outputToken", "amount", "slippageBps", "validForS", "maxSpend", "side", "idempotencyKey"]
)


@given(TYPED)
@example("9" * 61)
@example("٣")
@example("1.")
def test_an_amount_is_what_was_typed_or_a_fault_with_a_remedy(typed: str) -> None:
    try:
        sent = read_amount(typed, "The amount")
    except UsageFault as fault:
        assert "The amount" in fault.message and fault.hint
        return
    assert re.fullmatch(r"[0-9]+(\.[0-9]+)?", sent)
    assert Decimal(sent) == Decimal(typed) > 0


@given(TYPED)
@example("1E-9%")
@example("²%")
def test_slippage_is_whole_basis_points_or_a_fault(typed: str) -> None:
    try:
        bps = read_slippage(typed)
    except UsageFault as fault:
        assert "--slippage" in fault.message and fault.hint
        return
    assert type(bps) is int and 0 <= bps <= 10_000


@given(TYPED)
@example("999999999.999999w")
def test_a_duration_is_seconds_or_a_fault(typed: str) -> None:
    try:
        seconds = read_duration(typed, "--timeout")
    except UsageFault as fault:
        assert "--timeout" in fault.message and fault.hint
        return
    assert 0 <= seconds < 1e16
    try:
        assert read_whole_seconds(typed, "--timeout") == seconds >= 1
    except UsageFault as fault:
        assert "--timeout" in fault.message


@given(TYPED | st.datetimes().map(str) | st.dates().map(str))
@example("0001-01-01T00:00:00+23:59")
@example("9999-12-31T23:59:59-23:59")
@example("999999999w")
def test_a_moment_is_in_utc_or_a_fault(typed: str) -> None:
    try:
        moment = read_moment(typed, "--since")
    except UsageFault as fault:
        assert "--since" in fault.message and fault.hint
        return
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", moment, re.ASCII)


@given(TYPED)
def test_a_key_fits_a_header_or_is_a_fault(typed: str) -> None:
    try:
        key = read_key(typed)
    except UsageFault as fault:
        assert "--idempotency-key" in fault.message and fault.hint
        return
    assert key == typed and key.isascii() and 8 <= len(key) <= 255


class Nothing(Client):
    """A daemon without orders; every request has to be one that could be sent."""

    def __init__(self) -> None:
        super().__init__(Settings(home=Path("/nonexistent")), Output())

    def get(self, path: str, params: dict[str, Any] | None = None) -> Any:
        assert path.isascii() and path.isprintable() and " " not in path
        assert path.count("/") == 3 or path == "/api/orders"
        if path == "/api/orders":
            return {"orders": []}
        raise NoSuchOrder("none")


@given(TYPED)
@example("last")
@example("../../healthz")
@example("\udcff" * 8)
def test_an_id_is_asked_for_or_refused_and_never_another_path(typed: str) -> None:
    with pytest.raises((UsageFault, NoSuchOrder)):
        find_order(Nothing(), typed)


@given(
    st.builds(
        TradeRequest,
        side=st.sampled_from(["buy", "sell"]),
        base=TYPED,
        quote=TYPED,
        amount=st.none() | TYPED,
        spend=st.none() | TYPED,
        receive=st.none() | TYPED,
        terms=st.builds(Terms, slippage=st.none() | TYPED),
        valid_for=st.none() | TYPED,
        max_spend=st.none() | TYPED,
        min_receive=st.none() | TYPED,
    )
)
def test_an_order_typed_any_way_is_a_body_or_a_fault(wanted: TradeRequest) -> None:
    try:
        body = make_order_body(wanted)
    except CliError as fault:
        assert isinstance(fault, UsageFault) and fault.message
        return
    assert {"inputToken", "outputToken", "amount", "swapMode"} <= set(body)


@given(st.dictionaries(st.sampled_from(["OEE_HOME", "OEE_URL", "OEE_TOKEN", "OEE_NO_AUTOSTART"]), TYPED))
def test_settings_of_any_text_are_settings_or_a_fault_that_names_one(environ: dict[str, str]) -> None:
    try:
        load_settings(environ, Path("/nonexistent"))
    except UsageFault as fault:
        assert any(name in fault.message for name in environ)


def rows(content: bytes) -> list[Row]:
    return list(read_rows(Lines(io.BytesIO(content)), {}, Keys("b")))


def checked(text: str | bytes) -> None:
    try:
        found = rows(text if isinstance(text, bytes) else text.encode(errors="surrogatepass"))
    except UsageFault as fault:
        # Only what its first line shows may refuse all of it.
        whole = (
            "first row",
            "JSON array",
            "UTF-8",
            "longer than an order",
            "no name",
            "CR alone",
            "begins with",
        )
        assert any(what in fault.message for what in whole) and fault.hint
        return
    assert [r.line for r in found] == sorted({r.line for r in found})
    for row in found:
        if row.fault is None:
            assert row.key and len(row.key) <= 255 and row.key.isascii()
            # What becomes a request has to be JSON.
            json.dumps(row.body)
        else:
            assert row.fault.exit_code == 2 and row.fault.message and not row.body


@given(TEXT | st.lists(TYPED, max_size=6).map("\n".join))
@example('"')
@example("a,a\n1,2")
@example("\x00\n\x00")
@example("amount\n" + "x" * 200_000)
@example("amount\r1\r\n2")
@example("\n\ufeff{}")
def test_lines_of_any_text(text: str) -> None:
    checked(text)


@given(st.binary(max_size=200))
@example(b'{"amount": 1}\n\xff')
def test_lines_of_any_bytes(content: bytes) -> None:
    checked(content)


@given(st.lists(st.dictionaries(FIELDS | TYPED, JSON, max_size=5) | JSON, max_size=5))
@example([{"amount": float("nan")}])
@example([{"idempotencyKey": {"a": 1}}])
@example([{"idempotencyKey": True}])
def test_lines_of_any_json(values: list[Any]) -> None:
    checked("\n".join(json.dumps(value) for value in values))


@given(st.sampled_from([("[", "]"), ("{", "}"), ('{"a":', "}")]), st.integers(1, 30_000), st.booleans())
@example(('{"a":', "}"), 900, True)
def test_lines_nested_past_all_measure(ends: tuple[str, str], depth: int, closed: bool) -> None:
    opening, closing = ends
    checked('{"amount": 1}\n' + opening * depth + "1" + closing * (depth if closed else 0))


@given(st.lists(FIELDS | TYPED, min_size=1, max_size=5), st.lists(st.lists(TYPED, max_size=6), max_size=5))
def test_rows_of_any_csv(names: list[str], cells: list[list[str]]) -> None:
    import csv

    out = io.StringIO()
    writer = csv.writer(out)
    try:
        writer.writerows([["inputToken", "outputToken", "amount", *names], *cells])
    except csv.Error:
        assume(False)
    checked(out.getvalue())


def derived_key(batch: str, nth: int, body: dict[str, Any]) -> str:
    keys = Keys(batch)
    return keys.key(keys.canonical(body), nth)


BODIES = st.dictionaries(FIELDS.filter(lambda n: n != "idempotencyKey"), TYPED | st.integers(), max_size=5)


@given(BODIES, st.integers(1, 10**6), TYPED)
def test_a_derived_key_is_stable_however_the_fields_are_ordered(
    body: dict[str, Any], nth: int, batch: str
) -> None:
    key = derived_key(batch, nth, body)
    assert key == derived_key(batch, nth, dict(reversed(body.items())))
    assert read_key(key) == key


@given(st.decimals(0, 10**30, allow_nan=False, allow_infinity=False, places=9))
def test_every_amount_can_be_shown(value: Decimal) -> None:
    text = decimal_text(value)
    assert Decimal(exact_amount(text).replace(",", "")) == value
    shown = Decimal(short_amount(text).replace(",", ""))
    assert abs(shown - value) <= max(Decimal("0.005"), value / 10_000)


@given(TEXT)
def test_what_is_shown_never_controls_a_terminal(text: str) -> None:
    assert clean(text).isprintable() or not clean(text)

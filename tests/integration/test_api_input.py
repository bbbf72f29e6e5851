"""Every kind of bad input by HTTP: the right code, the field's name, and nothing stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kit.api_daemon import SELL, Shared, shared

BUY = {"inputToken": "USDC", "outputToken": "SOL", "amount": 1, "swapMode": "ExactOut"}
MINT = "So11111111111111111111111111111111111111112"


@pytest.fixture(scope="module")
def api(servers: Any, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with shared(servers, template, tmp_path_factory.mktemp("api") / "h") as running:
        yield running
        # After all that stands below: not one half-order.
        assert running.stored() == 0
        assert running.sql.execute("SELECT count(*) FROM order_events").fetchone() == (0,)


def body(**changes: Any) -> bytes:
    """The plain order with these changes; `...` leaves a field out."""
    return json.dumps({k: v for k, v in (SELL | changes).items() if v is not ...}).encode()


def raw(amount: str) -> bytes:
    return b'{"inputToken":"SOL","outputToken":"USDC","amount":' + amount.encode() + b"}"


#: What is sent, the code of the refusal, the field that it names.
BODIES: list[tuple[str, bytes, str, str]] = [
    ("no body", b"", "invalid_json", "body"),
    ("blank body", b"  \r\n ", "invalid_json", "body"),
    ("no JSON", b"SOL USDC 1.5", "invalid_json", "body"),
    ("form data", b"inputToken=SOL&outputToken=USDC&amount=1", "invalid_json", "body"),
    ("cut off", body()[:-1], "invalid_json", "body"),
    ("two objects", body() * 2, "invalid_json", "body"),
    ("array", b"[" + body() + b"]", "invalid_json", "body"),
    ("text", b'"SOL"', "invalid_json", "body"),
    ("number", b"1", "invalid_json", "body"),
    ("null", b"null", "invalid_json", "body"),
    ("not UTF-8", b'{"inputToken":"\xff\xfe"}', "invalid_json", "body"),
    ("UTF-16", body().decode().encode("utf-16"), "invalid_json", "body"),
    ("byte order mark", b"\xef\xbb\xbf" + body(), "invalid_json", "body"),
    ("raw NUL", b'{"inputToken":"\x00"}', "invalid_json", "body"),
    ("nested too deep", b"[" * 60_000, "invalid_json", "body"),
    ("a name twice", b'{"inputToken":"SOL","inputToken":"JUP"}', "invalid_json", "body"),
    ("single quotes", b"{'inputToken':'SOL'}", "invalid_json", "body"),
    ("trailing comma", b'{"inputToken":"SOL",}', "invalid_json", "body"),
    ("comment", b"{/* */}", "invalid_json", "body"),
    ("NaN", raw("NaN"), "invalid_json", "body"),
    ("Infinity", raw("Infinity"), "invalid_json", "body"),
    ("-Infinity", raw("-Infinity"), "invalid_json", "body"),
    ("leading zero", raw("01"), "invalid_json", "body"),
    ("plus sign", raw("+1"), "invalid_json", "body"),
    ("hexadecimal", raw("0x10"), "invalid_json", "body"),
    ("no digit before the point", raw(".5"), "invalid_json", "body"),
    ("exponent past all bounds", raw("1e9999999999999999999"), "invalid_json", "body"),
    ("empty object", b"{}", "missing_field", "inputToken"),
    ("unknown field", body(price=1), "unknown_field", "price"),
    ("field in another case", body(inputtoken="SOL"), "unknown_field", "inputtoken"),
    ("empty field name", body(**{"": 1}), "unknown_field", ""),
    ("half a surrogate pair as name", b'{"\\ud800":1}', "unknown_field", "?"),
    ("NUL in a name", b'{"\\u0000":1}', "unknown_field", "\0"),
    ("long field name", body(**{"x" * 9000: 1}), "unknown_field", "x" * 60),
    ("another type's field", body(limitPrice="1"), "field_contradicts", "limitPrice"),
    ("a later type's field", body(takeProfit="1"), "unknown_field", "takeProfit"),
    ("a type", body(type="twap"), "invalid_choice", "type"),
    ("a limit without its price", body(type="limit"), "missing_field", "targetPrice"),
    ("a price", body(type="limit", targetPrice="140USDC"), "invalid_price", "targetPrice"),
    ("a price of 0", body(type="limit", targetPrice=0), "invalid_price", "targetPrice"),
    ("a price far off", body(type="limit", targetPrice="1.5"), "price_far", "targetPrice"),
    ("a moment without a zone", body(launchTime="2030-12-01T18:00:00"), "invalid_input", "launchTime"),
    ("a bare date", body(launchTime="2030-12-01"), "invalid_time", "launchTime"),
    ("the end of time", body(launchTime="9999-12-31T23:59:59Z", type="sniper"), "invalid_time", "launchTime"),
    ("last year's date", body(launchTime="2020-12-01T09:00:00Z"), "expired_already", "launchTime"),
    ("a time that is over", body(type="limit", targetPrice="150", expiresAt="2020-12-01T18:00:00Z"),
        "expired_already", "expiresAt"),
    ("an end of what trades at once", body(expiresAt="2030-12-01T18:00:00Z"), "field_contradicts",
        "expiresAt"),
    ("a flag", body(type="limit", targetPrice="150", far="yes"), "invalid_choice", "far"),
    ("a status", body(status="confirmed"), "unknown_field", "status"),
    ("prototype pollution", body(__proto__={}), "unknown_field", "__proto__"),
    ("no input", body(inputToken=...), "missing_field", "inputToken"),
    ("input null", body(inputToken=None), "missing_field", "inputToken"),
    ("input a number", body(inputToken=1), "invalid_input", "inputToken"),
    ("input a list", body(inputToken=["SOL"]), "invalid_input", "inputToken"),
    ("input an object", body(inputToken={"symbol": "SOL"}), "invalid_input", "inputToken"),
    ("input true", body(inputToken=True), "invalid_input", "inputToken"),
    ("input empty", body(inputToken=""), "unknown_token", "inputToken"),
    ("input blank", body(inputToken="  "), "unknown_token", "inputToken"),
    ("input unknown", body(inputToken="DOGE"), "unknown_token", "inputToken"),
    ("input long", body(inputToken="S" * 50_000), "unknown_token", "inputToken"),
    ("input half a surrogate pair", body(inputToken="\ud800"), "unknown_token", "inputToken"),
    ("input NUL", body(inputToken="SOL\0"), "unknown_token", "inputToken"),
    ("input control characters", body(inputToken="\x1b[2J"), "unknown_token", "inputToken"),
    ("input SQL", body(inputToken="SOL'; DROP TABLE orders; --"), "unknown_token", "inputToken"),
    ("input a mint in small letters", body(inputToken=MINT.lower()), "unknown_token", "inputToken"),
    ("input a look-alike", body(inputToken="SОL"), "unknown_token", "inputToken"),
    ("no output", body(outputToken=...), "missing_field", "outputToken"),
    ("output unknown", body(outputToken="DOGE"), "unknown_token", "outputToken"),
    ("output the input", body(outputToken="sol"), "same_token", "outputToken"),
    ("output the input's mint", body(outputToken=MINT), "same_token", "outputToken"),
    ("no amount", body(amount=...), "missing_field", "amount"),
    ("amount null", body(amount=None), "missing_field", "amount"),
    ("amount zero", body(amount=0), "invalid_amount", "amount"),
    ("amount minus zero", raw("-0.0"), "invalid_amount", "amount"),
    ("amount zero, huge exponent", raw("0e999999"), "invalid_amount", "amount"),
    ("amount negative", body(amount=-1.5), "invalid_amount", "amount"),
    ("amount true", body(amount=True), "invalid_amount", "amount"),
    ("amount a list", body(amount=[1.5]), "invalid_amount", "amount"),
    ("amount an object", body(amount={}), "invalid_amount", "amount"),
    ("amount empty text", body(amount=""), "invalid_amount", "amount"),
    ("amount no number", body(amount="lots"), "invalid_amount", "amount"),
    ("amount with a comma", body(amount="1,5"), "invalid_amount", "amount"),
    ("amount with an underscore", body(amount="1_000"), "invalid_amount", "amount"),
    ("amount with a unit", body(amount="1.5 SOL"), "invalid_amount", "amount"),
    ("amount text NaN", body(amount="NaN"), "invalid_amount", "amount"),
    ("amount text sNaN", body(amount="sNaN"), "invalid_amount", "amount"),
    ("amount text Infinity", body(amount="Infinity"), "invalid_amount", "amount"),
    ("amount in other digits", body(amount="１.５"), "invalid_amount", "amount"),
    ("amount long text", body(amount="1" * 50_000), "invalid_amount", "amount"),
    ("amount long number", raw("9" * 50_000), "amount_too_large", "amount"),
    ("amount past a u64", body(amount="18446744073.709551616"), "amount_too_large", "amount"),
    ("amount huge", raw("1e400"), "amount_too_large", "amount"),
    ("amount absurd", raw("1e999999999"), "amount_too_large", "amount"),
    ("amount too fine", body(amount="1.0000000001"), "too_many_decimals", "amount"),
    ("amount tiny", raw("1e-400"), "too_many_decimals", "amount"),
    ("amount tiny past all bounds", raw("1e-999999999"), "too_many_decimals", "amount"),
    ("amount too fine in the 37th digit", raw("1." + "0" * 35 + "1"), "too_many_decimals", "amount"),
    ("swapMode unknown", body(swapMode="Exact"), "invalid_choice", "swapMode"),
    ("swapMode in another case", body(swapMode="exactin"), "invalid_choice", "swapMode"),
    ("swapMode a list", body(swapMode=["ExactIn"]), "invalid_choice", "swapMode"),
    ("swapMode false", body(swapMode=False), "invalid_choice", "swapMode"),
    ("side unknown", body(side="hold"), "invalid_choice", "side"),
    ("side a number", body(side=0), "invalid_choice", "side"),
    ("side contradicts", body(side="buy"), "side_contradicts", "side"),
    ("slippage negative", body(slippageBps=-1), "out_of_range", "slippageBps"),
    ("slippage too much", body(slippageBps=5001), "out_of_range", "slippageBps"),
    ("slippage a fraction", body(slippageBps=0.5), "out_of_range", "slippageBps"),
    ("slippage tiny", body(slippageBps=1e-300), "out_of_range", "slippageBps"),
    ("slippage text", body(slippageBps="50"), "out_of_range", "slippageBps"),
    ("slippage true", body(slippageBps=True), "out_of_range", "slippageBps"),
    ("slippage huge", body(slippageBps=10**300), "out_of_range", "slippageBps"),
    ("validForS zero", body(validForS=0), "out_of_range", "validForS"),
    ("validForS past a week", body(validForS=604_801), "out_of_range", "validForS"),
    ("validForS a fraction", body(validForS=1.5), "out_of_range", "validForS"),
    ("validForS text", body(validForS="300"), "out_of_range", "validForS"),
    ("minReceive zero", body(minReceive=0), "invalid_amount", "minReceive"),
    ("minReceive too fine", body(minReceive="0.0000001"), "too_many_decimals", "minReceive"),
    ("minReceive too large", body(minReceive=1e30), "amount_too_large", "minReceive"),
    ("minReceive exact", json.dumps(BUY | {"minReceive": 1}).encode(), "bound_contradicts", "minReceive"),
    ("maxSpend with ExactIn", body(maxSpend=1), "bound_contradicts", "maxSpend"),
    ("maxSpend negative", json.dumps(BUY | {"maxSpend": -1}).encode(), "invalid_amount", "maxSpend"),
    ("maxSpend text", json.dumps(BUY | {"maxSpend": "x"}).encode(), "invalid_amount", "maxSpend"),
]  # fmt: skip

KEYS: list[tuple[str, list[tuple[bytes, bytes]], str]] = [
    ("key empty", [(b"Idempotency-Key", b"")], "Idempotency-Key"),
    ("key of 7", [(b"Idempotency-Key", b"a" * 7)], "Idempotency-Key"),
    ("key of 256", [(b"Idempotency-Key", b"a" * 256)], "Idempotency-Key"),
    ("key with a tab", [(b"Idempotency-Key", b"abcd\tefgh")], "Idempotency-Key"),
    ("key not ASCII", [(b"Idempotency-Key", "schlüssel".encode())], "Idempotency-Key"),
    ("key not UTF-8", [(b"Idempotency-Key", b"\xff" * 9)], "Idempotency-Key"),
    ("two keys", [(b"Idempotency-Key", b"a" * 8), (b"Idempotency-Key", b"b" * 8)], "Idempotency-Key"),
    ("dry run 0", [(b"OEE-Dry-Run", b"0")], "OEE-Dry-Run"),
    ("dry run true", [(b"OEE-Dry-Run", b"true")], "OEE-Dry-Run"),
    ("dry run empty", [(b"OEE-Dry-Run", b"")], "OEE-Dry-Run"),
    ("dry run twice", [(b"OEE-Dry-Run", b"1"), (b"OEE-Dry-Run", b"1")], "OEE-Dry-Run"),
]

#: The path and query, the code, the field.
QUERIES: list[tuple[str, str, str]] = [
    ("/api/orders?limit=0", "out_of_range", "limit"),
    ("/api/orders?limit=1001", "out_of_range", "limit"),
    ("/api/orders?limit=-1", "out_of_range", "limit"),
    ("/api/orders?limit=many", "invalid_input", "limit"),
    ("/api/orders?limit=", "invalid_input", "limit"),
    ("/api/orders?limit=1e2", "invalid_input", "limit"),
    ("/api/orders?limit=99999999999999999999999999", "out_of_range", "limit"),
    ("/api/orders?limit=1&limit=2", "invalid_input", "limit"),
    ("/api/orders?status=done", "invalid_choice", "status"),
    ("/api/orders?status=pending,done", "invalid_choice", "status"),
    ("/api/orders?status=PENDING", "invalid_choice", "status"),
    ("/api/orders?status=%00", "invalid_choice", "status"),
    ("/api/orders?side=up", "invalid_choice", "side"),
    ("/api/orders?side=", "invalid_choice", "side"),
    ("/api/orders?type=twap", "invalid_choice", "type"),
    ("/api/orders?type=%00", "invalid_choice", "type"),
    ("/api/orders?pair=SOL", "invalid_input", "pair"),
    ("/api/orders?pair=SOL/", "unknown_token", "pair"),
    ("/api/orders?pair=SOL/USDC/JUP", "unknown_token", "pair"),
    ("/api/orders?pair=%F0%28%8C%28/USDC", "unknown_token", "pair"),
    ("/api/orders?token=DOGE", "unknown_token", "token"),
    ("/api/orders?token=%00", "unknown_token", "token"),
    ("/api/orders?since=yesterday", "invalid_input", "since"),
    ("/api/orders?since=2026-11-23T10:00:00", "invalid_input", "since"),
    ("/api/orders?since=2026-13-01T00:00:00Z", "invalid_input", "since"),
    ("/api/orders?until=2026-11-23", "invalid_input", "until"),
    ("/api/orders?until=NaN", "invalid_input", "until"),
    ("/api/orders?until=1e400", "invalid_input", "until"),
    ("/api/orders?cursor=abc", "invalid_input", "cursor"),
    ("/api/orders?cursor=0", "invalid_input", "cursor"),
    ("/api/orders?cursor=-1", "invalid_input", "cursor"),
    ("/api/orders?cursor=9999999999999999999", "invalid_input", "cursor"),
    ("/api/orders?cursor=%D9%A1", "invalid_input", "cursor"),
    ("/api/orders?stauts=failed", "unknown_field", "stauts"),
    ("/api/orders?" + "a" * 9000, "unknown_field", "a" * 60),
    ("/api/fills?cursor=zzz", "invalid_input", "cursor"),
    ("/api/fills?limit=0", "out_of_range", "limit"),
    ("/api/fills?order=1", "unknown_field", "order"),
    ("/api/quotes", "missing_field", "inputToken"),
    ("/api/quotes?inputToken=SOL", "missing_field", "outputToken"),
    ("/api/quotes?inputToken=SOL&outputToken=USDC", "missing_field", "amount"),
    ("/api/quotes?inputToken=SOL&outputToken=USDC&amount=0", "invalid_amount", "amount"),
    ("/api/quotes?inputToken=SOL&outputToken=USDC&amount=", "invalid_amount", "amount"),
    ("/api/quotes?inputToken=SOL&outputToken=USDC&amount=1e999999999", "amount_too_large", "amount"),
    ("/api/quotes?inputToken=SOL&outputToken=SOL&amount=1", "same_token", "outputToken"),
    ("/api/quotes?inputToken=DOGE&outputToken=SOL&amount=1", "unknown_token", "inputToken"),
    ("/api/quotes?inputToken=SOL&outputToken=USDC&amount=1&side=buy", "side_contradicts", "side"),
    ("/api/quotes?inputToken=SOL&outputToken=USDC&amount=1&swapMode=Exact", "invalid_choice", "swapMode"),
    ("/api/tokens?x=1", "unknown_field", "x"),
    ("/healthz?x=1", "unknown_field", "x"),
]


@pytest.mark.parametrize(("sent", "code", "field"), [b[1:] for b in BODIES], ids=[b[0] for b in BODIES])
def test_a_bad_body_is_refused_by_its_field(api: Shared, sent: bytes, code: str, field: str) -> None:
    answer = api.http.post("/api/orders/execute", content=sent)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["code"], problem["field"]) == (code, field)
    assert problem["detail"] and problem["retryable"] is False and len(answer.content) < 2000


def test_objects_within_objects_are_refused_however_deep(api: Shared) -> None:
    """Python 3.14 reads them; before, they are too deep to be read."""
    answer = api.http.post("/api/orders/execute", content=b'{"a":' * 10_000 + b"1" + b"}" * 10_000)
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] in ("invalid_json", "unknown_field")


@pytest.mark.parametrize(("headers", "field"), [k[1:] for k in KEYS], ids=[k[0] for k in KEYS])
def test_a_bad_header_is_refused_by_its_name(
    api: Shared, headers: list[tuple[bytes, bytes]], field: str
) -> None:
    answer = api.http.post("/api/orders/execute", content=body(), headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text


@pytest.mark.parametrize(("path", "code", "field"), QUERIES, ids=[q[0][:70] for q in QUERIES])
def test_a_bad_query_is_refused_by_its_field(api: Shared, path: str, code: str, field: str) -> None:
    answer = api.http.get(path)
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert (problem["code"], problem["field"]) == (code, field)


@pytest.mark.parametrize("size", [65_537, 5_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_past_64_kb_is_413_in_one_piece_or_many(api: Shared, size: int, chunked: bool) -> None:
    text = b" " * size
    pieces = (text[i : i + 4096] for i in range(0, size, 4096))
    answer = api.http.post("/api/orders/execute", content=pieces if chunked else text)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    # The same connection serves the next one.
    assert api.http.get("/healthz").status_code == 200


def test_a_body_of_64_kb_is_read(api: Shared) -> None:
    text = body(amount=0) + b" " * (65_536 - len(body(amount=0)))
    answer = api.http.post("/api/orders/execute", content=iter([text[:60_000], text[60_000:]]))
    assert (answer.status_code, answer.json()["field"]) == (422, "amount")

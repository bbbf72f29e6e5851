"""Hypothesis against the running app, by what `/openapi.json` says: never a 5xx, never a half-order.

Whatever is accepted has an order with its first event; whatever is refused names what was wrong.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oee_daemon.orders.tokens import TOKENS
from tests.kit.api_daemon import Shared, shared

#: Inputs a test; more of them for a night: `OEE_FUZZ_EXAMPLES`, read before the fixtures clear it.
EXAMPLES = int(os.environ.get("OEE_FUZZ_EXAMPLES", "120"))

quick = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

words = st.sampled_from(
    [
        *TOKENS, *[t.mint for t in TOKENS.values()],
        "ExactIn", "ExactOut", "buy", "sell", "market", "pending",
        "SOL/USDC", "confirmed,failed", "", " ", "0", "-1",
        "1.5", "1e9", "1e-9", "NaN", "\0", "é", "2026-11-23T10:00:00Z",
    ]
)  # fmt: skip
numbers = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=0, places=9).map(str),
    st.integers(0, 2**64).map(lambda n: str(Decimal(n).scaleb(-9))),
)
leaves = st.one_of(words, numbers, st.none(), st.booleans(), st.text(max_size=20))
values = st.recursive(
    leaves,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=5), v, max_size=3),
    max_leaves=5,
)
fields = (
    "inputToken", "outputToken", "amount", "swapMode",
    "side", "slippageBps", "minReceive", "maxSpend", "validForS",
)  # fmt: skip
likely = st.fixed_dictionaries(
    {
        "inputToken": st.sampled_from([*TOKENS]),
        "outputToken": st.sampled_from([*TOKENS]),
        "amount": st.integers(1, 10**15) | numbers,
    },
    optional={
        "swapMode": st.sampled_from(["ExactIn", "ExactOut"]),
        "slippageBps": st.integers(-5, 5005),
        "validForS": st.integers(0, 604_801),
        "minReceive": st.integers(1, 10**9) | numbers,
        "maxSpend": numbers,
    },
)
good = st.fixed_dictionaries(
    {
        "inputToken": st.sampled_from(["SOL", "jup", "BONK"]),
        "outputToken": st.sampled_from(["USDC", "usdt", "mSOL"]),
        "amount": st.integers(1, 10**6) | st.decimals("0.01", "1000000", places=2).map(str),
    },
    optional={
        "slippageBps": st.integers(0, 5000),
        "validForS": st.integers(1, 604_800),
        "minReceive": st.just("0.000001"),
    },
)
bodies = good | likely | st.dictionaries(st.sampled_from(fields) | st.text(max_size=8), values, max_size=9)


@pytest.fixture(scope="module")
def api(servers: Any, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    home = tmp_path_factory.mktemp("api") / "h"
    with shared(servers, template, home) as running:
        yield running
        whole = """SELECT count(*) FROM orders o WHERE amount <= 0 OR NOT EXISTS
            (SELECT FROM order_events e WHERE e.order_id = o.id AND e.seq = 1 AND e.status = 'pending')"""
        assert running.sql.execute(whole).fetchone() == (0,)
        log = (home.with_name("h.log")).read_text()
        assert "fault of ours" not in log and "Traceback" not in log and "Exception in ASGI" not in log, log[
            -3000:
        ]


def judged(answer: httpx.Response) -> int:
    assert answer.status_code < 500, (answer.request.url, answer.request.content, answer.text)
    if answer.status_code >= 400:
        problem = answer.json()
        assert problem["code"] and problem["detail"]
        assert answer.status_code != 422 or "field" in problem
    return answer.status_code


def test_bodies(api: Shared) -> None:
    accepted = 0

    @quick
    @given(bodies)
    def one(body: dict[str, Any]) -> None:
        nonlocal accepted
        sent = json.dumps(body).encode()
        dry = judged(api.http.post("/api/orders/execute", content=sent, headers={"OEE-Dry-Run": "1"}))
        real = judged(api.http.post("/api/orders/execute", content=sent))
        # A dry run makes every check that the real path makes.
        assert (dry, real) in ((200, 202), (422, 422))
        accepted += real == 202

    one()
    assert accepted > 10
    assert api.stored() == accepted


def test_bytes(api: Shared) -> None:
    before = api.stored()

    @quick
    @given(
        st.binary(max_size=200)
        | st.text(alphabet='{}[]":,0123456789.eE+-\\uD8ntf ', max_size=60).map(str.encode)
    )
    def one(sent: bytes) -> None:
        assert judged(api.http.post("/api/orders/execute", content=sent)) == 422

    one()
    assert api.stored() == before


def test_headers(api: Shared) -> None:
    plain = st.text(
        alphabet=st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=300
    )

    @quick
    @given(plain, plain, plain)
    def one(key: str, dry: str, protocol: str) -> None:
        headers = [(b"Idempotency-Key", key), (b"OEE-Dry-Run", dry), (b"OEE-Protocol", protocol)]
        sent = [(n, v.strip().encode("latin-1")) for n, v in headers if v.strip()]
        judged(api.http.post("/api/orders/execute", content=b"{}", headers=sent))

    one()


def _parameters(api: Shared) -> list[tuple[str, list[str]]]:
    found = api.http.get("/openapi.json").json()["paths"]
    return [
        (path, [p["name"] for p in calls["get"].get("parameters", ()) if p["in"] == "query"])
        for path, calls in found.items()
        if "get" in calls
    ]


def test_queries_of_every_path_in_the_document(api: Shared) -> None:
    paths = _parameters(api)
    assert len(paths) >= 9
    texts = words | numbers.map(str) | st.text(max_size=20)

    @quick
    @given(st.sampled_from(paths), st.data())
    def one(call: tuple[str, list[str]], data: st.DataObject) -> None:
        path, names = call
        name = st.sampled_from(names) if names else st.just("x")
        query = data.draw(st.dictionaries(name | st.text(max_size=5), texts.filter(_utf8), max_size=5))
        text = data.draw(st.text("0123456789abcdef-ABCDEF%/.é\0", min_size=1, max_size=40))
        query = {k: v for k, v in query.items() if _utf8(k)}
        judged(api.http.get(path.replace("{order_id}", quote(text)), params=query))

    one()


def _utf8(text: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in text)

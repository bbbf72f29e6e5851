"""`POST /api/orders/find`: many orders in one answer, for who follows them."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.kit.api_daemon import Shared
from tests.kit.commands import frozen_worker

MISSING = "00000000-0000-4000-8000-000000000000"


def test_orders_are_found_by_ids_and_keys_many_at_once(api: Shared) -> None:
    key = f"key, with a comma {os.urandom(6).hex()}"
    one, two = api.place(), api.post(Idempotency_Key=key).json()["orderId"]
    for order_id in (one, two):
        api.end(order_id)

    def found(**asked: Any) -> set[str]:
        answer = api.http.post("/api/orders/find", json=asked)
        assert answer.status_code == 200, answer.text
        return {order["orderId"] for order in answer.json()["orders"]}

    assert found(orderIds=[one, two, MISSING, one]) == {one, two}
    assert found(idempotencyKeys=[key, "no such key"]) == {two}
    assert found(orderIds=[one, two], idempotencyKeys=[key], ended=True) == {one, two}
    with frozen_worker(api):
        running = api.place()
        assert found(orderIds=[one, running], ended=True) == {one}
        assert found(orderIds=[one, running]) == {one, running}


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "orderIds"),
        ({"orderIds": []}, "orderIds"),
        ({"orderIds": [MISSING] * 1001}, "orderIds"),
        ({"orderIds": MISSING}, "orderIds"),
        ({"orderIds": ["last"]}, "0"),
        ({"ids": [MISSING]}, "ids"),
        ({"idempotencyKeys": ["short"]}, "0"),
        ({"idempotencyKeys": ["with \0 a zero"]}, "0"),
        ([], "body"),
    ],
    ids=range(9),
)
def test_what_asks_for_no_orders_is_refused_with_its_field(api: Shared, asked: Any, field: str) -> None:
    answer = api.http.post("/api/orders/find", json=asked)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text


def test_keys_whose_orders_are_no_longer_kept_are_told_apart(api: Shared) -> None:
    """Nothing may be placed under them, so whoever asks before placing has to see them."""
    begin = f"begin-{os.urandom(6).hex()}"
    keys = [f"{begin}-{n}" for n in range(3)]

    def asked(prefix: str | None = None) -> dict[str, Any]:
        more = {} if prefix is None else {"keyPrefix": prefix}
        answer = api.http.post("/api/orders/find", json={"idempotencyKeys": keys, **more})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    assert asked() == {"orders": [], "spentKeys": [], "prefixKnown": None}
    assert not asked(begin)["prefixKnown"]
    api.sql.execute(
        "INSERT INTO spent_keys VALUES (%s, gen_random_uuid(), 'confirmed', '2026-01-02T00:00Z')", (keys[1],)
    )
    assert asked(begin) == {"orders": [], "spentKeys": [keys[1]], "prefixKnown": True}
    api.post(Idempotency_Key=f"{begin}x-and-more")
    assert asked(f"{begin}x")["prefixKnown"] and not asked(f"{begin}y")["prefixKnown"]
    for wrong in ("abc", "per%cent", "under_score", "x" * 65, "'; --"):
        answer = api.http.post("/api/orders/find", json={"idempotencyKeys": keys, "keyPrefix": wrong})
        assert (answer.status_code, answer.json()["field"]) == (422, "keyPrefix")

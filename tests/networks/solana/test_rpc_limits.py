"""An endpoint that is asked too often says so in many shapes: each is a pause, and none an outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_answers import Call, NoAnswer
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from tests.networks.solana.server import Asked, Said, rpc, serving
from tests.networks.solana.test_rpc import DEADLINE_S, ONE, SANE, TWO


class Counting(Bucket):
    limits = 0

    def refused(self) -> None:
        self.limits += 1


def limit(code: int, message: str) -> dict[str, Any]:
    return {"code": code, "message": message}


#: Shapes that providers and their users have reported; none was recorded from a live endpoint.
LIMITS: dict[str, Any] = {
    "Helius": limit(-32429, "rate limited"),
    "Helius, the plan used up": limit(-32429, "max usage reached"),
    "QuickNode": limit(-32007, "15/second request limit reached - reduce calls per second or upgrade"),
    "Alchemy": limit(429, "Your app has exceeded its compute units per second capacity."),
    "Chainstack": limit(-32005, "You've exceeded the RPS limit available on the current plan."),
    "Ankr": limit(-32090, "Too many requests, reason: call rate limit exhausted, retry in 10s"),
    "dRPC": limit(15, "Too many requests, try again later"),
    "without a code": {"message": "Rate limit exceeded"},
    "in words alone": "Too many requests",
}


def paused_s(bucket: Bucket, calls: list[Call]) -> float:
    return bucket.paused_s([method for method, _ in calls])


async def asked(
    said: Any, calls: list[Call], headers: Mapping[str, str] | None = None, status: int = 200
) -> tuple[Counting, int]:
    """The bucket after one question to an endpoint that answers so, and how many requests it heard."""
    async with serving(lambda _: Said(said, status, headers or {})) as (address, heard):
        bucket = Counting(1000.0, 1000)
        one = Endpoint(Site(address), bucket)
        with pytest.raises(NoAnswer):
            await one.ask(calls, DEADLINE_S)
        assert one.batches is None
        await one.close()
        return bucket, len(heard)


@pytest.mark.parametrize("error", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("shape", ["one", "for all", "for each"])
@pytest.mark.parametrize(
    ("headers", "least", "most"), [({}, 0.5, 1.0), ({"retry-after": "7"}, 6.0, 7.0)], ids=["silent", "told"]
)
def test_a_limit_that_comes_with_a_200_is_a_pause(
    error: Any, shape: str, headers: Mapping[str, str], least: float, most: float
) -> None:
    """And no refusal of batches: asked in parts, the endpoint would be asked more often still."""
    each = [{"jsonrpc": "2.0", "id": n, "error": error} for n in (1, 2)]
    said, calls = {
        "one": (each[0], ONE),
        "for all": ({"jsonrpc": "2.0", "id": None, "error": error}, TWO),
        "for each": (each, TWO),
    }[shape]
    bucket, requests = asyncio.run(asked(said, calls, headers))
    assert least < paused_s(bucket, calls) <= most
    assert (bucket.limits, requests) == (1, 1)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"", 429),
        ({"message": "API rate limit exceeded"}, 200),
        ({"jsonrpc": "2.0", "id": 1, "error": limit(-32005, "rate limited")}, 400),
        ({"error": {"code": 403, "message": "Connection rate limits exceeded"}}, 403),
    ],
    ids=["429 alone", "a gateway's 200", "a 400", "a 403"],
)
@pytest.mark.parametrize("calls", [ONE, TWO], ids=["one", "two"])
def test_a_limit_by_status_or_by_words_is_a_pause(said: Any, status: int, calls: list[Call]) -> None:
    bucket, requests = asyncio.run(asked(said, calls, status=status))
    assert 0.5 < paused_s(bucket, calls) <= 1.0
    assert (bucket.limits, requests) == (1, 1)


@pytest.mark.parametrize(
    "error",
    [
        limit(-32005, "Node is behind by 42 slots"),
        limit(-32016, "Minimum context slot has not been reached"),
        limit(-32603, "Internal error"),
    ],
    ids=["behind", "context", "internal"],
)
def test_a_node_that_can_not_answer_now_asks_for_no_pause(error: Any) -> None:
    bucket, _ = asyncio.run(asked({"jsonrpc": "2.0", "id": 1, "error": error}, ONE))
    assert (paused_s(bucket, ONE), bucket.limits) == (0.0, 0)


def test_a_refused_batch_is_still_asked_in_parts() -> None:
    """Its words speak of too many requests too."""
    refused = limit(-32600, "Too many requests in batch, at most 1 on this plan")

    def answer(asked: Asked) -> Said:
        many = isinstance(asked.json, list)
        return Said({"id": None, "error": refused}) if many else SANE(asked)

    async def run() -> None:
        async with serving(answer) as (address, _):
            bucket = Counting(1000.0, 1000)
            one = Endpoint(Site(address), bucket)
            assert await one.ask(TWO, DEADLINE_S) == [7, {"solana-core": "4.1"}]
            assert (one.batches, paused_s(bucket, TWO)) == (False, 0.0)
            await one.close()

    asyncio.run(run())


def test_words_in_a_result_are_no_limit() -> None:
    """A program's log, or the memo of a swap, may say anything."""
    value = {"err": None, "message": "rate limit exceeded: too many requests"}
    node = rpc({"getSlot": lambda _: value, "getVersion": lambda _: value})

    async def run() -> None:
        async with serving(node) as (address, _):
            one = Endpoint(Site(address), Bucket(1000.0, 1000))
            assert await one.ask(TWO, DEADLINE_S) == [value, value]
            assert await one.ask(ONE, DEADLINE_S) == [value]
            await one.close()

    asyncio.run(run())


LIST: Call = ("getSignaturesForAddress", ["W", {}])
SEND: Call = ("sendTransaction", ["wire"])


def limiting(*methods: str, by_call: bool, headers: Mapping[str, str]) -> Callable[[Asked], Said]:
    """A provider that limits these methods, and takes the others."""
    others = ["getGenesisHash", "getSlot", "getSignatureStatuses"]
    node = rpc({**dict.fromkeys(others, lambda _: 7), "sendTransaction": lambda _: "signature"})
    limited = rpc(
        dict.fromkeys(methods, lambda _: {"error": limit(429, "Too many requests for this method")})
    )

    def answer(asked: Asked) -> Said:
        calls = asked.json if isinstance(asked.json, list) else [asked.json]
        if not any(call["method"] in methods for call in calls):
            return node(asked)
        return Said(limited(asked).body if by_call else b"", 200 if by_call else 429, headers)

    return answer


@pytest.mark.parametrize("by_call", [True, False], ids=["by its call", "by its request"])
def test_a_pause_is_for_what_was_refused(by_call: bool) -> None:
    """Providers limit by method: a list of the wallet that was refused for half a minute kept swaps from
    being sent, and those that had landed from being confirmed."""
    node = limiting("getSignaturesForAddress", by_call=by_call, headers={"retry-after": "30"})

    async def run() -> None:
        async with serving(node) as (address, heard):
            one = Endpoint(Site(address), Bucket(1000.0, 1000))
            for _ in range(2):
                with pytest.raises(NoAnswer):
                    await one.ask([*ONE, LIST], DEADLINE_S)
            assert len(heard) == 1
            assert await one.ask(ONE, DEADLINE_S) == [7]
            assert await one.ask([("getGenesisHash", []), ("getSignatureStatuses", [])], DEADLINE_S) == [7, 7]
            assert await one.ask([SEND], DEADLINE_S) == ["signature"]
            await one.close()

    asyncio.run(run())


def test_a_send_that_is_refused_is_paused_and_nothing_else() -> None:
    """Free plans take one a second."""
    node = limiting("sendTransaction", by_call=False, headers={"retry-after": "30"})

    async def run() -> None:
        async with serving(node) as (address, heard):
            one = Endpoint(Site(address), Bucket(1000.0, 1000))
            for _ in range(3):
                with pytest.raises(NoAnswer):
                    await one.ask([SEND], DEADLINE_S)
            assert len(heard) == 1
            assert await one.ask(ONE, DEADLINE_S) == [7]
            await one.close()

    asyncio.run(run())

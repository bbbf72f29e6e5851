"""RPC endpoints that misbehave: what is no answer is none, in time, and no address is ever said."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from oee_daemon.errors import ChainUnavailable
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool, open_pool
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_answers import (
    LONGEST_PAUSE_S,
    Call,
    NoAnswer,
    pause_of,
)
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.rpc.rpc_outside_http import MOST_BYTES, Site
from tests.networks.solana.server import Asked, Handler, Said, rpc, serving

#: Seconds; of what hangs.
SHORT_S = 0.3
DEADLINE_S = 5.0
ONE: list[Call] = [("getSlot", [])]
TWO: list[Call] = [("getSlot", []), ("getVersion", [])]
SANE = rpc({"getSlot": lambda _: 7, "getVersion": lambda _: {"solana-core": "4.1"}})
KEY = "canary-0f9c"


def endpoint(address: str, per_s: float = 1000.0, burst: int = 1000) -> Endpoint:
    return Endpoint(Site(address), Bucket(per_s, burst))


def asked(handler: Handler, calls: list[Call], deadline_s: float = DEADLINE_S) -> list[Any]:
    async def run() -> list[Any]:
        async with serving(handler) as (address, _):
            one = endpoint(address)
            try:
                return await one.ask(calls, deadline_s)
            finally:
                await one.close()

    return asyncio.run(run())


@pytest.mark.parametrize("calls", [ONE, TWO], ids=["one", "two"])
def test_the_answer_to_an_earlier_request_is_none_to_a_later_one(calls: list[Call]) -> None:
    stale: list[Said] = []

    def late(asked: Asked) -> Said:
        stale.append(SANE(asked))
        return stale[0]

    async def run() -> None:
        async with serving(late) as (address, _):
            one = endpoint(address)
            assert len(await one.ask(calls, DEADLINE_S)) == len(calls)
            with pytest.raises(NoAnswer):
                await one.ask(calls, DEADLINE_S)
            await one.close()

    asyncio.run(run())


def ok(**change: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "result": 7} | change


def without(name: str) -> dict[str, Any]:
    return {k: v for k, v in ok().items() if k != name}


SILENCES: dict[str, Said] = {
    "429": Said(ok(), 429),
    "503": Said(b"", 503),
    "500": Said(ok(), 500),
    "a redirect": Said(b"", 301, {"location": "http://127.0.0.1:1/"}),
    "html": Said(b"<html><body>502 Bad Gateway</body></html>"),
    "empty": Said(b""),
    "another id": Said(ok(id=2)),
    "an id that is true": Said(ok(id=True)),
    "no id": Said(without("id")),
    "no result": Said(without("result")),
    "unhealthy": Said(ok(error={"code": -32005, "message": "Node is behind by 42 slots"})),
    "a limit as an error": Said(ok(error={"code": 429, "message": "Too many requests"})),
    "an error without a code": Said(ok(error="no")),
    "a list for one call": Said([ok()]),
    "a number": Said(b"7"),
    "NaN": Said(b'{"id":1,"result":NaN}'),
    "deep": Said(b'{"id":1,"result":' + b"[" * 200_000),
    "no utf-8": Said(b'{"id":1,"result":"\xff"}'),
    "cut": Said(json.dumps(ok()).encode(), cut=True),
    "huge": Said(b" " * (MOST_BYTES + 1)),
    "squeezed": Said(gzip.compress(json.dumps(ok()).encode()), headers={"content-encoding": "gzip"}),
    "hanging": Said(hang=True),
    "slow": Said(ok(), slow_s=0.05),
}


@pytest.mark.parametrize("said", SILENCES.values(), ids=SILENCES)
def test_what_is_no_answer_is_none(said: Said) -> None:
    waits = said.hang or said.slow_s
    with pytest.raises(NoAnswer):
        asked(lambda _: said, ONE, SHORT_S if waits else DEADLINE_S)


def test_nobody_listens() -> None:
    async def run() -> None:
        one = endpoint("http://127.0.0.1:9/")
        with pytest.raises(NoAnswer):
            await one.ask(ONE, DEADLINE_S)
        await one.close()

    asyncio.run(run())


def test_an_endpoint_that_asks_for_a_pause_gets_it() -> None:
    async def run() -> None:
        async with serving(lambda _: Said(b"", 429, {"retry-after": "30"})) as (address, heard):
            one = endpoint(address)
            for _ in range(3):
                with pytest.raises(NoAnswer):
                    await one.ask(ONE, DEADLINE_S)
            assert len(heard) == 1
            await one.close()

    asyncio.run(run())


AT = datetime(2026, 11, 26, 8, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, 0), ("7", 7), ("0", 0), ("-1", 0), ("x", 0), ("", 0), ("1e9", 0), ("9" * 400, LONGEST_PAUSE_S),
        ("100000", LONGEST_PAUSE_S),
        ("Thu, 26 Nov 2026 08:00:09 GMT", 9), ("Thu, 26 Nov 2020 08:00:09 GMT", 0),
    ],
)  # fmt: skip
def test_a_pause_is_a_number_or_a_date(text: str | None, seconds: float) -> None:
    assert pause_of(text, AT) == seconds


# Several of them.


async def with_pool(*handlers: Handler, then: Callable[[Pool], Coroutine[Any, Any, None]]) -> None:
    async with AsyncExitStack() as stack:
        addresses = [(await stack.enter_async_context(serving(one)))[0] for one in handlers]
        pool = open_pool(addresses, 1000.0, 1000)
        stack.push_async_callback(pool.close)
        await then(pool)


def test_each_says_its_own_and_a_silent_one_costs_no_other() -> None:
    async def then(pool: Pool) -> None:
        heard = await pool.each(ONE, 2.0)
        assert sorted(heard.values()) == [[7], [8]]

    other = rpc({"getSlot": lambda _: 8})
    asyncio.run(with_pool(SANE, lambda _: Said(hang=True), other, then=then))


def test_any_is_the_first_that_can_be_used_and_it_stays_the_first() -> None:
    def read(results: list[Any]) -> int:
        if results[0] == 7:
            raise NoAnswer("not that one")
        return int(results[0])

    async def then(pool: Pool) -> None:
        for _ in range(3):
            assert await pool.any(ONE, read, DEADLINE_S) == 8
        counts = [e.name for e in pool._order]
        assert counts[0] == "127.0.0.1 (2)"
        assert pool.endpoints[0].name == "127.0.0.1 (1)"

    asyncio.run(with_pool(SANE, rpc({"getSlot": lambda _: 8}), then=then))


def test_none_that_answers_is_the_chain_not_answering() -> None:
    async def refused(pool: Pool) -> None:
        with pytest.raises(ChainUnavailable, match=r"(?=.*429)(?=.*503)"):
            await pool.each(ONE, DEADLINE_S)

    async def hanging(pool: Pool) -> None:
        with pytest.raises(ChainUnavailable, match="nothing within"):
            await pool.any(ONE, lambda r: r, SHORT_S)

    busy: list[Handler] = [lambda _: Said(b"", 429), lambda _: Said(b"", 503)]
    asyncio.run(with_pool(*busy, then=refused))
    asyncio.run(with_pool(*busy, lambda _: Said(hang=True), then=hanging))


# Nothing that is secret is said.


@pytest.mark.parametrize(
    "address",
    ["http://{host}/{key}", "http://{host}/?api-key={key}", "http://{key}:x@{host}", "https://127.0.0.1:9/{key}",
     "http://[{key}", "{key}"],
)  # fmt: skip
def test_no_address_is_said(address: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []

    async def run() -> None:
        async with serving(lambda _: Said(b"", 401)) as (base, _):
            full = address.format(host=base.removeprefix("http://"), key=KEY)
            try:
                pool = open_pool([full, full], 1000.0, 1000)
            except ValueError as e:
                said.append(repr(e))
                return
            said.extend(repr(vars(e)) for e in pool.endpoints)
            with pytest.raises(ChainUnavailable) as caught:
                await pool.each(ONE, SHORT_S)
            said.append(repr(caught.value))
            await pool.close()

    asyncio.run(run())
    said += [repr(r.__dict__) for r in caplog.records if r.name != "asyncio"]
    assert said and KEY not in "".join(said)

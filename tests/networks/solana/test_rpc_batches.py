"""Several calls in one request: what an answer to them is, and endpoints that take few of them or none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_answers import (
    BatchRefused,
    Call,
    NoAnswer,
    RpcError,
    results_of,
)
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.networks.solana.solana_endpoint_look import answer_of, calls_for
from tests.networks.solana.server import Asked, Said, rpc, serving
from tests.networks.solana.test_rpc import DEADLINE_S, ONE, SANE, TWO, asked, endpoint, ok


def test_a_batch_is_one_request_and_answered_in_the_order_of_its_calls() -> None:
    assert asked(SANE, TWO) == [7, {"solana-core": "4.1"}]
    assert asked(SANE, ONE) == [7]


def test_an_error_that_is_an_answer_stays_in_its_place() -> None:
    methods = {"getSlot": lambda _: {"error": {"code": -32011, "message": "no history", "data": {"a": 1}}}}
    found = asked(rpc({**methods, "getVersion": lambda _: None}), TWO)
    assert found == [RpcError(-32011, "no history", {"a": 1}), None]


BATCHES: dict[str, Any] = {
    "one too few": [ok()],
    "one twice": [ok(), ok()],
    "one broken": [ok(), {"id": 2}],
    "one unhealthy": [ok(), {"id": 2, "error": {"code": -32005, "message": ""}}],
    "others": [ok(id=3), ok(id=4)],
    "nothing in it": [None, None],
}


@pytest.mark.parametrize("said", BATCHES.values(), ids=BATCHES)
def test_half_a_batch_is_none(said: Any) -> None:
    with pytest.raises(NoAnswer):
        results_of(json.dumps(said).encode(), 1, TWO, batch=True)


@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize("code", [429, -32603])
def test_what_else_was_asked_counts_where_one_method_is_refused(batch: bool, code: int) -> None:
    """That a swap landed, where nobody tells how far back that node remembers: it would be looked for for
    ever."""
    refused = {"error": {"code": code, "message": "too many of these"}}
    node = rpc(
        {
            "getGenesisHash": lambda _: "G",
            "getEpochInfo": lambda _: {"absoluteSlot": 460, "blockHeight": 438},
            "getSignatureStatuses": lambda _: {
                "context": {"slot": 470},
                "value": [{"slot": 450, "err": None, "confirmationStatus": "finalized"}],
            },
            "getFirstAvailableBlock": lambda _: refused,
        },
        batches=batch,
    )
    calls: list[Call] = [*calls_for("s"), ("getFirstAvailableBlock", [])]
    *found, first = asked(node, calls, DEADLINE_S)
    answer = answer_of("node", found, "G")
    assert answer.status is not None and answer.status.final and isinstance(first, RpcError)


@pytest.mark.parametrize(
    "refusal",
    [
        lambda a: rpc({"getSlot": lambda _: 7, "getVersion": lambda _: 8}, batches=False)(a),
        lambda a: Said(b"no batches", 403) if isinstance(a.json, list) else SANE(a),
        lambda a: Said(b"<html>", 413) if isinstance(a.json, list) else SANE(a),
    ],
)
def test_whether_it_takes_batches_is_found_out_once(refusal: Callable[[Asked], Said]) -> None:
    async def run() -> None:
        async with serving(refusal) as (address, heard):
            one = endpoint(address)
            for _ in range(3):
                assert len(await one.ask(TWO, DEADLINE_S)) == 2
            assert one.batches is False
            assert [isinstance(a.json, list) for a in heard] == [True] + [False] * 6
            await one.close()

    asyncio.run(run())


#: Of a free plan of dRPC's: with a 500, by an error for each call or one for all.
TOO_MANY = {"code": 31, "message": "Batch of more than 3 requests are not allowed on free plan"}
FEW: dict[str, Callable[[list[Any]], Said]] = {
    "an error for each call": lambda calls: Said(
        [{"jsonrpc": "2.0", "id": call["id"], "error": TOO_MANY} for call in calls], 500
    ),
    "one error": lambda calls: Said({"jsonrpc": "2.0", "id": 1, "error": TOO_MANY}, 500),
    "with a 200": lambda calls: Said([{"id": call["id"], "error": TOO_MANY} for call in calls]),
    "by its status": lambda calls: Said(b"payment required", 402),
}


@pytest.mark.parametrize("refusal", FEW.values(), ids=FEW)
def test_one_that_takes_small_batches_alone_is_asked_in_parts(
    refusal: Callable[[list[Any]], Said],
) -> None:
    """Else it tells nothing of any swap: a look is of four calls."""
    four: list[Call] = [*TWO, *TWO]

    def answer(asked: Asked) -> Said:
        many = isinstance(asked.json, list) and len(asked.json) > 3
        return refusal(asked.json) if many else SANE(asked)

    async def run() -> None:
        async with serving(answer) as (address, heard):
            one = endpoint(address)
            await one.ask(four[:3], DEADLINE_S)
            for _ in range(2):
                assert await one.ask(four, DEADLINE_S) == [7, {"solana-core": "4.1"}] * 2
            await one.ask(four[:2], DEADLINE_S)
            assert one.batches is True
            assert sizes(heard) == [3, 4, 3, 1, 3, 1, 2]
            await one.close()

    asyncio.run(run())


def small(most: list[int]) -> Callable[[Asked], Said]:
    """A node that takes so many calls at once, as its plan is by now."""

    def answer(asked: Asked) -> Said:
        many = isinstance(asked.json, list) and len(asked.json) > most[-1]
        return Said({"id": None, "error": TOO_MANY}, 500) if many else SANE(asked)

    return answer


def sizes(heard: list[Asked]) -> list[int]:
    return [len(a.json) if isinstance(a.json, list) else 1 for a in heard]


@pytest.mark.parametrize("most", range(1, 8))
def test_the_first_questions_find_how_many_it_takes(most: int) -> None:
    """The first one of all, of `oee doctor`, is of seven: who takes three was asked one by one ever after."""
    seven: list[Call] = [*TWO, *TWO, *TWO, *ONE]

    async def run() -> None:
        async with serving(small([most])) as (address, heard):
            one = endpoint(address)
            for _ in range(4):
                assert await one.ask(seven, DEADLINE_S) == [7, {"solana-core": "4.1"}] * 3 + [7]
            assert one.largest_batch == most
            heard.clear()
            await one.ask(seven, DEADLINE_S)
            assert len(heard) == -(-7 // most) and max(sizes(heard)) == most
            await one.close()

    asyncio.run(run())


def test_a_larger_batch_is_learnt_after_a_while_and_a_smaller_one_at_once() -> None:
    most, four = [3], [*TWO, *TWO]

    async def run() -> None:
        async with serving(small(most)) as (address, _):
            one = Endpoint(Site(address), Bucket(1000.0, 1000), refused_s=0.2)
            loop = asyncio.get_running_loop()
            begun = loop.time()
            for _ in range(2):
                await one.ask(four, DEADLINE_S)
            assert one.largest_batch == 3
            most.append(8)
            while one.largest_batch == 3:
                assert loop.time() - begun < DEADLINE_S
                await one.ask(four, DEADLINE_S)
            assert loop.time() - begun > 0.2 and one.largest_batch == 4
            most.append(2)
            assert await one.ask(four, DEADLINE_S) == [7, {"solana-core": "4.1"}] * 2
            assert one.largest_batch == 2
            await one.close()

    asyncio.run(run())


def test_a_batch_takes_as_many_turns_as_it_has_calls() -> None:
    async def run() -> None:
        async with serving(SANE) as (address, heard):
            one = endpoint(address, per_s=50.0, burst=1)
            loop = asyncio.get_running_loop()
            begun = loop.time()
            for _ in range(3):
                await one.ask([*TWO, *TWO], DEADLINE_S)
            assert len(heard) == 3 and loop.time() - begun >= 2 * 4 / 50
            await one.close()

    asyncio.run(run())


@pytest.mark.parametrize("code", [-32009, -32005, 429])
def test_errors_of_a_node_are_no_refusal_of_batches(code: int) -> None:
    said = [{"id": n, "error": {"code": code, "message": "skipped"}} for n in (1, 2)]
    try:
        assert results_of(json.dumps(said).encode(), 1, TWO, batch=True) == [RpcError(code, "skipped")] * 2
    except NoAnswer as e:
        assert not isinstance(e, BatchRefused) and code != -32009


def test_an_endpoint_that_is_down_is_not_one_that_takes_no_batches() -> None:
    down = True

    def answer(asked: Asked) -> Said:
        return Said(b"", 403) if down else SANE(asked)

    async def run() -> None:
        nonlocal down
        async with serving(answer) as (address, _):
            one = endpoint(address)
            with pytest.raises(NoAnswer):
                await one.ask(TWO, DEADLINE_S)
            assert one.batches is None
            down = False
            await one.ask(TWO, DEADLINE_S)
            assert one.batches is True
            down = True
            with pytest.raises(NoAnswer):
                await one.ask(TWO, DEADLINE_S)
            assert one.batches is True
            await one.close()

    asyncio.run(run())


def test_those_that_begin_at_once_learn_from_the_first() -> None:
    """Eight looks at an endpoint that nobody knows asked in vain each, for seconds of its calls."""
    refusing = rpc({"getSlot": lambda _: 7, "getVersion": lambda _: 8}, batches=False)

    async def run() -> None:
        async with serving(refusing) as (address, heard):
            one = endpoint(address)
            told = await asyncio.gather(*(one.ask([*TWO, *ONE], DEADLINE_S) for _ in range(8)))
            assert told == [[7, 8, 7]] * 8
            assert sorted(sizes(heard), reverse=True)[:3] == [3, 2, 1]
            await one.close()

    asyncio.run(run())


def test_nobody_learns_from_what_is_less_urgent_or_never_ends() -> None:
    """What an order waits for would wait for a page of its history; and a request that hangs, for ever."""

    async def run() -> None:
        begun = asyncio.Event()

        def answer(asked: Asked) -> Said:
            begun.set()
            return Said(hang=True) if len(asked.json) > 3 else SANE(asked)

        async with serving(answer) as (address, heard):
            one = endpoint(address)
            many: list[Call] = [*TWO, *TWO]
            first = asyncio.create_task(one.ask(many, 60.0))
            await begun.wait()
            assert await one.ask([*TWO, *ONE], 60.0, urgent=True) == [7, {"solana-core": "4.1"}, 7]
            assert await one.ask([*TWO, *ONE], 60.0) == [7, {"solana-core": "4.1"}, 7]
            with pytest.raises(NoAnswer):
                # It waits for the first one for three quarters of that, and has the rest to be heard.
                await one.ask(many, 2.0)
            assert len(heard) == 4, "it was asked all the same"
            first.cancel()
            with suppress(asyncio.CancelledError):
                await first
            await one.close()

    asyncio.run(run())

"""One endpoint and a venue that lie together take nothing, where another endpoint tells in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.pubkey import Pubkey

from oee_daemon.errors import AttemptFailed, ChainUnavailable, UnsafeSwap, WrongQuote
from oee_daemon.networks.solana.guard import guard_effect
from oee_daemon.networks.solana.rpc import endpoint_pool
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.rpc.rpc_answers import NoAnswer, Results
from oee_daemon.networks.solana.rpc.rpc_endpoint import Endpoint
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from tests.networks.solana import crafted
from tests.networks.solana.crafted import Purse, Shape, honest, swap_of_sol
from tests.networks.solana.guarded import account_of, guard, simulating
from tests.networks.solana.server import Handler, Said, rpc, serving


def drained() -> Purse:
    """What a listed program takes beside the input, as an honest node shows it."""
    return honest(spent=900_000_000)


def failing() -> Purse:
    purse = honest()
    purse.err = {"InstructionError": [5, {"Custom": 6005}]}
    return purse


SHAPE = swap_of_sol()
#: Each a node that has been asked nothing yet.
NODES: dict[str, Callable[[], Handler]] = {
    "fine": lambda: simulating(SHAPE),
    "drains": lambda: simulating(SHAPE, drained()),
    "fails": lambda: simulating(SHAPE, failing()),
    "behind": lambda: simulating(SHAPE, change=lambda v: v | {"err": "BlockhashNotFound", "logs": []}),
    "busy": lambda: lambda _: Said(b"", 503),
    "html": lambda: lambda _: Said(b"<html>", 200),
    "hangs": lambda: lambda _: Said(hang=True),
}


@pytest.mark.parametrize(
    ("nodes", "code"),
    [
        ("fine fine", None), ("fine", None), ("drains", "unsafe.spends"),
        # Whichever is asked first, and whoever lies.
        ("fine drains", "unsafe.spends"), ("drains fine", "unsafe.spends"),
        ("fails fine", "swap_failed"), ("fine fails", "swap_failed"),
        # Who tells nothing is no reason to stand still, and the next one is asked in its place.
        ("fine behind", None), ("behind fine", None), ("fine busy", None), ("hangs fine", None),
        ("fine behind drains", "unsafe.spends"), ("busy html drains", "unsafe.spends"),
        ("behind fine drains", "unsafe.spends"), ("busy html", "chain_unavailable"),
        # A third one is not asked where two have told.
        ("fine fine drains", None),
    ],
)  # fmt: skip
def test_what_two_endpoints_show_of_a_swap(nodes: str, code: str | None) -> None:
    handlers = [NODES[name]() for name in nodes.split()]
    if code is None:
        guard(SHAPE, handlers)
        return
    with pytest.raises((UnsafeSwap, AttemptFailed, ChainUnavailable)) as caught:
        guard(SHAPE, handlers)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("exact_out", "spent", "got", "signed"),
    [
        (False, 1_000_000, 1_250_000, True),
        (False, 1_000_000, 1_250_001, False),
        (True, 800_000, 1_000_000, True),
        (True, 799_999, 1_000_000, False),
    ],
)
def test_a_swap_is_held_to_what_was_quoted(exact_out: bool, spent: int, got: int, signed: bool) -> None:
    plan = crafted.order(exact_out=exact_out)
    moved = {plan.request.input_token.mint: -spent, plan.request.output_token.mint: got}
    if signed:
        guard_effect._as_quoted(moved, plan)
        return
    with pytest.raises(WrongQuote) as caught:
        guard_effect._as_quoted(moved, plan)
    assert (caught.value.code, caught.value.retryable) == ("quote_wrong", True)


def test_reserves_that_one_endpoint_tells_falsely_make_no_bound() -> None:
    """It tells of a simulation what fits them, and another one shows what the pool would give."""
    quote = replace(SHAPE.plan.quote, amount_out=950_000)
    told = replace(SHAPE, plan=replace(SHAPE.plan, quote=quote, by_quote=True))
    liar, other = simulating(SHAPE, honest(got=950_000)), simulating(SHAPE, honest(got=2_000_000))
    guard(told, [liar])
    for nodes in ([liar, other], [other, liar]):
        with pytest.raises(WrongQuote):
            guard(told, nodes)
    # A bound that somebody set is what they want.
    guard(replace(told, plan=replace(told.plan, by_quote=False)), [liar, other])


def with_table() -> Shape:
    return replace(SHAPE, tables=[AddressLookupTableAccount(TABLE, [crafted.VENUE_POOL])])


TABLE = Pubkey.from_bytes(bytes([21]) * 32)
REAL, OTHER = account_of([str(crafted.VENUE_POOL)]), account_of([str(crafted.JUPITER)])
LONGER = account_of([str(crafted.VENUE_POOL), str(crafted.THIEF)])


@pytest.mark.parametrize(
    ("told", "signed"),
    [
        ([REAL, REAL], True), ([REAL], True), ([REAL, LONGER], True),
        ([REAL, OTHER], False), ([OTHER, REAL], False), ([REAL, None], False),
        ([account_of([]), REAL], False),
    ],
)  # fmt: skip
def test_a_table_is_what_two_endpoints_tell(told: list[Any], signed: bool) -> None:
    shape = with_table()

    def node(row: Any) -> Handler:
        return simulating(shape, accounts=lambda _: row)

    nodes = [node(row) for row in told]
    if signed:
        guard(shape, nodes)
        return
    with pytest.raises(ChainUnavailable, match="different lookup tables"):
        guard(shape, nodes)


def test_the_second_is_of_another_operator() -> None:
    async def run() -> None:
        async with serving(rpc({"getSlot": lambda _: 7})) as (address, _):
            names = ["a.one.example", "b.one.example", "rpc.two.example"]
            site, asked = Site(address), []

            class Named(Endpoint):
                async def ask(self, *args: Any, **named: Any) -> Results:
                    asked.append(self.name)
                    return await super().ask(*args, **named)

            pool = Pool([Named(site, Bucket(1000.0, 1000), name) for name in names])
            assert await pool.two([("getSlot", [])], lambda results: results[0], 5.0) == [7, 7]
            assert asked == ["a.one.example", "rpc.two.example"]

            def none(_: list[Any]) -> None:
                raise NoAnswer("not read")

            with pytest.raises(ChainUnavailable):
                await pool.two([("getSlot", [])], none, 5.0)
            assert sorted(asked[2:]) == sorted(names)
            await pool.close()

    asyncio.run(run())


def test_whoever_is_cut_off_is_asked_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each question would wait for the one that hangs."""
    monkeypatch.setattr(endpoint_pool, "GRACE_S", 0.01)
    asked = []

    class Named:
        def __init__(self, name: str) -> None:
            self.name = self.operator = name

        async def ask(self, *_: Any, **__: Any) -> list[Any]:
            asked.append(self.name)
            if self.name == "hangs":
                await asyncio.Event().wait()
            return [7]

    async def run() -> None:
        named: Any = [Named(name) for name in ("one", "hangs", "two")]
        pool = Pool(named)
        assert await pool.two([("getSlot", [])], lambda results: results[0], 5.0) == [7]
        assert await pool.two([("getSlot", [])], lambda results: results[0], 5.0) == [7, 7]

    asyncio.run(run())
    assert asked == ["one", "hangs", "one", "two"]

"""Jupiter's exact outputs: the quote goes back as it came, its bound is the order's, and no bad answer is
built on."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from solders.hash import Hash
from solders.message import MessageV0, from_bytes_versioned
from solders.pubkey import Pubkey

from oee_daemon.errors import AttemptFailed, ChainUnavailable, VenueError, VenueLate, VenueRefused
from oee_daemon.networks.solana.rpc.endpoint_pool import open_pool
from oee_daemon.networks.solana.rpc.request_bucket import Bucket
from oee_daemon.networks.solana.solana_unit_pricing import Pricing
from oee_daemon.networks.solana.venues.jupiter_venue import JupiterVenue
from oee_daemon.networks.solana.venues.venue_api import Api
from tests.networks.solana import crafted
from tests.networks.solana.crafted import SOL, WALLET
from tests.networks.solana.jupiter_stand import (
    ANCHOR,
    HELD,
    PLAN,
    Jupiter,
    asking,
    build,
    node,
    planned,
    quoted,
    steps,
    worded,
)
from tests.networks.solana.server import serving
from tests.networks.solana.thefts import TABLE, USDC


def test_a_quote_is_asked_for_a_point_below_the_order_s_slippage() -> None:
    quote = asking(jupiter := Jupiter())
    (asked,) = jupiter.asked
    assert asked == {
        "inputMint": str(SOL), "outputMint": str(USDC), "amount": "1000000", "swapMode": "ExactOut",
        "slippageBps": "999", "instructionVersion": "V2", "dexes": "Whirlpool",
    }  # fmt: skip
    assert (quote.amount_in, quote.amount_out, quote.price_impact_bps) == (1_000_000, 1_000_000, 200)
    assert quote.route == worded(quoted()) and quote.toll is not None and quote.toll.pools == 1


def test_the_stored_quote_goes_back_as_it_came_and_is_built() -> None:
    jupiter = Jupiter()
    built = build(jupiter, planned(worded(quoted())))
    head = json.dumps({"userPublicKey": str(WALLET), "wrapAndUnwrapSol": True})[:-1].encode()
    assert jupiter.sent == [head + b',"quoteResponse":' + worded(quoted()) + b"}"] and not jupiter.asked
    message = from_bytes_versioned(built.message)
    assert isinstance(message, MessageV0) and message.recent_blockhash == Hash.default()
    # Of the table, as the chain has it: the pool and the account that receives.
    (lookup,) = message.address_table_lookups
    assert (lookup.account_key, sorted(lookup.writable_indexes)) == (TABLE, [0, 1])
    assert build(Jupiter(), planned(worded(quoted()))) == built


@pytest.mark.parametrize(
    ("route", "bound", "bps"),
    [
        (worded(quoted()), 1_050_000, 500),
        (worded(quoted(bps=0)), 1_100_000, 1_000),
        (worded(quoted(bps=998)), 1_100_000, 1_000),
        (worded(quoted(outAmount="5")), 1_100_000, 1_000),
        (worded([]), 1_100_000, 1_000),
        (b"\0\1", 1_100_000, 1_000),
        (b"", 1_000_099, 0),
    ],
)
def test_a_stored_quote_that_does_not_fit_the_bound_is_asked_for_anew(
    route: bytes, bound: int, bps: int
) -> None:
    build(jupiter := Jupiter(), planned(route, bound))
    assert [int(asked["slippageBps"]) for asked in jupiter.asked] == [bps]
    assert jupiter.sent[0].endswith(b',"quoteResponse":' + worded(quoted(bps=bps)) + b"}")


def test_a_price_that_moves_is_followed_within_the_bound_and_no_further() -> None:
    build(moved := Jupiter(lambda asked: quoted(1_090_000, int(asked["slippageBps"]))), planned(b""))
    assert [asked["slippageBps"] for asked in moved.asked] == ["1000", "91"] and len(moved.sent) == 1
    prices = iter([1_050_000, 1_099_000])
    moving = Jupiter(lambda asked: quoted(next(prices), int(asked["slippageBps"])))
    with pytest.raises(VenueError) as caught:
        build(moving, planned(b""))
    assert (caught.value.code, caught.value.retryable, moving.sent) == ("venue_moves", True, [])
    for over in (
        planned(worded(quoted(1_100_001)), 1_100_000),
        replace(PLAN, quote=replace(PLAN.quote, amount_in=1_100_001)),
    ):
        with pytest.raises(AttemptFailed) as failed:
            build(jupiter := Jupiter(), over)
        assert (failed.value.code, failed.value.retryable) == ("slippage_exceeded", True)
        assert not jupiter.asked and not jupiter.sent


ODD: dict[str, Any] = {
    "exact input": quoted(swapMode="ExactIn"),
    "without its mode": {name: value for name, value in quoted().items() if name != "swapMode"},
    "another amount": quoted(outAmount="999999"),
    "more than was asked": quoted(outAmount="1000001"),
    "another input": quoted(inputMint=str(USDC)),
    "another output": quoted(outputMint=str(SOL)),
    "for nothing": quoted(inAmount="0"),
    "for a number": quoted(inAmount=1_000_000),
    "below nothing": quoted(inAmount="-5"),
    "for more than there can be": quoted(inAmount=str(2**64)),
    "a bound below its price": quoted(otherAmountThreshold="999999"),
    "no bound": quoted(otherAmountThreshold=None),
    "another slippage": quoted(bps=1_000),
    "slippage in words": quoted(slippageBps="999"),
    "somebody's fee": quoted(platformFee={"amount": "0", "feeBps": 1}),
    "somebody's amount": quoted(platformFee={"amount": "1", "feeBps": 0}),
    "a fee of another shape": quoted(platformFee=["1"]),
    "without end": quoted(more="x" * 40_000),
    "a list": [quoted()],
    "empty": {},
}


@pytest.mark.parametrize("said", ODD.values(), ids=ODD)
def test_a_quote_of_another_swap_is_none(said: Any) -> None:
    with pytest.raises(VenueError) as caught:
        asking(Jupiter(lambda _: said))
    assert (caught.value.code, caught.value.retryable) == ("venue_answer", True)


def test_what_a_quote_says_beside_its_swap_is_no_matter() -> None:
    for more in ({"platformFee": {"amount": "0", "feeBps": 0}}, {"contextSlot": "x"}, {"news": [None]}):
        assert asking(Jupiter(lambda _, more=more: quoted(**more))).amount_in == 1_000_000  # type: ignore[misc]


REFUSED: dict[str, tuple[int, Any, type[VenueError], bool]] = {
    "no route": (400, {"error": "x", "errorCode": "COULD_NOT_FIND_ANY_ROUTE"}, VenueRefused, False),
    "no such token": (400, {"error": "The token is not tradable"}, VenueRefused, False),
    "too much": (400, {"errorCode": "ROUTE_PLAN_DOES_NOT_CONSUME_ALL_THE_AMOUNT"}, VenueRefused, False),
    "something else": (400, {"error": "x"}, VenueError, True),
    "an error that passed": (200, quoted() | {"error": "x"}, VenueError, True),
    "a wrong key": (401, {"message": "x"}, VenueError, False),
    "too many": (429, {"message": "x"}, VenueLate, True),
    "away": (502, b"<html>", VenueLate, True),
    "html": (200, b"<html>", VenueLate, True),
}


@pytest.mark.parametrize(("status", "said", "kind", "retryable"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_of_either_path_is_that_of_an_exact_input(
    status: int, said: Any, kind: type[VenueError], retryable: bool
) -> None:
    jupiter = Jupiter(lambda _: said, said, status)
    for refused in (lambda: asking(jupiter), lambda: build(jupiter, planned(worded(quoted())))):
        with pytest.raises(VenueError) as caught:
            refused()
        assert (type(caught.value), caught.value.retryable) == (kind, retryable)


@pytest.mark.parametrize(
    "built",
    [
        {}, steps(swapInstruction=None), steps(setupInstructions=[{}]), steps(otherInstructions=[5]),
        steps(addressLookupTableAddresses=["x"]), steps(addressLookupTableAddresses=[None]),
        steps(addressLookupTableAddresses=5),
        steps(addressLookupTableAddresses=[str(Pubkey.from_bytes(bytes([n]) * 32)) for n in range(17)]),
    ],
)  # fmt: skip
def test_instructions_of_another_shape_are_none(built: Any) -> None:
    with pytest.raises(VenueError) as caught:
        build(Jupiter(builds=built), planned(worded(quoted())))
    assert (caught.value.code, caught.value.retryable) == ("venue_answer", True)


def test_a_table_is_what_the_endpoints_agree_on() -> None:
    """Without it the accounts are named one by one; a table that is told in two ways is none yet."""
    message = from_bytes_versioned(build(Jupiter(), planned(worded(quoted())), None, None).message)
    assert isinstance(message, MessageV0) and not message.address_table_lookups
    for other in ([str(crafted.THIEF), *HELD[1:]], None):
        with pytest.raises(ChainUnavailable, match="different lookup tables"):
            build(Jupiter(), planned(worded(quoted())), HELD, other)


def test_a_table_that_has_grown_is_read_anew_on_a_further_attempt() -> None:
    held: list[str] = [str(crafted.THIEF)]

    async def run() -> list[int]:
        async with serving(lambda asked: node(held)(asked)) as (address, _):
            pool = open_pool([address], 1000.0, 1000)
            api = Api("jupiter", Jupiter(), Bucket(1e6, 10**6))
            venue = JupiterVenue("orca", api, Pricing(pool, fee_cap=100_000), str(WALLET))
            found = []
            for attempt in (1, 1, 2):
                plan = planned(worded(quoted()))
                plan = replace(plan, request=replace(plan.request, attempt=attempt))
                message = from_bytes_versioned((await venue.build(plan, ANCHOR, 5.0)).message)
                assert isinstance(message, MessageV0)
                found.append(len(message.address_table_lookups))
                held[1:] = HELD
            await pool.close()
            return found

    assert asyncio.run(run()) == [0, 0, 1]


def test_a_key_that_is_wanted_is_named_with_its_setting() -> None:
    with pytest.raises(VenueError, match="OEE_JUPITER_KEY_FILE") as refused:
        asking(Jupiter(status=401))
    assert not refused.value.retryable

"""Swaps made ours, and the arithmetic of their bounds: nothing else changes, and no bound gets weaker."""

from __future__ import annotations

import struct
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.hash import Hash
from solders.instruction import Instruction
from solders.message import Message, MessageV0, from_bytes_versioned
from solders.pubkey import Pubkey

from oee_daemon.errors import AttemptFailed, VenueError
from oee_daemon.networks.solana.guard.guard_message import read, whole
from oee_daemon.networks.solana.solana_programs import CPMM_ON_DEVNET
from oee_daemon.networks.solana.solana_swap_stamp import message_of, stamped, unit_limit_of
from oee_daemon.networks.solana.venues.cpmm_pool import NoPool, Pool, addresses, read_pool
from oee_daemon.networks.solana.venues.venue_api import bps_of, slippage_bps
from oee_daemon.orders.tokens import TOKENS
from tests.networks.solana import crafted
from tests.networks.solana.crafted import MEMO_TEXT, WALLET, Shape
from tests.networks.solana.good_swaps import good_shapes

NEW = Hash.from_bytes(bytes([3]) * 32)


@pytest.mark.parametrize("shape", good_shapes().values(), ids=good_shapes())
def test_a_stamp_changes_the_block_the_price_and_the_memo_alone(shape: Shape) -> None:
    bare = replace(shape, steps=[s for s in shape.steps if s.program_id != crafted.MEMO])
    message = from_bytes_versioned(bare.message())
    assert isinstance(message, Message | MessageV0)
    made = stamped(message, str(NEW), MEMO_TEXT, 77)
    assert from_bytes_versioned(made).recent_blockhash == NEW
    before = whole(read(bare.message(), str(WALLET)), shape.known())
    after = whole(read(made, str(WALLET)), shape.known())
    assert after.steps[-1].data == MEMO_TEXT and after.steps[-1].program == str(crafted.MEMO)
    for old, new in zip(before.steps, after.steps, strict=False):
        priced = b"\x03" + (77).to_bytes(8, "little")
        is_price = old.data[:1] == b"\x03" and len(old.data) == 9 and not old.accounts
        assert (new.program, new.accounts) == (old.program, old.accounts)
        assert new.data == (priced if is_price else old.data)
    assert after.writable == before.writable
    assert set(after.keys) == {*before.keys, str(crafted.MEMO)}
    assert unit_limit_of(message) == 200_000


@pytest.mark.parametrize("held", ["among others", "alone", "in the second"])
def test_a_memo_program_of_a_lookup_table_is_named_once(held: str) -> None:
    """Raydium's own table holds it, and its concentrated pools ask for it: the stamp names it too."""
    plan = crafted.order("USDC", "BONK")
    usdc, bonk = (crafted.mint(plan, side) for side in ("in", "out"))
    given, taken = crafted.ata(usdc), crafted.ata(bonk)
    swap = crafted.cpmm(1_000_000, 900_000, given, taken)
    accounts = [*swap.accounts, crafted.meta(crafted.MEMO), crafted.meta(crafted.TOKEN)]
    swap = Instruction(swap.program_id, swap.data, accounts)
    first, second = [crafted.MEMO], [given, crafted.TOKEN, taken]
    if held == "among others":
        first, second = [given, crafted.MEMO, crafted.TOKEN], [taken]
    elif held == "in the second":
        first, second = [crafted.TOKEN, given], [taken, crafted.MEMO]
    tables = [
        AddressLookupTableAccount(Pubkey.from_bytes(bytes([n]) * 32), entries)
        for n, entries in ((21, first), (22, second))
    ]
    shape = Shape(plan, [*crafted.budget(), swap], tables)
    message = from_bytes_versioned(shape.message())
    assert isinstance(message, MessageV0) and crafted.MEMO not in message.account_keys
    made = stamped(message, str(NEW), MEMO_TEXT, 77, shape.known())
    before = whole(read(shape.message(), str(WALLET)), shape.known())
    after = whole(read(made, str(WALLET)), shape.known())
    assert [(step.program, step.accounts) for step in after.steps[:-1]] == [
        (step.program, step.accounts) for step in before.steps
    ]
    assert after.steps[-1].data == MEMO_TEXT and after.writable == before.writable
    assert sorted(after.keys) == sorted(before.keys)


@pytest.mark.parametrize("name", ["swap", "swap_v2"])
@pytest.mark.parametrize(
    ("limit", "given"), [(4_295_048_017, False), (2**96, False), (0, False), (2**96, True)]
)
def test_an_exact_output_of_a_concentrated_pool_fills_all_or_fails(
    name: str, limit: int, given: bool
) -> None:
    """At a price limit less of it may arrive: the guard refuses that, and an exact input has its bound."""

    def data(limit: int) -> bytes:
        amounts = struct.pack("<QQ", 1_000_000, 900_000 if given else 1_100_000)
        return crafted.tag(name) + amounts + limit.to_bytes(16, "little") + bytes([given])

    plan = crafted.order("USDC", "BONK", exact_out=not given)
    accounts = [crafted.ata(crafted.mint(plan, side)) for side in ("in", "out")]
    swaps = [
        crafted.call(crafted.CLMM, data(limit), *accounts),
        crafted.call(crafted.ROUTER, data(limit), *accounts),
    ]
    message = from_bytes_versioned(Shape(plan, [*crafted.budget(), *swaps]).message())
    assert isinstance(message, MessageV0)
    after = whole(read(stamped(message, str(NEW), MEMO_TEXT, 77), str(WALLET)), {})
    assert [step.data for step in after.steps[2:4]] == [data(limit if given else 0), data(limit)]


def test_no_transaction_is_no_message() -> None:
    for text in (None, "", "AAAA", "é", "not base 64"):
        with pytest.raises(VenueError):
            message_of(text)


@given(st.integers(1, 2**64 - 1), st.integers(1, 2**64 - 1))
def test_the_widest_slippage_still_keeps_the_bound(quoted: int, bound: int) -> None:
    if bound <= quoted:
        bps = slippage_bps(quoted, bound, exact_out=False)
        assert quoted * (10_000 - bps) // 10_000 >= bound
        assert bps == 10_000 or quoted * (10_000 - bps - 1) < bound * 10_000
    else:
        with pytest.raises(AttemptFailed):
            slippage_bps(quoted, bound, exact_out=False)
    if bound >= quoted:
        bps = slippage_bps(quoted, bound, exact_out=True)
        assert -(-quoted * (10_000 + bps) // 10_000) <= bound
    else:
        with pytest.raises(AttemptFailed):
            slippage_bps(quoted, bound, exact_out=True)


@pytest.mark.parametrize(
    ("value", "per_one", "bps"),
    [("0.0001", 10_000, 1), ("-0.0018", 10_000, 18), (0.17, 100, 17), (0, 100, 0),
     ("", 100, None), (None, 100, None), ("NaN", 100, None), ("-1", 100, 100), ("1e9", 100, 10_000),
     ("0.00011", 10_000, 2), ("Infinity", 1, None),
     ("1e999999", 100, 10_000), ("1e999990", 1, 10_000), ("-1e999999", 100, 10_000), ("1e-999999", 100, 1)],
)  # fmt: skip
def test_an_impact_is_whole_points_rounded_up(value: object, per_one: int, bps: int | None) -> None:
    assert bps_of(value, per_one) == bps


# A pool, by fractions instead of whole numbers.

POOLS = st.builds(
    Pool, held_in=st.integers(1, 2**63), held_out=st.integers(2, 2**63),
    fee_rate=st.sampled_from([0, 2500, 10_000, 40_000, 999_999]), programs=st.just(("", "")),
)  # fmt: skip


@given(POOLS, st.integers(1, 2**63))
def test_a_pool_keeps_its_product(pool: Pool, amount: int) -> None:
    try:
        out = pool.out_of(amount)
    except NoPool:
        return
    fee = Fraction(amount * pool.fee_rate, 1_000_000)
    net = amount - fee.__ceil__()
    exact = Fraction(pool.held_out * net, pool.held_in + net)
    assert out <= exact < out + 1
    assert (pool.held_in + net) * (pool.held_out - out) >= pool.held_in * pool.held_out


@given(POOLS, st.integers(1, 2**63))
def test_what_goes_in_for_an_output_is_enough(pool: Pool, amount: int) -> None:
    assume(amount < pool.held_out)
    given_in = pool.in_for(amount)
    assume(given_in < 2**80)
    net = given_in - pool.fee_of(given_in)
    assert pool.held_out * net // (pool.held_in + net) >= amount
    assert 0 <= pool.impact_bps(given_in) <= 10_000


AT = addresses(str(crafted.CPMM), 0, TOKENS["SOL"].mint, TOKENS["USDC"].mint)
CPMM, TOKEN = str(crafted.CPMM), str(crafted.TOKEN)


def test_addresses_are_those_that_strangers_use() -> None:
    """Raydium's authority on mainnet, and its configuration 1 on devnet, as public code names them."""
    assert str(AT.authority) == "GpMZbSM2GgvTKHJirzeGfMFoaZ8UR2X7F4v8vHTvxFbL"
    devnet = addresses(CPMM_ON_DEVNET, 1, TOKENS["SOL"].mint, TOKENS["USDC"].mint)
    assert str(devnet.config) == "HTVWgp8CbUsRNmRE1p9RBYqopxe2qiyApSkiTFLrfxaW"


def stored(
    *,
    status: int = 0,
    opens: int = 0,
    fee_on: int = 0,
    owed: int = 0,
    rate: int = 2_500,
    creator_rate: int = 0,
    vault: Pubkey | None = None,
) -> list[tuple[str, bytes] | None]:
    pool = bytearray(637)
    for place, key in ((8, AT.config), (72, vault or AT.vaults[0]), (104, AT.vaults[1]), (168, AT.mints[0]),
                       (200, AT.mints[1]), (296, AT.observation)):  # fmt: skip
        pool[place : place + 32] = bytes(key)
    pool[329], pool[389], pool[390] = status, fee_on, bool(creator_rate)
    for place in (341, 349, 357, 365, 397, 405):
        struct.pack_into("<Q", pool, place, owed)
    struct.pack_into("<Q", pool, 373, opens)
    config = bytearray(236)
    struct.pack_into("<Q", config, 12, rate)
    struct.pack_into("<Q", config, 108, creator_rate)
    held = [(TOKEN, bytes(64) + units.to_bytes(8, "little") + bytes(93)) for units in (1_000_000, 2_000_000)]
    mints = [(TOKEN, bytes(45) + b"\1" + bytes(36))] * 2
    return [(CPMM, bytes(pool)), (CPMM, bytes(config)), *held, *mints]


def test_a_pool_holds_what_is_not_owed() -> None:
    sol_first = str(AT.mints[0])
    found = read_pool(AT, sol_first, stored(owed=100), now=5)
    assert found == Pool(999_700, 1_999_700, 2_500, (TOKEN, TOKEN))
    other = read_pool(AT, str(AT.mints[1]), stored(owed=100), now=5)
    assert (other.held_in, other.held_out) == (found.held_out, found.held_in)


def without(place: int) -> list[tuple[str, bytes] | None]:
    return [None if n == place else account for n, account in enumerate(stored())]


def with_owner(place: int) -> list[tuple[str, bytes] | None]:
    return [("else", a[1]) if n == place and a else a for n, a in enumerate(stored())]


def cut(place: int) -> list[tuple[str, bytes] | None]:
    """As one endpoint may tell it, whose word on one pool would leave all pairs without a price."""
    return [(a[0], a[1][:60]) if n == place and a else a for n, a in enumerate(stored())]


@pytest.mark.parametrize(
    "accounts",
    [stored(status=4), stored(opens=6), stored(fee_on=3), stored(creator_rate=97_501),
     stored(owed=10**6), stored(rate=100_001),
     stored(vault=crafted.THIEF), *(without(n) for n in range(6)), *(with_owner(n) for n in (0, 1, 4, 5)),
     *(cut(n) for n in range(6)),
     [*stored()[:5], (str(crafted.TOKEN_2022), bytes(300))]],
)  # fmt: skip
def test_a_pool_that_is_not_understood_is_none(accounts: list[tuple[str, bytes] | None]) -> None:
    with pytest.raises(NoPool):
        read_pool(AT, str(AT.mints[0]), accounts, now=5)

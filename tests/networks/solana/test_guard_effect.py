"""The guard by a swap's effect: what a simulation shows, what a table hides, and what a node can't tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.pubkey import Pubkey

from oee_daemon.errors import AttemptFailed, ChainUnavailable, UnsafeSwap
from oee_daemon.networks.solana.solana_trader_accounts import MOST_LEFT
from oee_daemon.orders.tokens import TOKENS
from tests.networks.solana import crafted
from tests.networks.solana.crafted import (
    CPMM,
    THIEF,
    WALLET,
    Purse,
    Shape,
    ata,
    honest,
    swap_of_sol,
    token_state,
)  # fmt: skip
from tests.networks.solana.guarded import account_of, judged
from tests.networks.solana.thefts import TABLE, USDC, exact

HERS = str(ata(USDC))


def stolen(**states: Any) -> Purse:
    purse = honest()
    purse.states.update(states)
    return purse


def wallet_of(owner: Pubkey, data: str = "") -> dict[str, Any]:
    return {"lamports": 1, "owner": str(owner), "data": [data, "base64"]}


def mine(units: int, **how: Any) -> Any:
    return token_state(str(USDC), str(WALLET), units, **how)


def emptied() -> Purse:
    """A listed program takes what the wallet holds of another token."""
    purse = honest()
    bonk = TOKENS["BONK"].mint
    purse.tokens[str(crafted.VENUE_POOL)] = [(bonk, str(WALLET), 500), (bonk, str(WALLET), 499)]
    return purse


def for_him() -> Purse:
    purse = honest()
    purse.tokens = {HERS: [None, (str(USDC), str(THIEF), 950_000)]}
    purse.lamports[str(WALLET)][1] += 2_039_280
    return purse


def given_away() -> Purse:
    purse = honest()
    purse.tokens[str(crafted.VENUE_POOL)] = [
        (TOKENS["BONK"].mint, str(WALLET), 5),
        (TOKENS["BONK"].mint, str(THIEF), 5),
    ]
    return purse


def gone() -> Purse:
    purse = honest()
    purse.tokens[str(crafted.VENUE_POOL)] = [(TOKENS["BONK"].mint, str(WALLET), 0), None]
    purse.lamports[str(crafted.VENUE_POOL)] = [2_039_280, 0]
    purse.lamports[str(WALLET)][1] += 2_039_280
    return purse


def no_token() -> Purse:
    purse = given_away()
    purse.tokens[str(crafted.VENUE_POOL)][1] = None
    purse.states[str(crafted.VENUE_POOL)] = wallet_of(THIEF, "AAAA")
    return purse


def dear() -> Purse:
    purse = honest()
    purse.fee = 100_001
    return purse


#: By what they would do: each with the rule that names it.
EFFECTS: dict[str, tuple[str, Purse]] = {
    "another's destination": ("receives", for_him()),
    "a little less": ("receives", honest(got=899_999)),
    "spends more": ("spends", honest(spent=1_000_001)),
    "a drain by a listed program": ("drains", emptied()),
    "approved from within": ("approve", stolen(**{HERS: mine(950_000, delegate=True)})),
    "to be closed by another": ("authority", stolen(**{HERS: mine(950_000, closer=True)})),
    "given away": ("authority", given_away()),
    "another's account closed": ("close", gone()),
    "an account that is a token's no more": ("authority", no_token()),
    "the wallet assigned": ("assign", stolen(**{str(WALLET): wallet_of(THIEF)})),
    "the wallet with data": ("assign", stolen(**{str(WALLET): wallet_of(Pubkey.default(), "AAAA")})),
    "the wallet gone": ("assign", stolen(**{str(WALLET): None})),
    "a dearer fee": ("fee", dear()),
}


def replace_got(purse: Purse, got: int) -> Purse:
    purse.tokens[HERS] = [None, (str(USDC), str(WALLET), got)]
    return purse


#: Of an exact output, which has to bring 1,000,000 for at most 1,100,000.
EXACT_EFFECTS: dict[str, tuple[str, Purse]] = {
    "a unit less out": ("receives", honest(got=999_999)),
    "a unit more in": ("spends", honest(spent=1_100_001, got=1_000_000)),
    "another's destination": ("receives", for_him()),
}


@pytest.mark.parametrize("name", crafted.EXACT_OUT_ROUTES)
@pytest.mark.parametrize(("rule", "purse"), EXACT_EFFECTS.values(), ids=EXACT_EFFECTS)
def test_an_exact_output_of_jupiter_s_is_held_to_what_it_would_do(rule: str, purse: Purse, name: str) -> None:
    judged(exact(name), honest(spent=1_100_000, got=1_000_000))
    with pytest.raises(UnsafeSwap) as caught:
        judged(exact(name), purse)
    assert (caught.value.code, caught.value.retryable) == (f"unsafe.{rule}", False)


@pytest.mark.parametrize(("rule", "purse"), EFFECTS.values(), ids=EFFECTS)
def test_a_theft_is_refused_by_what_it_would_do(rule: str, purse: Purse) -> None:
    with pytest.raises(UnsafeSwap) as caught:
        judged(swap_of_sol(), purse)
    assert (caught.value.code, caught.value.retryable) == (f"unsafe.{rule}", False)


def test_an_order_that_was_accepted_under_a_smaller_fee_is_held_to_that() -> None:
    """Whatever the settings allow by now; and no larger one of then loosens them."""
    shape, purse = swap_of_sol(), honest()
    for least, fee in ((purse.fee, purse.fee), (10**9, 100_000)):
        purse.fee = fee
        judged(shape, purse, plan=replace(shape.plan, fee_cap=least))
        purse.fee += 1
        with pytest.raises(UnsafeSwap) as caught:
            judged(shape, purse, plan=replace(shape.plan, fee_cap=least))
        assert caught.value.code == "unsafe.fee"


def kept(lamports: int, owner: Pubkey = CPMM, data: str = "AAAA") -> dict[str, Any]:
    """An account that a program keeps, and where it is after the swap."""
    return {"lamports": lamports, "owner": str(owner), "data": [data, "base64"]}


def paying(lamports: int, state: dict[str, Any], before: int = 0) -> Purse:
    """The wallet pays for the account of the pool's."""
    purse = honest()
    purse.lamports[str(WALLET)][1] -= lamports
    purse.lamports[str(crafted.VENUE_POOL)] = [before, before + lamports]
    purse.states[str(crafted.VENUE_POOL)] = state
    return purse


def test_an_account_that_a_pool_keeps_of_who_trades_there_first_is_paid_for() -> None:
    """Else nobody could buy at PumpSwap for the first time."""
    judged(swap_of_sol(), paying(MOST_LEFT, kept(MOST_LEFT)))
    judged(swap_of_sol(), paying(1_346_200, kept(1_346_200)))


@pytest.mark.parametrize(
    ("rule", "purse"),
    [
        ("rent", paying(MOST_LEFT + 1, kept(MOST_LEFT + 1))),
        ("spends", paying(1_346_200, kept(1_346_200, Pubkey.default(), ""))),
        ("spends", paying(1_346_200, kept(1_346_200, data=""))),
        ("spends", paying(1_346_200, kept(1_346_201), before=1)),
        ("spends", paying(1_346_200, kept(1_346_199))),
        ("receives", replace_got(paying(1_346_200, kept(1_346_200)), 899_999)),
    ],
    ids=["too much", "somebody's wallet", "empty", "there before", "a unit beside it", "too little comes"],
)
def test_nothing_else_is_paid_for(rule: str, purse: Purse) -> None:
    with pytest.raises(UnsafeSwap) as caught:
        judged(swap_of_sol(), purse)
    assert (caught.value.code, caught.value.retryable) == (f"unsafe.{rule}", False)


def test_rent_of_a_pool_s_is_no_drain_of_a_swap_without_sol() -> None:
    plan = crafted.order("USDC", "BONK")
    usdc, bonk = crafted.mint(plan, "in"), crafted.mint(plan, "out")
    swap = crafted.cpmm(1_000_000, 900_000, ata(usdc), ata(bonk))
    shape = Shape(plan, [*crafted.budget(), swap, crafted.memo()])
    purse = Purse(lamports={str(WALLET): [10**9, 10**9 - 25_000 - 1_346_200]})
    purse.lamports[str(crafted.VENUE_POOL)] = [0, 1_346_200]
    purse.states[str(crafted.VENUE_POOL)] = kept(1_346_200)
    for token, by in ((usdc, -1_000_000), (bonk, 950_000)):
        purse.tokens[str(ata(token))] = [(str(token), str(WALLET), n) for n in (10**7, 10**7 + by)]
        purse.lamports[str(ata(token))] = [2_039_280, 2_039_280]
    judged(shape, purse)
    purse.lamports[str(WALLET)][1] -= 1
    with pytest.raises(UnsafeSwap) as caught:
        judged(shape, purse)
    assert caught.value.code == "unsafe.drains"


def test_a_destination_that_is_hidden_in_a_table_is_seen() -> None:
    his = ata(USDC, THIEF)
    shape = swap_of_sol(target=his)
    shape = replace(shape, tables=[AddressLookupTableAccount(TABLE, [his, crafted.VENUE_POOL])])
    with pytest.raises(UnsafeSwap) as caught:
        judged(shape, honest())
    assert caught.value.code == "unsafe.target"


def with_table(*entries: Pubkey) -> Shape:
    return replace(swap_of_sol(), tables=[AddressLookupTableAccount(TABLE, list(entries))])


def test_a_table_is_what_the_chain_says() -> None:
    shape = with_table(crafted.VENUE_POOL)
    judged(shape)
    table = account_of([str(crafted.VENUE_POOL)])
    lies: list[Any] = [
        None, table | {"owner": str(THIEF)}, table | {"data": ["AAAA", "base64"]}, account_of([]),
        # Another account in that place: the wallet's own, or one that the message names already.
        account_of([str(WALLET)]), account_of([str(CPMM)]),
    ]  # fmt: skip

    def refused(lie: Any) -> None:
        with pytest.raises(UnsafeSwap) as caught:
            judged(shape, accounts=lambda _: lie)
        assert caught.value.code == "unsafe.table"

    for lie in lies:
        refused(lie)


def test_a_swap_that_would_fail_is_no_theft() -> None:
    failing = honest()
    failing.err = {"InstructionError": [5, {"Custom": 6005}]}
    failing.logs = [f"Program {CPMM} failed: custom program error: 0x1775"]
    with pytest.raises(AttemptFailed) as caught:
        judged(swap_of_sol(), failing)
    assert not isinstance(caught.value, UnsafeSwap)
    assert (caught.value.code, caught.value.retryable) == ("slippage_exceeded", True)


@pytest.mark.parametrize("name", ["fee", "accounts", "preBalances", "postTokenBalances"])
@pytest.mark.parametrize("there", [True, False])
def test_a_node_that_does_not_tell_the_effect_says_nothing(name: str, there: bool) -> None:
    def change(value: dict[str, Any]) -> dict[str, Any]:
        rest = {k: v for k, v in value.items() if k != name}
        return rest | ({name: None} if there else {})

    with pytest.raises(ChainUnavailable):
        judged(swap_of_sol(), change=change)


@pytest.mark.parametrize(
    "change",
    [
        # It is behind the node that the anchor is of: for as long as it was asked first, no order was signed.
        lambda v: v | {"err": "BlockhashNotFound", "logs": []},
        lambda v: v | {"accounts": v["accounts"][1:]},
        lambda v: v | {"postBalances": v["postBalances"][1:]},
        lambda v: v | {"postTokenBalances": [{}]},
        lambda v: v | {"accounts": [7] * len(v["accounts"])},
        lambda v: v | {"accounts": [None if a is None else a | {"data": "x"} for a in v["accounts"]]},
        lambda v: (
            v | {"accounts": [None if a is None else a | {"data": ["", "base58"]} for a in v["accounts"]]}
        ),
    ],
)
def test_an_effect_that_can_not_be_read_is_the_node_s_fault(change: Callable[[dict[str, Any]], Any]) -> None:
    """No venue is barred for it; nothing is signed either."""
    with pytest.raises(ChainUnavailable):
        judged(swap_of_sol(), change=change)

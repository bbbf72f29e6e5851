"""Fills from balances: equal to what was really moved, to the unit, whatever rent, wrapping and fees do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oee_daemon.networks.solana.solana_fill import WSOL, Moved, Unreadable, keys_of, moved

WALLET, POOL, OTHERS = "wallet", "pool", "somebody else"
RENTS = st.sampled_from([2_039_280, 1_488_440, 203_928])
UNITS = st.integers(1, 2**62)


class Bank:
    """Accounts as a transaction changes them, and the metadata that the RPC would give of it."""

    def __init__(self, fee: int) -> None:
        self.lamports: dict[str, list[int]] = {}
        #: account -> mint, owner, before, after; none where the account is not there.
        self.tokens: dict[str, tuple[str, str, int | None, int | None]] = {}
        self.fee = fee
        self.hold(WALLET, 10**15)
        self.pay(WALLET, None, fee)

    def hold(self, who: str, lamports: int) -> None:
        self.lamports[who] = [lamports, lamports]

    def pay(self, giver: str | None, taker: str | None, amount: int) -> None:
        for who, by in ((giver, -amount), (taker, amount)):
            if who is not None:
                self.lamports.setdefault(who, [0, 0])[1] += by

    def account(self, name: str, mint: str, owner: str, amount: int | None, rent: int) -> None:
        """It exists before, with that amount; or not."""
        self.hold(name, 0 if amount is None else rent + (amount if mint == WSOL else 0))
        self.tokens[name] = (mint, owner, amount, amount)

    def credit(self, name: str, by: int) -> None:
        mint, owner, before, after = self.tokens[name]
        self.tokens[name] = (mint, owner, before, (after or 0) + by)
        if mint == WSOL:
            self.pay(None, name, by)

    def open(self, name: str, rent: int) -> None:
        self.pay(WALLET, name, rent)
        self.credit(name, 0)

    def close(self, name: str) -> None:
        mint, owner, before, _ = self.tokens[name]
        self.pay(name, WALLET, self.lamports[name][1])
        self.tokens[name] = (mint, owner, before, None)

    def told(self, order: Callable[[list[str]], list[str]]) -> tuple[dict[str, Any], list[str]]:
        keys = [WALLET, *order([k for k in self.lamports if k != WALLET])]
        balances: dict[str, list[Any]] = {"preTokenBalances": [], "postTokenBalances": []}
        for name, (mint, owner, before, after) in self.tokens.items():
            for side, amount in (("preTokenBalances", before), ("postTokenBalances", after)):
                if amount is not None:
                    shown = {"amount": str(amount), "decimals": 6, "uiAmount": None}
                    balances[side].append(
                        {
                            "accountIndex": keys.index(name),
                            "mint": mint,
                            "owner": owner,
                            "uiTokenAmount": shown,
                        }
                    )
        lamports = {
            f"{side}Balances": [self.lamports[k][n] for k in keys] for n, side in enumerate(("pre", "post"))
        }
        return lamports | balances | {"fee": self.fee, "err": None}, keys


@given(
    given_mint=st.sampled_from([WSOL, "mint a"]),
    taken_mint=st.sampled_from([WSOL, "mint b"]),
    spent=UNITS,
    got=UNITS,
    withheld=st.integers(0, 10**9),
    rent=RENTS,
    old_rent=RENTS,
    fee=st.integers(5000, 10**7),
    had=st.tuples(*[st.none() | st.integers(0, 10**12)] * 2),
    unwrap=st.booleans(),
    seed=st.randoms(use_true_random=False),
)  # fmt: skip
def test_a_fill_is_what_left_and_what_arrived(
    given_mint: str, taken_mint: str, spent: int, got: int, withheld: int, rent: int, old_rent: int, fee: int,
    had: tuple[int | None, int | None], unwrap: bool, seed: Any,
) -> None:  # fmt: skip
    if given_mint == taken_mint:
        return
    bank = Bank(fee)
    bank.hold(WALLET, 2**63)
    bank.pay(WALLET, None, fee)
    for mint in (given_mint, taken_mint):
        bank.account(f"vault of {mint}", mint, POOL, 2**62 + 10**9, old_rent)
    bank.account("another's", given_mint, OTHERS, 5, old_rent)
    mine, yours = had
    if given_mint != WSOL:
        mine = (mine or 0) + spent
    bank.account("in", given_mint, WALLET, mine, old_rent)
    bank.account("out", taken_mint, WALLET, yours, old_rent)
    if given_mint == WSOL:
        if mine is None:
            bank.open("in", rent)
        bank.pay(WALLET, None, spent)
        bank.credit("in", spent)
    if yours is None:
        bank.open("out", rent)
    bank.credit("in", -spent)
    # A transfer fee is withheld in the account that receives: it does not arrive.
    bank.credit(f"vault of {given_mint}", spent - min(withheld, spent))
    bank.credit(f"vault of {taken_mint}", -got - withheld)
    bank.credit("out", got)
    for name, mint in (("in", given_mint), ("out", taken_mint)):
        if mint == WSOL and unwrap:
            bank.close(name)
    meta, keys = bank.told(lambda rest: seed.sample(rest, len(rest)))
    assert moved(meta, keys, WALLET) == Moved(given_mint, taken_mint, spent, got)


def test_a_tip_is_part_of_what_left() -> None:
    bank = Bank(5000)
    bank.account("out", "mint b", WALLET, None, 0)
    bank.pay(WALLET, POOL, 1_000)
    bank.open("out", 2_039_280)
    bank.credit("out", 7)
    bank.pay(WALLET, "tips", 50)
    meta, keys = bank.told(list)
    assert moved(meta, keys, WALLET) == Moved(WSOL, "mint b", 1_050, 7)


def test_what_another_pays_is_no_fee_of_ours() -> None:
    bank = Bank(5000)
    bank.account("out", "mint b", WALLET, 1, 0)
    bank.pay(WALLET, POOL, 1_000)
    bank.credit("out", 7)
    meta, keys = bank.told(list)
    swapped = [keys[1], keys[0], *keys[2:]]
    meta = {
        side: [b[1], b[0], *b[2:]] if side in ("preBalances", "postBalances") else b
        for side, b in meta.items()
    }
    for side in ("preTokenBalances", "postTokenBalances"):
        for balance in meta[side]:
            balance["accountIndex"] = swapped.index(keys[balance["accountIndex"]])
    assert moved(meta, swapped, WALLET) == Moved(WSOL, "mint b", 6_000, 7)


def test_no_float_is_an_amount() -> None:
    bank = Bank(5000)
    bank.account("out", "mint b", WALLET, 1, 0)
    bank.pay(WALLET, POOL, 1_000)
    bank.credit("out", 7)
    meta, keys = bank.told(list)
    for side in ("preBalances", "postBalances"):
        with pytest.raises(Unreadable):
            moved(meta | {side: [float(n) for n in meta[side]]}, keys, WALLET)
    with pytest.raises(Unreadable):
        moved(meta | {"fee": 5000.0}, keys, WALLET)


def test_no_chain_has_an_amount_that_no_database_takes() -> None:
    """One endpoint alone would keep its order from ever being settled."""
    bank = Bank(5000)
    bank.account("out", "mint b", WALLET, 1, 0)
    bank.pay(WALLET, POOL, 1_000)
    bank.credit("out", 7)
    meta, keys = bank.told(list)
    (after,) = meta["postTokenBalances"]
    for odd in (2**64, -1, 10**30):
        told = after | {"uiTokenAmount": after["uiTokenAmount"] | {"amount": str(odd)}}
        for change in ({"postTokenBalances": [told]}, {"fee": odd}, {"postBalances": [odd] * len(keys)}):
            with pytest.raises(Unreadable):
                moved(meta | change, keys, WALLET)


def test_two_mints_down_or_nothing_moved_is_unreadable() -> None:
    bank = Bank(5000)
    with pytest.raises(Unreadable):
        moved(*bank.told(list), WALLET)
    for name in ("a", "b", "c"):
        bank.account(name, f"mint {name}", WALLET, 10, 0)
    bank.credit("a", -1)
    bank.credit("b", 2)
    assert moved(*bank.told(list), WALLET) == Moved("mint a", "mint b", 1, 2)
    bank.credit("c", -1)
    with pytest.raises(Unreadable):
        moved(*bank.told(list), WALLET)


def test_dust_of_a_third_mint_that_came_along_is_no_part_of_a_swap_that_is_known() -> None:
    bank = Bank(5000)
    for name in ("a", "b", "c"):
        bank.account(name, f"mint {name}", WALLET, 10, 0)
    for name, by in (("a", -1), ("b", 2), ("c", 1)):
        bank.credit(name, by)
    with pytest.raises(Unreadable):
        moved(*bank.told(list), WALLET)
    meta, keys = bank.told(list)
    assert moved(meta, keys, WALLET, ["mint a", "mint b"]) == Moved("mint a", "mint b", 1, 2)
    with pytest.raises(Unreadable):
        moved(meta, keys, WALLET, ["mint b", "mint c"])
    bank.credit("c", -2)
    with pytest.raises(Unreadable):
        moved(*bank.told(list), WALLET, ["mint a", "mint b"])


BROKEN: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "x", [], [None], [1], {}, [{}]])
)
BALANCE = st.fixed_dictionaries(
    {"owner": st.just(WALLET)}, optional={"accountIndex": BROKEN, "mint": BROKEN, "uiTokenAmount": BROKEN}
)
META = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("preBalances", "postBalances"), BROKEN | st.just([5, 5])),
        **dict.fromkeys(("preTokenBalances", "postTokenBalances"), BROKEN | st.lists(BALANCE, max_size=2)),
        "fee": BROKEN,
        "loadedAddresses": BROKEN,
    },
)


@given(META)
def test_broken_balances_are_unreadable_and_nothing_else(meta: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        moved(meta, keys_of({"accountKeys": [WALLET, "b"]}, meta), WALLET)


def test_accounts_of_tables_follow_the_messages_own_writable_first() -> None:
    loaded = {"loadedAddresses": {"readonly": ["d"], "writable": ["c"]}}
    assert keys_of({"accountKeys": ["a", "b"]}, loaded) == ["a", "b", "c", "d"]
    assert keys_of({"accountKeys": ["a"]}, {}) == ["a"]
    with pytest.raises(Unreadable):
        keys_of({"accountKeys": None}, {})


@pytest.mark.parametrize("mints", [(), ("mint a", "mint b")])
def test_rent_of_others_accounts_is_no_second_input(mints: tuple[str, ...]) -> None:
    """Else the order would be in doubt for good: what a pool keeps of who trades there first."""

    def swap(beside: int) -> tuple[dict[str, Any], list[str]]:
        bank = Bank(5_000)
        bank.account("mine a", "mint a", WALLET, 1_000, 2_039_280)
        bank.account("mine b", "mint b", WALLET, None, 2_039_280)
        bank.open("mine b", 2_039_280)
        bank.credit("mine a", -700)
        bank.credit("mine b", 900)
        bank.pay(WALLET, POOL, 1_346_200)
        bank.hold(OTHERS, 5)
        bank.pay(WALLET, OTHERS, beside)
        return bank.told(lambda keys: keys)

    assert moved(*swap(0), WALLET, mints) == Moved("mint a", "mint b", 700, 900)
    with pytest.raises(Unreadable):
        moved(*swap(1), WALLET, mints)


@pytest.mark.parametrize("brought", [1, 1_346_199, 1_346_200, 1_346_201])
def test_sol_that_others_accounts_took_again_has_arrived(brought: int) -> None:
    """A token was sold for less than its pool keeps of who trades there first: it was in doubt for good."""

    def sale(beside: int) -> tuple[dict[str, Any], list[str]]:
        bank = Bank(5_000)
        bank.account("mine a", "mint a", WALLET, 1_000, 2_039_280)
        bank.account("mine sol", WSOL, WALLET, None, 2_039_280)
        bank.open("mine sol", 2_039_280)
        bank.credit("mine a", -700)
        bank.credit("mine sol", brought)
        bank.close("mine sol")
        bank.pay(WALLET, POOL, 1_346_200)
        bank.hold(OTHERS, 5)
        bank.pay(WALLET, OTHERS, beside)
        return bank.told(lambda keys: keys)

    sold = moved(*sale(0), WALLET, ["mint a", WSOL])
    # What is left over by itself is read by itself.
    arrived = brought if brought <= 1_346_200 else brought - 1_346_200
    assert sold == Moved("mint a", WSOL, 700, arrived)
    for mints in ([], ["mint a", "mint b"]):
        if brought <= 1_346_200:
            with pytest.raises(Unreadable):
                moved(*sale(0), WALLET, mints)
    with pytest.raises(Unreadable):
        moved(*sale(brought), WALLET, ["mint a", WSOL])

"""Our constant-product pool, as a program of Solana's virtual machine. It knows no Python and no database.

It speaks the interface of Raydium's CPMM (https://github.com/raydium-io/raydium-cp-swap at 609780f):
instructions, accounts, layouts, fees, error 6005; none of that program's code is in it. The same code speaks
Jupiter's `route`, `exact_out_route` and `exact_out_route_v2` with error 6001, for the pools that are reached
through Jupiter. Exact input pays out of what has arrived, so a token's transfer fee counts without being
read.
"""

from __future__ import annotations

import functools

from oee_daemon.networks.localnet.localnet_dialects import Dialect
from oee_daemon.networks.localnet.pool_program_checks import check_market, check_pool
from oee_daemon.networks.localnet.pool_program_input import find_accounts, read_instruction
from oee_daemon.networks.localnet.sbpf_subroutines import (
    AMOUNT,
    CONFIG_FUND,
    CONFIG_PROTOCOL,
    CONFIG_TRADE,
    KEY,
    MILLION,
    OWED,
    OWNER,
    POOL_MAKER,
    POOL_OPENS,
    POOL_VAULTS,
    R0,
    R1,
    R2,
    R3,
    R7,
    R8,
    R9,
    SIGNER,
    Writer,
    before_fee,
    divided,
    multiply_divide,
    transfer,
)


@functools.cache
def program(dialect: Dialect) -> bytes:
    """The ELF file."""
    writer = Writer()
    find_accounts(writer)
    read_instruction(writer, dialect)
    check_pool(writer)
    check_market(writer)
    _exact_in(writer)
    _exact_out(writer)
    _owe_fees(writer)
    if dialect.opens is not None and dialect.withdraws is not None:
        _open(writer)
        _withdraw(writer)
    for name, code in _ENDS.items():
        writer.label(name)
        writer.wide(R0, code)
        writer.exit()
    writer.label("slipped")
    writer.log(dialect.line)
    writer.mov(R0, dialect.slipped)
    writer.exit()
    transfer(writer)
    before_fee(writer)
    multiply_divide(writer)
    return writer.elf()


#: Raydium's `error.rs`, and Anchor's for what is no account of this program's.
_ENDS = {
    "not approved": 6000, "no amount": 6006, "bad vault": 6008, "too much": 6012, "bad config": 6003,
    "bad instruction": 101, "bad owner": 3007, "bad pool": 3002, "no signer": 3010,
    "too few accounts": 3005,
}  # fmt: skip


def _hand_over(w: Writer, side: str, *, out: bool) -> None:
    """Transfers `units` of that side's token: from the user to the vault by his signature, or `out` to him by
    the authority's seeds."""
    ends = f"vault_{side}", f"user_{side}"
    frm, to = ends if out else ends[::-1]
    roles = (("from", frm), ("to", to), ("by", "authority" if out else "payer"), ("mint", f"mint_{side}"))
    for place, role in (*roles, ("program", f"program_{side}")):
        w.get(R1, role)
        w.put(place, R1)
    w.put("seeds", int(out))
    w.call("transfer")


def _exact_in(w: Writer) -> None:
    """Takes `amount`, and gives y·net / (x + net) for the part that arrived, less the fee."""
    w.of(R7, "vault_in", AMOUNT)
    w.get(R1, "amount")
    w.put("units", R1)
    _hand_over(w, "in", out=False)
    w.of(R1, "vault_in", AMOUNT)
    w.sub(R1, R7)
    w.mov(R7, R1)
    w.of(R2, "config", CONFIG_TRADE)
    w.get(R3, "creator_in")
    w.add(R2, R3)
    divided(w, MILLION, up=True)
    w.put("fee", R0)
    w.sub(R7, R0)
    w.get(R1, "reserve_out")
    w.mov(R2, R7)
    w.get(R8, "reserve_in")
    w.add(R8, R7)
    divided(w, R8, up=False)
    w.mov(R8, R0)
    w.mov(R1, R0)
    w.get(R2, "creator_out")
    divided(w, MILLION, up=True)
    w.put("creator", R0)
    w.sub(R8, R0)
    w.when(R8, "eq", 0, "no amount")
    w.put("units", R8)
    w.of(R7, "user_out", AMOUNT)
    _hand_over(w, "out", out=True)
    w.of(R1, "user_out", AMOUNT)
    w.sub(R1, R7)
    w.get(R2, "limit")
    w.when(R1, "lt", R2, "slipped")
    w.jump("swapped")


def _find_what_leaves(w: Writer) -> None:
    """R7: what lets `amount` arrive, which is `given`, and the creator's fee on it."""
    w.get(R1, "mint_out")
    w.get(R2, "amount")
    w.call("before fee")
    w.put("given", R0)
    w.mov(R7, R0)
    w.mov(R1, R0)
    w.mov(R2, MILLION)
    w.get(R3, "creator_out")
    w.mov(R8, MILLION)
    w.sub(R8, R3)
    divided(w, R8, up=True)
    w.mov(R1, R0)
    w.sub(R1, R7)
    w.put("creator", R1)
    w.mov(R7, R0)


def _exact_out(w: Writer) -> None:
    """Gives what lets `amount` arrive, for x·out / (y − out) rounded up, and the fees on top."""
    w.label("exact out")
    _find_what_leaves(w)
    w.get(R8, "reserve_out")
    w.when(R7, "ge", R8, "too much")
    w.sub(R8, R7)
    w.get(R1, "reserve_in")
    w.mov(R2, R7)
    divided(w, R8, up=True)
    w.mov(R1, R0)
    w.mov(R2, MILLION)
    w.of(R3, "config", CONFIG_TRADE)
    w.get(R9, "creator_in")
    w.add(R9, R3)
    w.mov(R3, R9)
    w.mov(R8, MILLION)
    w.sub(R8, R3)
    divided(w, R8, up=True)
    w.mov(R8, R0)
    w.mov(R1, R0)
    w.mov(R2, R9)
    divided(w, MILLION, up=True)
    w.put("fee", R0)
    w.get(R1, "mint_in")
    w.mov(R2, R8)
    w.call("before fee")
    w.get(R1, "limit")
    w.when(R0, "gt", R1, "slipped")
    w.put("units", R0)
    w.of(R9, "vault_in", AMOUNT)
    _hand_over(w, "in", out=False)
    w.of(R1, "vault_in", AMOUNT)
    w.sub(R1, R9)
    w.when(R1, "lt", R8, "too much")
    w.get(R1, "given")
    w.put("units", R1)
    _hand_over(w, "out", out=True)


def _must_be_ours(w: Writer) -> None:
    """The pool is this program's, these are its vaults, and whoever pays has signed."""
    w.when(R9, "lt", 32, "bad instruction")
    w.get(R7, "pool")
    w.get(R8, "me")
    w.same_key(R7, OWNER, R8, 0, "bad owner")
    w.of(R1, "payer", SIGNER, 1)
    w.when(R1, "eq", 0, "no signer")
    for vault, at in zip(("vault_in", "vault_out"), POOL_VAULTS, strict=True):
        w.get(R8, vault)
        w.same_key(R7, at, R8, KEY, "bad vault")


def _move(w: Writer, side: str, at: int, *, out: bool) -> None:
    """Between the maker's account and the vault: so much as stands in the instruction."""
    w.get(R1, "data")
    w.load(R1, R1, at)
    w.put("units", R1)
    _hand_over(w, side, out=out)


def _open(w: Writer) -> None:
    """Takes both amounts, and notes from when on it is open: not before the next second."""
    w.label("Initialize")
    _must_be_ours(w)
    _move(w, "in", 8, out=False)
    _move(w, "out", 16, out=False)
    w.now(R2)
    w.add(R2, 1)
    w.get(R1, "data")
    w.load(R1, R1, 24)
    w.when(R1, "ge", R2, "opens later")
    w.mov(R1, R2)
    w.label("opens later")
    w.get(R7, "pool")
    w.store(R7, POOL_OPENS, R1)
    w.mov(R0, 0)
    w.exit()


def _withdraw(w: Writer) -> None:
    """Gives both amounts to whoever made the pool; that its shares are burnt for it, nobody checks here."""
    w.label("Withdraw")
    _must_be_ours(w)
    w.get(R8, "payer")
    w.same_key(R7, POOL_MAKER, R8, KEY, "no signer")
    _move(w, "in", 16, out=True)
    _move(w, "out", 24, out=True)
    w.mov(R0, 0)
    w.exit()


def _owe_fees(w: Writer) -> None:
    """The protocol's and the fund's part of the trade's fee, and the maker's own, are written down in the
    pool."""
    w.label("swapped")
    w.get(R2, "creator_in")
    w.when(R2, "eq", 0, "fee split")
    w.get(R1, "fee")
    w.of(R8, "config", CONFIG_TRADE)
    w.add(R8, R2)
    divided(w, R8, up=False)
    w.put("creator", R0)
    w.get(R1, "fee")
    w.sub(R1, R0)
    w.put("fee", R1)
    w.label("fee split")
    w.get(R7, "pool")
    w.get(R8, "side")
    w.get(R1, "creator_out")
    w.when(R1, "eq", 0, "of the input")
    w.mov(R2, 1)
    w.sub(R2, R8)
    w.mov(R8, R2)
    w.label("of the input")
    w.lsh(R8, 3)
    w.add(R7, R8)
    w.load(R1, R7, OWED[0][2])
    w.get(R2, "creator")
    w.add(R1, R2)
    w.store(R7, OWED[0][2], R1)
    w.get(R7, "pool")
    w.get(R8, "side")
    w.lsh(R8, 3)
    w.add(R7, R8)
    for rate, owed in ((CONFIG_PROTOCOL, OWED[0][0]), (CONFIG_FUND, OWED[0][1])):
        w.get(R1, "fee")
        w.of(R2, "config", rate)
        divided(w, MILLION, up=False)
        w.load(R1, R7, owed)
        w.add(R1, R0)
        w.store(R7, owed, R1)
    w.mov(R0, 0)
    w.exit()

"""How the pool program reads what it is called with: accounts by their roles, and an instruction's numbers.

What it does with them is in `pool_program`. Nothing here looks into a pool.
"""

from __future__ import annotations

from oee_daemon.networks.localnet.localnet_dialects import Dialect
from oee_daemon.networks.localnet.sbpf_subroutines import (
    ACCOUNTS,
    BPS,
    DATA,
    GROWTH,
    HEAP,
    LENGTH,
    MOST_ACCOUNTS,
    R0,
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
    R7,
    R8,
    R9,
    ROLES,
    Writer,
)


def find_accounts(w: Writer) -> None:
    """Walks over the input: accounts of any size, or a byte that says which earlier one it is again."""
    w.wide(R6, HEAP)
    w.load(R2, R1, 0)
    w.when(R2, "gt", MOST_ACCOUNTS, "too few accounts")
    w.when(R2, "lt", len(ROLES), "too few accounts")
    w.at(R3, R1, 8)
    w.at(R5, R6, ACCOUNTS)
    w.mov(R7, R5)
    w.lsh(R2, 3)
    w.add(R2, R5)
    w.label("next account")
    w.when(R5, "ge", R2, "all accounts")
    w.load(R4, R3, 0, 1)
    w.when(R4, "eq", 0xFF, "new account")
    w.lsh(R4, 3)
    w.add(R4, R7)
    w.load(R4, R4, 0)
    w.store(R5, 0, R4)
    w.add(R3, 8)
    w.jump("account done")
    w.label("new account")
    w.store(R5, 0, R3)
    w.load(R4, R3, LENGTH)
    w.add(R3, R4)
    w.add(R3, DATA + GROWTH + 7)
    w.and_(R3, -8)
    w.add(R3, 8)
    w.label("account done")
    w.add(R5, 8)
    w.jump("next account")
    w.label("all accounts")
    w.load(R4, R3, 0)
    w.put("size", R4)
    w.add(R3, 8)
    w.put("data", R3)
    w.add(R3, R4)
    w.put("me", R3)


def read_instruction(w: Writer, dialect: Dialect) -> None:
    """Which way, its accounts by role, `amount` and `limit`: for Jupiter a quote less its slippage."""
    w.get(R8, "data")
    w.get(R9, "size")
    w.when(R9, "lt", 24, "bad instruction")
    w.load(R2, R8, 0)
    swaps = (dialect.exact_in, dialect.exact_out)
    ways = [(way, n, "read") for n, way in enumerate(swaps)]
    second = (dialect.exact_in_v2, dialect.exact_out_v2)
    ways += [(way, n, "read v2") for n, way in enumerate(second) if way is not None]
    others = filter(None, (dialect.opens, dialect.withdraws))
    ways += [(way, n, way.name) for n, way in enumerate(others, 2)]
    for way, n, then in ways:
        other = f"not {way.name}"
        w.wide(R3, int.from_bytes(way.tag, "little"))
        w.when(R2, "ne", R3, other)
        # r7 is the table: one account fewer than wanted reads a zero, and nothing is at the address 0.
        for role, place in zip(ROLES, way.roles, strict=True):
            w.load(R4, R7, 8 * place)
            w.when(R4, "eq", 0, "too few accounts")
            w.put(role, R4)
        w.put("exact_out", n)
        w.log(f"Instruction: {way.name}")
        w.jump(then)
        w.label(other)
    w.jump("bad instruction")
    w.label("read")
    w.get(R8, "data")
    if dialect.bounded:
        w.load(R1, R8, 8)
        w.load(R2, R8, 16)
        w.get(R3, "exact_out")
        w.when(R3, "eq", 0, "in order")
        w.mov(R3, R1)
        w.mov(R1, R2)
        w.mov(R2, R3)
        w.label("in order")
        w.put("amount", R1)
        w.put("limit", R2)
        return
    _read_route(w)


def _read_route(w: Writer) -> None:
    """Amount, quote, slippage in bps and platform fee are the last 19 bytes: the route plan before them has
    any length. Of the second version they come first."""
    w.add(R8, R9)
    w.load(R1, R8, -19)
    w.put("amount", R1)
    w.load(R1, R8, -11)
    w.load(R3, R8, -3, 2)
    w.jump("quoted")
    w.label("read v2")
    w.when(R9, "lt", 30, "bad instruction")
    w.get(R8, "data")
    w.load(R1, R8, 8)
    w.put("amount", R1)
    w.load(R1, R8, 16)
    w.load(R3, R8, 24, 2)
    w.label("quoted")
    w.when(R3, "gt", BPS, "bad instruction")
    w.mov(R2, BPS)
    w.get(R4, "exact_out")
    w.when(R4, "eq", 0, "at least")
    w.add(R2, R3)
    w.jump("bound")
    w.label("at least")
    w.sub(R2, R3)
    w.label("bound")
    w.mov(R3, 0)
    w.mov(R4, BPS)
    w.call("multiply divide")
    w.put("limit", R0)

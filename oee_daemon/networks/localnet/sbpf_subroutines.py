"""What the pool program stands on: its memory, the accounts in it, a transfer, and 128 bits of arithmetic.

Offsets are those at which the runtime lays out an account; layouts are Raydium's and the token programs'.
"""

from __future__ import annotations

from oee_daemon.networks.localnet.sbpf_assembler import Assembler, R

R0, R1, R2, R3, R4, R5, R6, R7, R8, R9 = (R(n) for n in range(10))
#: Memory of 32 KiB that is zero at the start; everything below is an offset into it, and r6 always points to
# it.
HEAP = 0x3_0000_0000
#: The accounts in the order in which they came, as addresses; and how many at most.
ACCOUNTS, MOST_ACCOUNTS = 0x400, 64
#: What a transfer hands to the runtime: instruction, its accounts, its data, what they are, the signer's
# seeds.
_INSTRUCTION, _METAS, _DATA, _INFOS, _SEEDS, _SIGNERS = 0x800, 0x840, 0x8A0, 0x900, 0xA00, 0xA40
#: Where the runtime writes its clock, and in it Unix seconds.
_CLOCK, _UNIX = 0xA80, 32
#: The offsets in an account as the runtime lays it out, `DATA` without the 10,240 bytes that it may grow.
SIGNER, KEY, OWNER, LENGTH, DATA = 1, 8, 40, 80, 88
GROWTH = 10_240
#: Where a token account has its amount, and a mint its decimals.
AMOUNT, _DECIMALS = DATA + 64, DATA + 44
#: `PoolState`, in the file `states/pool.rs` of Raydium's program; for both tokens: vault, then three fees
# owed.
POOL_SIZE, POOL_VAULTS, _POOL_BUMP, POOL_STATUS = 637, (DATA + 72, DATA + 104), DATA + 328, DATA + 329
POOL_MAKER, POOL_OPENS = DATA + 40, DATA + 373
OWED = ((DATA + 341, DATA + 357, DATA + 397), (DATA + 349, DATA + 365, DATA + 405))
CONFIG_TRADE, CONFIG_PROTOCOL, CONFIG_FUND = DATA + 12, DATA + 20, DATA + 28
#: The maker's fee: of what it is taken, whether it is at all, and its rate.
CREATOR_ON, CREATOR_ENABLED, CONFIG_CREATOR = DATA + 389, DATA + 390, DATA + 108
#: Token-2022's `TransferFeeConfig` (1) where it is a mint's first extension: the newer fee's most and rate,
# bps.
_EXTENSION, _FEE_MOST, _FEE_BPS, _WITH_FEE = DATA + 166, DATA + 268, DATA + 276, 278
#: Fees are in millionths, a transfer's in ten thousandths.
MILLION, BPS = 1_000_000, 10_000
AUTHORITY_SEED = b"vault_and_lp_mint_auth_seed"

ROLES = (
    "payer", "authority", "config", "pool", "user_in", "user_out", "vault_in", "vault_out",
    "program_in", "program_out", "mint_in", "mint_out",
)  # fmt: skip
_PLACES = {
    name: 8 * n
    for n, name in enumerate((
        *ROLES, "data", "size", "me", "amount", "limit", "exact_out", "side", "reserve_in", "reserve_out",
        "fee", "from", "to", "mint", "by", "program", "units", "seeds",
        "creator", "creator_in", "creator_out", "given",
    ))
}  # fmt: skip


class Writer(Assembler):
    """The assembler, with named places in memory."""

    def get(self, dst: R, place: str) -> None:
        self.load(dst, R6, _PLACES[place])

    def put(self, place: str, value: int) -> None:
        self.store(R6, _PLACES[place], value)

    def of(self, dst: R, place: str, offset: int, size: int = 8) -> None:
        """A field of the account in that place."""
        self.get(dst, place)
        self.load(dst, dst, offset, size)

    def now(self, dst: R) -> None:
        """Unix seconds of the block."""
        self.at(R1, R6, _CLOCK)
        self.runtime("sol_get_clock_sysvar")
        self.load(dst, R6, _CLOCK + _UNIX)

    def log(self, line: str) -> None:
        self.text(R1, line.encode())
        self.mov(R2, len(line))
        self.runtime("sol_log_")

    def same_key(self, left: R, offset_left: int, right: R, offset_right: int, otherwise: str) -> None:
        for part in range(0, 32, 8):
            self.load(R4, left, offset_left + part)
            self.load(R5, right, offset_right + part)
            self.when(R4, "ne", R5, otherwise)


def divided(w: Writer, divisor: int, *, up: bool) -> None:
    """r0 = r1 * r2 / `divisor`; where it is a register it is not r1 or r2."""
    w.mov(R4, divisor)
    w.mov(R3, 0)
    if up:
        w.mov(R3, R4)
        w.sub(R3, 1)
    w.call("multiply divide")


def transfer(w: Writer) -> None:
    """`TransferChecked` (12) of `units`; what the token's program refuses ends the whole transaction."""
    w.label("transfer")
    w.at(R9, R6, _INSTRUCTION)
    w.get(R1, "program")
    w.add(R1, KEY)
    w.store(R9, 0, R1)
    for offset, place in ((8, _METAS), (24, _DATA)):
        w.at(R2, R6, place)
        w.store(R9, offset, R2)
    w.store(R9, 16, 4)
    w.store(R9, 32, 10)
    w.store(R6, _DATA, 12, 1)
    w.get(R1, "units")
    w.store(R6, _DATA + 1, R1)
    w.of(R1, "mint", _DECIMALS, 1)
    w.store(R6, _DATA + 9, R1, 1)
    _describe_accounts(w)
    w.text(R1, AUTHORITY_SEED)
    w.store(R6, _SEEDS, R1)
    w.store(R6, _SEEDS + 8, len(AUTHORITY_SEED))
    w.get(R1, "pool")
    w.add(R1, _POOL_BUMP)
    w.store(R6, _SEEDS + 16, R1)
    w.store(R6, _SEEDS + 24, 1)
    w.at(R4, R6, _SEEDS)
    w.store(R6, _SIGNERS, R4)
    w.store(R6, _SIGNERS + 8, 2)
    w.mov(R1, R9)
    w.at(R2, R6, _INFOS)
    w.mov(R3, 4)
    w.at(R4, R6, _SIGNERS)
    w.get(R5, "seeds")
    w.runtime("sol_invoke_signed_c")
    w.exit()


def _describe_accounts(w: Writer) -> None:
    """Each one twice: how the instruction names it, and where it is."""
    for n, (role, writable) in enumerate((("from", 1), ("mint", 0), ("to", 1), ("by", 0))):
        meta, info = _METAS + 16 * n, _INFOS + 56 * n
        w.get(R1, role)
        w.at(R2, R1, KEY)
        w.store(R6, meta, R2)
        w.store(R6, meta + 8, writable, 1)
        w.store(R6, meta + 9, int(role == "by"), 1)
        # Key, lamports, length, data, owner as addresses or numbers; rent epoch; then the three flags.
        w.store(R6, info, R2)
        for offset, field in ((8, 72), (24, DATA), (32, OWNER)):
            w.at(R2, R1, field)
            w.store(R6, info + offset, R2)
        w.load(R2, R1, LENGTH)
        w.store(R6, info + 16, R2)
        w.store(R6, info + 40, 0)
        for flag in range(3):
            w.load(R2, R1, SIGNER + flag, 1)
            w.store(R6, info + 48 + flag, R2, 1)


def before_fee(w: Writer) -> None:
    """r0 = what has to be sent of the mint r1 for r2 to arrive, as `calculate_pre_fee_amount` of Token-2022
    has it."""
    w.label("before fee")
    w.mov(R7, R1)
    w.mov(R8, R2)
    w.load(R1, R7, LENGTH)
    w.when(R1, "lt", _WITH_FEE, "no fee")
    w.load(R1, R7, _EXTENSION, 2)
    w.when(R1, "ne", 1, "no fee")
    w.load(R9, R7, _FEE_BPS, 2)
    w.when(R9, "eq", 0, "no fee")
    w.load(R7, R7, _FEE_MOST)
    w.when(R9, "ge", BPS, "most fee")
    w.mov(R1, R8)
    w.mov(R2, BPS)
    w.mov(R5, BPS)
    w.sub(R5, R9)
    divided(w, R5, up=True)
    w.mov(R1, R0)
    w.sub(R0, R8)
    w.when(R0, "ge", R7, "most fee")
    w.mov(R2, R9)
    divided(w, BPS, up=True)
    w.when(R0, "gt", R7, "most fee")
    w.add(R0, R8)
    w.exit()
    w.label("most fee")
    w.at(R0, R8, R7)
    w.exit()
    w.label("no fee")
    w.mov(R0, R8)
    w.exit()


def multiply_divide(w: Writer) -> None:
    """r0 = (r1 * r2 + r3) / r4, by 128 bits between; what does not fit into 64 ends the transaction."""
    w.label("multiply divide")
    w.mov(R5, R1)
    w.rsh(R5, 32)
    w.low(R1)
    w.mov(R7, R2)
    w.rsh(R7, 32)
    w.low(R2)
    # r1, r5: halves of the first; r2, r7: of the second. r8 low·low, r9 low·high, r0 high·low, r5 high·high.
    w.mov(R8, R1)
    w.mul(R8, R2)
    w.mov(R9, R1)
    w.mul(R9, R7)
    w.mov(R0, R5)
    w.mul(R0, R2)
    w.mul(R5, R7)
    w.mov(R1, R8)
    w.rsh(R1, 32)
    for middle in (R9, R0):
        w.mov(R2, middle)
        w.low(R2)
        w.add(R1, R2)
        w.rsh(middle, 32)
        w.add(R5, middle)
    w.mov(R2, R1)
    w.rsh(R2, 32)
    w.add(R5, R2)
    w.lsh(R1, 32)
    w.low(R8)
    w.or_(R1, R8)
    w.add(R1, R3)
    w.when(R1, "ge", R3, "no carry")
    w.add(R5, 1)
    w.label("no carry")
    w.when(R5, "lt", R4, "fits")
    w.runtime("abort")
    w.label("fits")
    _divide(w)


def _divide(w: Writer) -> None:
    """r0 = (r5, r1) / r4: 64 times shift, and take off what fits."""
    w.mov(R0, 0)
    w.mov(R2, 64)
    w.label("next bit")
    w.mov(R7, R5)
    w.rsh(R7, 63)
    w.lsh(R5, 1)
    w.mov(R8, R1)
    w.rsh(R8, 63)
    w.or_(R5, R8)
    w.lsh(R1, 1)
    w.lsh(R0, 1)
    w.when(R7, "ne", 0, "take off")
    w.when(R5, "lt", R4, "bit done")
    w.label("take off")
    w.sub(R5, R4)
    w.or_(R0, 1)
    w.label("bit done")
    w.sub(R2, 1)
    w.when(R2, "ne", 0, "next bit")
    w.exit()

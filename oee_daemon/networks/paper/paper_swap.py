"""A paper swap: what its bytes say, its signature, and who checks and signs it. Nothing here has a key.

The bytes are those of a Solana message with one instruction, of a program that no chain has: sent anywhere,
they would do nothing. A signature begins with `paper:`, so that nobody looks it up on a chain.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from uuid import UUID

from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message, from_bytes_versioned
from solders.pubkey import Pubkey
from solders.signature import Signature

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.errors import UnsafeSwap
from oee_daemon.networks.network_own_ledger import height_of
from oee_daemon.networks.venue import Plan
from oee_daemon.networks.verdict import VALID_BLOCKS
from oee_daemon.networks.wallet import Wallet
from oee_daemon.orders.swap import Anchor, SignedSwap, UnsignedSwap

#: What makes its hashes its own.
CHAIN = b"oee-paper"
#: In front of each signature.
MARK = "paper:"
#: Whose swaps these are, in the place of an address.
OWNER = "paper"
#: Addresses that nobody has a key to, since they are words.
_PROGRAM = Pubkey.from_bytes(b"oee paper network swap program..")
_PAYER = Pubkey.from_bytes(b"oee paper network payer.........")


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperSwap:
    """What the bytes say. `amount` is the exact side's, `bound` the other's worst, base units; `network_fee`
    what a place in a block would cost, lamports."""

    order_id: UUID
    number: int
    attempt: int
    venue: str
    mode: SwapMode
    input_mint: str
    output_mint: str
    amount: int
    bound: int
    network_fee: int
    last_height: int


def content_of(plan: Plan, network_fee: int) -> bytes:
    """Keys in a fixed order: the same plan on the same anchor gives the same bytes, hence signature."""
    said = {
        "order": str(plan.order_id),
        "number": plan.request.number,
        "attempt": plan.request.attempt,
        "venue": plan.quote.venue,
        "mode": plan.request.mode,
        "input": plan.request.input_token.mint,
        "output": plan.request.output_token.mint,
        "amount": str(plan.request.amount),
        "bound": str(plan.bound),
        "networkFee": str(network_fee),
    }
    return json.dumps(said, separators=(",", ":")).encode()


def unsigned_of(plan: Plan, anchor: Anchor, network_fee: int) -> UnsignedSwap:
    payer = [AccountMeta(_PAYER, is_signer=True, is_writable=True)]
    step = Instruction(_PROGRAM, content_of(plan, network_fee), payer)
    message = Message.new_with_blockhash([step], _PAYER, Hash.from_string(anchor.blockhash))
    return UnsignedSwap(message=bytes(message), last_valid_height=anchor.last_valid_height)


def signature_of(raw: bytes) -> str:
    return MARK + str(Signature.from_bytes(hashlib.blake2b(raw, person=CHAIN).digest()))


def read_swap(raw: bytes) -> PaperSwap:
    """What `unsigned_of` wrote. Raises `ValueError` for any other bytes."""
    try:
        message = from_bytes_versioned(raw)
        (step,) = message.instructions
        if message.account_keys[step.program_id_index] != _PROGRAM:
            raise ValueError("it calls another program")
        said = json.loads(bytes(step.data))
        return PaperSwap(
            order_id=UUID(said["order"]),
            number=int(said["number"]),
            attempt=int(said["attempt"]),
            venue=str(said["venue"]),
            mode=SwapMode(said["mode"]),
            input_mint=str(said["input"]),
            output_mint=str(said["output"]),
            amount=int(said["amount"]),
            bound=int(said["bound"]),
            network_fee=int(said["networkFee"]),
            last_height=height_of(message.recent_blockhash, CHAIN) + VALID_BLOCKS,
        )
    except Exception as e:
        # solders words each kind of broken bytes by another class.
        raise ValueError(f"it is no paper swap: {e}") from None


class PaperGuard:
    """Allows nothing but the paper swap of the plan: whatever it is, no chain would take it."""

    async def check(self, unsigned: UnsignedSwap, plan: Plan) -> None:
        try:
            swap = read_swap(unsigned.message)
        except ValueError as e:
            raise UnsafeSwap(f"It is not signed: {e}.") from None
        said = (swap.order_id, swap.attempt, swap.mode, swap.amount, swap.bound, swap.venue)
        asked = plan.request
        planned = (plan.order_id, asked.attempt, asked.mode, asked.amount, plan.bound, plan.quote.venue)
        if said != planned or (swap.input_mint, swap.output_mint) != (
            asked.input_token.mint,
            asked.output_token.mint,
        ):
            raise UnsafeSwap("It says something else than the plan: the bound, the amounts, or whose it is.")


class PaperWallet(Wallet):
    """Signs with a digest: there is nothing to keep, and nothing to lock.

    `taker`: an address for venues that ask who swaps. Everybody knows its key: it is never shown, so that
    nobody sends anything there.
    """

    def __init__(self) -> None:
        super().__init__(Keypair.from_seed(b"oee paper network, nobody's key."))
        self.taker, self.address = self.address, OWNER

    def sign(self, swap: UnsignedSwap, order_id: UUID, attempt: int) -> SignedSwap:
        return SignedSwap(
            order_id=order_id,
            attempt=attempt,
            signature=signature_of(swap.message),
            raw=swap.message,
            last_valid_height=swap.last_valid_height,
        )

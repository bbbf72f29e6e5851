"""A swap of long ago, and what a worker that has just started makes of it."""

from __future__ import annotations

from uuid import uuid4

from oee_daemon.networks.solana.solana_chain import SolanaChain
from oee_daemon.networks.solana.solana_look_evidence import Anchored
from oee_daemon.networks.solana.solana_swap_memo import Memo
from oee_daemon.networks.solana.solana_swap_stamp import message_of, stamped
from oee_daemon.networks.verdict import Cases
from oee_daemon.networks.wallet import Wallet
from oee_daemon.orders.swap import Outcome, SignedSwap, Unknown, UnsignedSwap
from tests.networks.localnet.conftest import SOL, USDC, Localnet
from tests.networks.solana.held import pool

#: Slots after which no node's cache knows a swap.
LONG = 1000


def chain_of(net: Localnet, *nodes: str) -> SolanaChain:
    """As a worker has it that has just started: nothing is known of any swap."""
    return SolanaChain(
        pool(net, *nodes),
        wallet=str(net.wallet.pubkey()),
        genesis=net.rpc("getGenesisHash"),
        # The clock is held, and jumps.
        fastest_slot_ms=1e-6,
    )


async def signed(net: Localnet, *, anchor_told: bool) -> SignedSwap:
    anchor = await chain_of(net, "").anchor(1.0)
    order_id = uuid4()
    memo = Memo(order_id, 1, Anchored(slot=anchor.slot, height=anchor.height)).text()
    message = message_of(net.raydium_tx(net.raydium(SOL, USDC, 10**8)))
    content = stamped(message, anchor.blockhash, memo if anchor_told else b"another's", 1)
    unsigned = UnsignedSwap(message=content, last_valid_height=anchor.last_valid_height)
    return Wallet(net.wallet).sign(unsigned, order_id, 1)


def of_before(net: Localnet) -> None:
    """The wallet has landed something before, as one has that anybody ever gave money to."""
    net.fund()
    net.send(net.signed(net.raydium_tx(net.raydium(SOL, USDC, 10**7))))
    net.blocks(5)


async def decided(net: Localnet, chain: SolanaChain, swap: SignedSwap, *, rounds: int, apart: int) -> Outcome:
    """What comes of so many rounds of looks, with `apart` slots between two of them."""
    cases, found = Cases(chain.nodes), Unknown("never asked")
    for _ in range(rounds):
        said = cases.judge(swap, await chain.look(swap))
        if not isinstance(said, Unknown):
            return said
        found = said
        net.blocks(apart)
    return found

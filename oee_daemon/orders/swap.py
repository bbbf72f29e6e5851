"""The values that travel between an order, a venue and a chain. All frozen, amounts in base units.

A request becomes a quote, a quote an unsigned swap, that a signed swap; the chain then says an outcome.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.orders.tokens import Token


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteRequest:
    """What a venue is asked. `number` and `attempt` are 0 and 1 for a price that nobody will trade on.
    `route`: the only one that is asked for, as in a quote of that venue; any where it is empty.
    `slippage_bps`: by how much a swap of the quote may be worse, for venues whose quotes say it."""

    input_token: Token
    output_token: Token
    amount: int
    mode: SwapMode
    number: int = 0
    attempt: int = 1
    route: bytes = b""
    slippage_bps: int = 0


def is_far_better(more: int, less: int) -> bool:
    """By more than a quarter: no honest price moves so far while a swap is built."""
    return 4 * more > 5 * less


@dataclass(frozen=True, slots=True)
class Toll:
    """By what the network's part of a swap can be told before it is built: accounts of others that it writes,
    the pools that it goes through, and the price for each compute unit that its venue hints at. `opens`:
    accounts that it makes at the trader's cost where they are not there yet, but those of its two tokens."""

    accounts: tuple[str, ...]
    pools: int = 1
    unit_price: int = 0
    opens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """One venue's firm answer for one amount; everything net.

    `fee` is part of `amount_in`; it and the impact are none where the venue does not say. `route` is what the
    venue needs to build just this swap: opaque bytes, stored with the choice and given back to it. `toll` is
    not stored, and none where the network takes nothing. `thin`: of a pool that may hold anything, whose
    price says nothing of the market while who knows others is merely late.
    """

    venue: str
    amount_in: int
    amount_out: int
    fee: int | None = None
    price_impact_bps: int | None = None
    route: bytes = b""
    toll: Toll | None = None
    thin: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueAnswer:
    """What came back from one venue: a quote, or the reason why there is none. `latency_ms` whole."""

    venue: str
    latency_ms: int
    quote: Quote | None = None
    error: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Anchor:
    """A recent blockhash and the last height at which a swap that names it can still land.

    `slot`, `height`: where the chain was then, where it tells both.
    """

    blockhash: str
    last_valid_height: int
    slot: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsignedSwap:
    """A swap as a venue built it: the serialized message to sign, and until when it can land."""

    message: bytes
    last_valid_height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedSwap:
    """The bytes to send. `signature` is known before anything is sent, which is what makes it safe."""

    order_id: UUID
    attempt: int
    signature: str
    raw: bytes
    last_valid_height: int
    #: What it swaps, for who reads what it did; empty where that was not said.
    mints: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """What the chain says really moved: of which mint how much, in base units.

    `order_id` is what the swap's own bytes say, none where they say nothing; the engine's word on it is the
    swap that it stored by that signature. `fee` is none where the chain does not say; `network_fee`, in the
    network's own coin, where nobody pays one.
    """

    signature: str
    input_mint: str
    output_mint: str
    amount_in: int
    amount_out: int
    fee: int | None
    slot: int
    at: datetime
    order_id: UUID | None = None
    #: What is only told: a node that tells it otherwise does not contradict the others.
    network_fee: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Landed:
    """On the chain, and it moved this."""

    fill: Fill


@dataclass(frozen=True, slots=True)
class Rejected:
    """On the chain with an error: nothing moved, and it can't land again."""

    code: str
    message: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class Lapsed:
    """Not on the chain, and past the height after which it could have been: it can never land."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The chain did not say, lags or contradicts itself. Decides nothing."""

    reason: str


Outcome = Landed | Rejected | Lapsed | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one node of a chain showed of one swap in one answer. Heights count blocks.

    A node answers from several stores at once, and each may be of another time: `height` is how far it is,
    `as_of` the height of the state in which it looked for the swap, `remembers_from` the first height of
    which it would still know one.
    """

    node: str
    height: int
    as_of: int
    remembers_from: int = 0
    #: `Unknown`: it is there, and this node does not say what it did, or another contradicts it.
    seen: Landed | Rejected | Unknown | None = None
    #: What was seen can't vanish any more.
    final: bool = False

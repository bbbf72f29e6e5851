"""Whether what is bought could be sold: a purchase and a sale in one transaction, simulated and never sent.

Nothing is signed. A sale that fails where the purchase before it passed tells a token that nobody can sell;
everything else that fails tells nothing.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

from solders.compute_budget import set_compute_unit_limit
from solders.hash import Hash
from solders.instruction import Instruction
from solders.message import MessageV0, to_bytes_versioned
from solders.pubkey import Pubkey

from oee_daemon.networks.solana.rpc.endpoint_pool import Pool
from oee_daemon.networks.solana.rpc.rpc_answers import NoAnswer, Result
from oee_daemon.networks.solana.solana_fill import WSOL, Unreadable, changes
from oee_daemon.networks.solana.solana_simulation import simulation_end
from oee_daemon.networks.solana.solana_swap_assembly import make_account, unwrap, wrap
from oee_daemon.networks.solana.solana_unit_pricing import Pricing
from oee_daemon.networks.solana.venues.cpmm_pool import addresses
from oee_daemon.networks.solana.venues.cpmm_venue import swap_of
from oee_daemon.orders.swap import Quote, QuoteRequest

#: Compute units that both swaps and the accounts before them may take.
_UNITS = 800_000
#: Of what was quoted, percent that is sold: a little less, since the price moves; and what is tried where
#: not even that much arrives.
_SOLD, _LITTLE = 98, 1


class _Trial(NamedTuple):
    """`sale`: which of the instructions sells."""

    message: MessageV0
    sale: int


class SellBack:
    """For whoever has `wallet`, by pools of `program`."""

    def __init__(self, rpc: Pool, pricing: Pricing, program: str, wallet: str) -> None:
        self._rpc = rpc
        self._pricing = pricing
        self._program = program
        self._wallet = wallet

    async def of(self, request: QuoteRequest, quote: Quote, deadline_s: float) -> int | None:
        """Base units of the input that come back; 0 where a sale fails, none where nobody can say. Raises
        `ChainUnavailable`."""
        for percent in (_SOLD, _LITTLE):
            sold = quote.amount_out * percent // 100
            if not sold:
                return None
            back = await self._try_sale(request, quote, sold, deadline_s)
            if back is None:
                return None
            if back:
                # That a little can be sold tells no price.
                return back * quote.amount_out // sold if percent == _SOLD else None
        return 0

    async def _try_sale(
        self, request: QuoteRequest, quote: Quote, sold: int, deadline_s: float
    ) -> int | None:
        mints = request.input_token.mint, request.output_token.mint
        given, taken = await self._pricing.programs(mints, deadline_s)
        trial = self._trial(mints, (given, taken), quote, sold)
        wire = base64.b64encode(b"\x01" + bytes(64) + to_bytes_versioned(trial.message)).decode()
        options = {
            "encoding": "base64",
            "commitment": "confirmed",
            "sigVerify": False,
            "replaceRecentBlockhash": True,
        }

        def read(results: list[Result]) -> int | None:
            return _read_back(results[0], trial, self._wallet, mints[0], quote.amount_in)

        # As the guard's: an endpoint and a venue that lie together need another endpoint to lie, too.
        told = await self._rpc.two([("simulateTransaction", [wire, options])], read, deadline_s)
        backs = [back for back in told if back is not None]
        return min(backs) if len(backs) == len(told) else None

    def _trial(self, mints: tuple[str, str], programs: tuple[str, str], quote: Quote, sold: int) -> _Trial:
        (index,) = struct.unpack(">H", quote.route)
        at = addresses(self._program, index, *mints)
        spent = quote.amount_in
        steps: list[Instruction] = [set_compute_unit_limit(_UNITS)]
        wrapped = mints[0] == WSOL
        steps += wrap(self._wallet, spent) if wrapped else [make_account(self._wallet, mints[0], programs[0])]
        steps.append(make_account(self._wallet, mints[1], programs[1]))
        steps.append(swap_of(self._wallet, at, mints, programs, (spent, 1)))
        steps.append(swap_of(self._wallet, at, mints[::-1], programs[::-1], (sold, 1)))
        sale = len(steps) - 1
        steps += [unwrap(self._wallet)] if wrapped else []
        payer = Pubkey.from_string(self._wallet)
        return _Trial(MessageV0.try_compile(payer, steps, [], Hash.default()), sale)


def _read_back(said: Result, trial: _Trial, wallet: str, mint: str, spent: int) -> int | None:
    """Raises `NoAnswer` for what is no simulation of it."""
    value = simulation_end(said)
    if value["err"] is not None:
        return 0 if _failed_at(value["err"]) == trial.sale else None
    try:
        moved = changes(value, [str(key) for key in trial.message.account_keys], wallet)
    except Unreadable:
        raise NoAnswer("a simulation that can't be read") from None
    return max(0, spent + moved.get(mint, 0))


def _failed_at(err: Any) -> int | None:
    """The place of the instruction that failed."""
    place: Sequence[Any] | None = err.get("InstructionError") if isinstance(err, dict) else None
    return place[0] if isinstance(place, list) and place and type(place[0]) is int else None

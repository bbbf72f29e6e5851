"""What a token of Token-2022 keeps of a transfer changes with an epoch: a quote counts what is kept when the
swap lands, and the worse of two fees where nobody can tell yet."""

from __future__ import annotations

import asyncio
import base64
import struct
from typing import Any, cast

import pytest

from oee_daemon.contract.order_types import SwapMode
from oee_daemon.networks.prices import Watched
from oee_daemon.networks.solana.solana_epochs import CLOCK, EPOCH_SCHEDULE, epochs_ahead
from oee_daemon.networks.solana.solana_mint_account import read_mint
from oee_daemon.networks.solana.solana_pool_reader import PoolReader
from oee_daemon.networks.solana.venues.cpmm_venue import CpmmVenue
from oee_daemon.orders.swap import QuoteRequest
from oee_daemon.orders.tokens import TOKENS
from tests.networks.solana import crafted
from tests.networks.solana.test_building import AT, stored

SYSVAR = "Sysvar1111111111111111111111111111111111111"
#: Of mainnet: no shorter epochs at first.
SCHEDULE = (SYSVAR, struct.pack("<QQBQQ", 432_000, 432_000, 0, 0, 0))


def clock(slot: int, epoch: int | None = None) -> tuple[str, bytes]:
    data = struct.pack("<QqQQq", slot, 0, slot // 432_000 if epoch is None else epoch, 0, 0)
    return SYSVAR, data


@pytest.mark.parametrize(
    ("told", "schedule", "epochs"),
    [
        (clock(432_000), SCHEDULE, (1,)),
        (clock(863_699), SCHEDULE, (1,)),
        (clock(863_700), SCHEDULE, (1, 2)),
        (clock(863_999), SCHEDULE, (1, 2)),
        (clock(864_000), SCHEDULE, (2,)),
        (clock(1000, epoch=7), (SYSVAR, struct.pack("<QQBQQ", 8192, 0, 1, 7, 500)), (7,)),
        # Nobody says it, or what is said contradicts itself.
        (None, SCHEDULE, ()),
        (clock(5), None, ()),
        (clock(432_000, epoch=9), SCHEDULE, ()),
        (("else", clock(5)[1]), SCHEDULE, ()),
        ((SYSVAR, b"\1" * 8), SCHEDULE, ()),
        (clock(5), (SYSVAR, bytes(33)), ()),
        (clock(1, epoch=1), (SYSVAR, struct.pack("<QQBQQ", 1, 0, 0, 0, 0)), (1, 2)),
    ],
)
def test_an_epoch_ahead_counts_where_a_swap_of_now_may_land_in_it(
    told: tuple[str, bytes] | None, schedule: tuple[str, bytes] | None, epochs: tuple[int, ...]
) -> None:
    assert epochs_ahead(told, schedule) == epochs


def feed_mint(older: int, newer: int, epoch: int) -> tuple[str, bytes]:
    """Of basis points until that epoch and from it on."""
    fees = b"".join(struct.pack("<QQH", n, 2**63, bps) for n, bps in ((0, older), (epoch, newer)))
    plain = bytes(45) + b"\1" + bytes(36 + 83) + b"\1"
    return str(crafted.TOKEN_2022), plain + struct.pack("<HH", 1, 108) + bytes(72) + fees


class Chain:
    """Tells accounts by their keys."""

    def __init__(self, accounts: dict[str, tuple[str, bytes] | None]) -> None:
        self._accounts = accounts

    async def any(self, calls: Any, read: Any, *_: Any, **__: Any) -> Any:
        found = [self._accounts.get(key) for key in calls[0][1][0]]
        rows = [row and {"owner": row[0], "data": [base64.b64encode(row[1]).decode()]} for row in found]
        return read([{"context": {"slot": 1}, "value": rows}])

    async def each(self, calls: Any, *_: Any, **__: Any) -> Any:
        return {"node": await self.any(calls, lambda said: said)}


@pytest.mark.parametrize("fees", [(3000, 500), (500, 3000)])
@pytest.mark.parametrize(
    ("slot", "kept"),
    [(9 * 432_000, 0), (10 * 432_000 - 301, 0), (10 * 432_000 - 1, None), (10 * 432_000, 1), (None, None)],
)
def test_a_pool_s_quote_counts_the_fee_of_the_epoch_in_which_it_lands(
    fees: tuple[int, int], slot: int | None, kept: int | None
) -> None:
    """By the worse of both it would be far below what the simulation shows, and be refused as a lie."""
    accounts = dict(zip(AT.to_read(), stored(), strict=True))
    usdc = TOKENS["USDC"].mint
    accounts[usdc] = feed_mint(*fees, 10)
    plain = TOKENS["USDC"], TOKENS["SOL"]
    request = QuoteRequest(
        input_token=plain[1], output_token=plain[0], amount=100_000, mode=SwapMode.EXACT_IN
    )
    if slot is not None:
        accounts |= {CLOCK: clock(slot), EPOCH_SCHEDULE: SCHEDULE}
    rpc: Any = Chain(accounts)
    venue = CpmmVenue(rpc, rpc, str(crafted.CPMM))
    quote = asyncio.run(venue.quote(request, 1))
    given = asyncio.run(CpmmVenue(plain_rpc(), rpc, str(crafted.CPMM)).quote(request, 1)).amount_out
    bps = max(fees) if kept is None else fees[kept]
    assert quote.amount_out == given - -(-given * bps // 10_000)
    assert read_mint(*feed_mint(*fees, 10)).worst_fee.bps == 3000


@pytest.mark.parametrize(
    ("slot", "kept"), [(9 * 432_000, 500), (10 * 432_000 - 1, 3000), (10 * 432_000, 3000), (None, 3000)]
)
def test_a_watched_pool_counts_the_fee_of_the_epoch_that_it_is(slot: int | None, kept: int) -> None:
    """By the worse of both a stop would seem met long before the fee is raised."""
    accounts = dict(zip(AT.to_read(), stored(), strict=True))
    sol, usdc = TOKENS["SOL"], TOKENS["USDC"]
    accounts[usdc.mint] = feed_mint(500, 3000, 10)
    if slot is not None:
        accounts |= {CLOCK: clock(slot), EPOCH_SCHEDULE: SCHEDULE}
    reader = PoolReader(cast(Any, Chain(accounts)), str(crafted.CPMM), 1e-9)
    watched = Watched(f"{sol.mint}/{usdc.mint}", sol, usdc)
    sight = asyncio.run(reader.look([watched], urgent=False))
    assert sight is not None
    assert [fee.bps for fee in sight.pools[watched.name].kept] == [0, kept]


def plain_rpc() -> Any:
    return Chain(dict(zip(AT.to_read(), stored(), strict=True)))

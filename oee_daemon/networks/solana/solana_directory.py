"""Jupiter's lists of tokens and prices: what a token is called, and what one costs in US dollars.

https://dev.jup.ag: `/tokens/v2/search` and `/price/v3`. Nothing is traded by what they say: a name is shown,
a price is multiplied for the eye. What has another shape than documented is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from oee_daemon.contract.storable import storable
from oee_daemon.errors import VenueError
from oee_daemon.networks.holdings import TokenFound
from oee_daemon.networks.solana.venues.venue_api import Api

#: Mints of one question for prices.
_MOST = 50
#: What a mint's one byte can say.
_MOST_DECIMALS = 255
#: Characters of a name that are shown.
_LONGEST = 60


class JupiterDirectory:
    """By one API, whose turns are shared with the venue of that name; what is looked at waits."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def search(self, text: str, deadline_s: float) -> Sequence[TokenFound]:
        said = await self._api.read("/tokens/v2/search", {"query": text}, deadline_s)
        if not isinstance(said, list):
            raise self._api.odd()
        return [found for row in said if (found := _token(row)) is not None]

    async def usd(
        self, mints: Sequence[str], deadline_s: float, *, urgent: bool = False
    ) -> Mapping[str, Decimal]:
        prices: dict[str, Decimal] = {}
        fault: VenueError | None = None
        for at in range(0, len(mints), _MOST):
            try:
                prices |= await self._usd(mints[at : at + _MOST], deadline_s, urgent=urgent)
            except VenueError as e:
                # What the other questions tell counts all the same.
                fault = e
        if fault is not None and not prices:
            raise fault
        return prices

    async def _usd(self, mints: Sequence[str], deadline_s: float, *, urgent: bool) -> Mapping[str, Decimal]:
        said = await self._api.read("/price/v3", {"ids": ",".join(mints)}, deadline_s, urgent=urgent)
        if not isinstance(said, dict):
            raise self._api.odd()
        told = {mint: _price(said.get(mint)) for mint in mints}
        return {mint: price for mint, price in told.items() if price is not None}


def _price(row: Any) -> Decimal | None:
    said = row.get("usdPrice") if isinstance(row, dict) else None
    if not isinstance(said, int | Decimal) or isinstance(said, bool):
        return None
    price = Decimal(said)
    # Nothing costs so much or so little that it takes more digits than these.
    return price if price.is_finite() and price > 0 and abs(price.adjusted()) < 30 else None


def _token(row: Any) -> TokenFound | None:
    if not isinstance(row, dict) or not isinstance(mint := row.get("id"), str):
        return None
    decimals = row.get("decimals")
    return TokenFound(
        symbol=storable(str(row.get("symbol") or mint))[:_LONGEST],
        name=storable(str(row.get("name") or ""))[:_LONGEST],
        mint=storable(mint)[:_LONGEST],
        decimals=decimals if type(decimals) is int and 0 <= decimals <= _MOST_DECIMALS else None,
        verified=row.get("isVerified") is True,
    )

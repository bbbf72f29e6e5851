"""What the chain says has landed, joined with what the engine stored: whose each landing is.

The chain is asked by signature alone. Where no swap is stored by that signature, the landing's own bytes say
whose it is, if they say it.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from sqlalchemy import Engine

from oee_daemon.errors import BadCursor
from oee_daemon.networks.chain import FillPage
from oee_daemon.networks.network_bounded import BoundedChain
from oee_daemon.store import order_rows, signature_sql
from oee_daemon.store.database import aside


class Fills:
    """Reads what the chain says has landed; writes nothing."""

    def __init__(self, db: Engine, chain: BoundedChain) -> None:
        self._db = db
        self._chain = chain

    async def page(self, *, limit: int, before: str | None) -> FillPage:
        """All landings, newest first. Raises `ChainUnavailable` and `BadCursor`."""
        page = await self._chain.fills(limit=limit, before=before, urgent=False)
        known = await aside(self._db, signature_sql.orders_of, [fill.signature for fill in page.fills])
        fills = [replace(f, order_id=known.get(f.signature, f.order_id)) for f in page.fills]
        return replace(page, fills=fills)

    async def of_order(self, order_id: UUID, *, limit: int, before: str | None) -> FillPage:
        """The landings of one order's swaps, of which there should be one. Raises as `page`."""
        order = await aside(self._db, order_rows.must_find, order_id)
        known = await aside(self._db, signature_sql.signatures_of, order_id)
        mints = order.input_mint, order.output_mint
        answers = [await self._chain.fill(signature, mints) for signature in known]
        found = [fill for fill in answers if fill is not None]
        found.sort(key=lambda fill: (fill.at, fill.signature), reverse=True)
        if before is not None:
            if before not in known:
                raise BadCursor
            found = found[next((n + 1 for n, f in enumerate(found) if f.signature == before), len(found)) :]
        more = found[limit - 1].signature if len(found) > limit else None
        return FillPage([replace(fill, order_id=order_id) for fill in found[:limit]], more)

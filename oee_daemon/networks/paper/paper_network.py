"""The paper network, put together: mainnet's venues by mainnet's own adapters, and a ledger in our Postgres.

Whatever address a setting gives mainnet, it gives this one: nothing of it is asked for anything but prices.
"""

from __future__ import annotations

from collections.abc import Mapping

from oee_daemon.errors import InvalidInput, VenueError
from oee_daemon.networks.network import NamedWallet, Network
from oee_daemon.networks.network_clock import SystemClock
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.networks.paper.paper_balance import begun_with
from oee_daemon.networks.paper.paper_chain import PaperChain, Requote
from oee_daemon.networks.paper.paper_holdings import PaperHoldings
from oee_daemon.networks.paper.paper_ledger import Ledger
from oee_daemon.networks.paper.paper_schema import open_schema
from oee_daemon.networks.paper.paper_swap import PaperGuard, PaperSwap, PaperWallet
from oee_daemon.networks.paper.paper_venue import PaperVenue
from oee_daemon.networks.solana.solana_directory import JupiterDirectory
from oee_daemon.networks.solana.solana_endpoint_probe import EndpointProbe
from oee_daemon.networks.solana.solana_fee_estimate import FeeEstimate
from oee_daemon.networks.solana.solana_market import open_market
from oee_daemon.networks.solana.solana_mint_reader import MintReader
from oee_daemon.networks.solana.solana_profile import MAINNET
from oee_daemon.networks.venue import Venue
from oee_daemon.orders.swap import Quote, QuoteRequest
from oee_daemon.orders.tokens import Token
from oee_daemon.settings import Settings
from oee_daemon.start_errors import BadSetting


def build(settings: Settings, database_url: str, _named: NamedWallet) -> Network:
    """As `network_opening.open_network`."""
    tokens = TokenBook(settings.network, [Token(*row) for row in MAINNET.tokens])
    try:
        begins = begun_with(settings.paper_balance, tokens)
    except InvalidInput as e:
        raise BadSetting(f"OEE_PAPER_BALANCE can't be {settings.paper_balance!r}: {e.message}") from None
    market = open_market(MAINNET, settings)
    wallet = PaperWallet()
    venues = {venue.name: venue for venue in market.venues(wallet.taker)}
    tables = open_schema(database_url)
    ledger = Ledger(tables, begins)
    mints = MintReader(market.pool, genesis=_genesis)
    chain = PaperChain(ledger, _requote(venues, tokens), SystemClock())

    async def close() -> None:
        await market.close()
        tables.dispose()

    return Network(
        name=settings.network,
        venues=[PaperVenue(venue, market.pricing) for venue in venues.values()],
        prices=market.prices(list(venues.values())),
        listings=market.listings(_genesis, None),
        chain=chain,
        wallet=wallet,
        tokens=tokens,
        guard=PaperGuard(),
        holdings=PaperHoldings(ledger, chain, tokens, mints, fee_cap=settings.fee_cap),
        fee_cap=settings.fee_cap,
        fees=FeeEstimate(market.pool, fee_cap=settings.fee_cap),
        endpoints=EndpointProbe(market.pool, MAINNET.genesis),
        mints=mints,
        directory=JupiterDirectory(market.jupiter),
        close=close,
    )


async def _genesis() -> str:
    assert MAINNET.genesis is not None
    return MAINNET.genesis


def _requote(venues: Mapping[str, Venue], tokens: TokenBook) -> Requote:
    """The venue that a swap was built for, asked for the same amount again."""

    async def requote(swap: PaperSwap, deadline_s: float) -> Quote:
        venue = venues.get(swap.venue)
        if venue is None:
            raise VenueError(f"{swap.venue} is no venue of this network.", code="venue_gone")
        request = QuoteRequest(
            input_token=tokens.by_mint(swap.input_mint),
            output_token=tokens.by_mint(swap.output_mint),
            amount=swap.amount,
            mode=swap.mode,
            number=swap.number,
            attempt=swap.attempt,
        )
        return await venue.quote(request, deadline_s)

    return requote

"""The simulated network, put together from the settings `OEE_SIM_…`.

Its ledger is in the engine's Postgres, on connections of its own, or in a file where one was asked for.
"""

from __future__ import annotations

from oee_daemon.networks.network import NamedWallet, Network
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.networks.simulated import simulated_market
from oee_daemon.networks.simulated.simulated_chain import SimulatedChain
from oee_daemon.networks.simulated.simulated_faults import Faults
from oee_daemon.networks.simulated.simulated_guard import SimulatedGuard
from oee_daemon.networks.simulated.simulated_listing_source import SimulatedListings
from oee_daemon.networks.simulated.simulated_prices import SimulatedPrices
from oee_daemon.networks.simulated.simulated_schema import open_file, open_schema
from oee_daemon.networks.simulated.simulated_venues import SimulatedVenue
from oee_daemon.networks.wallet import Wallet, make_wallet, open_wallet
from oee_daemon.networks.wallet.key_folder import wallet_path
from oee_daemon.orders.tokens import TOKENS
from oee_daemon.settings import Settings
from oee_daemon.store.postgres_line import Line


def build(settings: Settings, database_url: str, named: NamedWallet) -> Network:
    """As `network_opening.open_network`."""
    seed, volatility = settings.sim_seed, settings.sim_volatility
    if settings.sim_ledger_file is not None:
        ledger, line = open_file(settings.sim_ledger_file), None
    else:
        ledger = open_schema(database_url)
        line = Line(database_url)
    faults = Faults(ledger, line)
    chain = SimulatedChain(
        ledger,
        seed=seed,
        failure_rate=settings.sim_failure_rate,
        confirm_ms=settings.sim_confirm_ms,
        line=line,
        faults=faults,
    )
    listings = SimulatedListings(chain.height, seed=seed, spacing=settings.sim_listing_slots)
    venues = [
        SimulatedVenue(
            pool,
            seed=seed,
            latency_ms=settings.sim_latency_ms,
            faults=faults,
            height=chain.height,
            volatility=volatility,
            listings=listings,
        )
        for pool in simulated_market.POOLS
    ]

    async def close() -> None:
        if line is not None:
            await line.close()
        ledger.dispose()

    return Network(
        name=settings.network,
        venues=venues,
        chain=chain,
        wallet=_wallet(settings, named),
        tokens=TokenBook(settings.network, TOKENS.values(), listings.facts),
        guard=SimulatedGuard(),
        prices=SimulatedPrices(faults, chain.height, seed=seed, volatility=volatility, listings=listings),
        listings=listings,
        close=close,
    )


def _wallet(settings: Settings, named: NamedWallet) -> Wallet:
    key = wallet_path(settings)
    if settings.wallet is None and not key.exists() and named() is None:
        # Here alone a key is made by itself: it holds nothing of worth.
        make_wallet(key)
    return open_wallet(key, named)

"""The setting `OEE_NETWORK`, turned into its venues, its chain and its wallet. The only place that knows
which classes a network is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from oee_daemon.networks.chain import Chain
from oee_daemon.networks.simulated import market
from oee_daemon.networks.simulated.chain import SimulatedChain
from oee_daemon.networks.simulated.faults import Faults
from oee_daemon.networks.simulated.ledger import open_file
from oee_daemon.networks.simulated.venues import SimulatedVenue
from oee_daemon.networks.venue import Venue
from oee_daemon.networks.wallet import Wallet, make_wallet, open_wallet
from oee_daemon.settings import LEDGER_CONNECTIONS, Settings
from oee_daemon.store.database import open_database


@dataclass(frozen=True, slots=True)
class Network:
    name: str
    venues: Sequence[Venue]
    chain: Chain
    wallet: Wallet
    #: Gives back what it holds open.
    close: Callable[[], None]


def open_network(
    settings: Settings, database_url: str, named: Callable[[], str | None] = lambda: None
) -> Network:
    """The network that the settings name; `named` tells the wallet that the database belongs to.

    The simulated one keeps its ledger in Postgres, on a connection of its own, unless a file was asked for.
    Raises `StartFailed` where the wallet can't be used.
    """
    if settings.sim_ledger_file is not None:
        ledger = open_file(settings.sim_ledger_file)
    else:
        ledger = open_database(database_url, pool_size=LEDGER_CONNECTIONS)
    chain = SimulatedChain(
        ledger,
        seed=settings.sim_seed,
        failure_rate=settings.sim_failure_rate,
        confirm_ms=settings.sim_confirm_ms,
    )
    faults = Faults(ledger)
    venues = [
        SimulatedVenue(pool, seed=settings.sim_seed, latency_ms=settings.sim_latency_ms, faults=faults)
        for pool in market.POOLS
    ]
    key = settings.home / "wallets" / f"{settings.network}.json"
    if not key.exists() and named() is None:
        # Here alone a key is made by itself: it holds nothing of worth.
        make_wallet(key)
    return Network(settings.network, venues, chain, open_wallet(key, named), ledger.dispose)

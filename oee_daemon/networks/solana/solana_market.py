"""What a Solana network is asked by: its RPC endpoints, the APIs of its venues, and the venues themselves.

Addresses are the settings' where they say some, else the profile's. Nothing here has a wallet or a key:
whoever only looks at prices opens a market too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from oee_daemon.networks.solana.rpc.endpoint_pool import Pool, open_pool
from oee_daemon.networks.solana.rpc.rpc_outside_http import Site
from oee_daemon.networks.solana.rpc.shared_bucket import Turnstile, bucket_for
from oee_daemon.networks.solana.solana_api_key import read_key
from oee_daemon.networks.solana.solana_directory import JupiterDirectory
from oee_daemon.networks.solana.solana_listings import SolanaListings
from oee_daemon.networks.solana.solana_mint_reader import Genesis
from oee_daemon.networks.solana.solana_pool_reader import PoolReader
from oee_daemon.networks.solana.solana_prices import SolanaPrices
from oee_daemon.networks.solana.solana_profile import Pace, Profile
from oee_daemon.networks.solana.solana_sell_back import SellBack
from oee_daemon.networks.solana.solana_unit_pricing import Pricing
from oee_daemon.networks.solana.venues.cpmm_venue import Configurations, CpmmVenue
from oee_daemon.networks.solana.venues.jupiter_venue import JupiterVenue
from oee_daemon.networks.solana.venues.raydium_venue import RaydiumVenue
from oee_daemon.networks.solana.venues.venue_api import Api
from oee_daemon.networks.venue import Venue
from oee_daemon.orders.tokens import Token
from oee_daemon.settings import Settings


@dataclass(frozen=True, slots=True)
class Market:
    """Belongs to one event loop."""

    profile: Profile
    pool: Pool
    raydium: Api
    jupiter: Api
    pricing: Pricing
    #: What all workers share of how often each is asked; none where nobody shares.
    turnstile: Turnstile | None
    #: How often prices are looked at, and the venues of which alone; none: of all.
    pace: Pace
    traded: str | None
    #: Of which pools are looked for, by the venue and by who waits for new tokens alike.
    configurations: Configurations = field(default_factory=Configurations)

    def venues(self, wallet: str) -> list[Venue]:
        """Those of the profile, for whoever swaps at the address `wallet`."""
        made: list[Venue] = []
        for name in self.profile.venues:
            if name == "raydium":
                made.append(RaydiumVenue(self.raydium, self.pricing))
            elif name == "cpmm":
                (program,) = self.profile.programs[name]
                made.append(CpmmVenue(self.pool, self.pricing, program, configurations=self.configurations))
            else:
                made.append(JupiterVenue(name, self.jupiter, self.pricing, wallet))
        return made

    def prices(self, venues: Sequence[Venue]) -> SolanaPrices:
        """Of those among these venues that the settings leave, for what waits for a price."""
        if self.traded is not None:
            venues = [venue for venue in venues if venue.name in self.traded.split(",")]
        (program,) = self.profile.programs["cpmm"]
        reader = PoolReader(self.pool, program, self.profile.fastest_slot_ms / 1000)
        directory = JupiterDirectory(self.jupiter) if self.profile.has_jupiter else None
        return SolanaPrices(reader, directory, venues, self.pace)

    def listings(self, genesis: Genesis, wallet: str | None) -> SolanaListings:
        """New tokens, for whoever swaps at the address `wallet`; without one a sale is reckoned."""
        (program,) = self.profile.programs["cpmm"]
        venue = CpmmVenue(self.pool, self.pricing, program, configurations=self.configurations)
        return SolanaListings(
            self.pool,
            genesis=genesis,
            program=program,
            tokens=[Token(*row) for row in self.profile.tokens],
            directory=JupiterDirectory(self.jupiter) if self.profile.has_jupiter else None,
            back=venue.sold_back if wallet is None else SellBack(self.pool, self.pricing, program, wallet).of,
            pace_s=self.pace.listing_s,
            max_age_s=self.pace.max_age_s,
            fastest_slot_s=self.profile.fastest_slot_ms / 1000,
            tells=self.profile.play_money,
            configurations=self.configurations,
        )

    async def close(self) -> None:
        for closing in (self.pool, self.raydium, self.jupiter):
            await closing.close()
        if self.turnstile is not None:
            await self.turnstile.close()


def open_market(profile: Profile, settings: Settings) -> Market:
    """Connects on first use."""
    rpc_urls = profile.endpoints(settings)
    turnstile = Turnstile(settings.redis_url) if settings.redis_url is not None else None
    pool = open_pool(rpc_urls, *profile.rpc_rate_of(settings), turnstile)
    beside = _beside(rpc_urls[0])
    raydium_url = settings.raydium_url or profile.raydium_url or f"{beside}/raydium"
    jupiter_url = settings.jupiter_url or profile.jupiter_url or f"{beside}/jupiter"
    return Market(
        profile,
        pool,
        _api("raydium", raydium_url, profile.raydium_rate, turnstile),
        _jupiter(profile, settings, jupiter_url, turnstile),
        Pricing(pool, fee_cap=settings.fee_cap),
        turnstile,
        profile.pace if settings.jupiter_key_file is None else profile.keyed_pace,
        settings.venues,
    )


def _jupiter(profile: Profile, settings: Settings, url: str, turnstile: Turnstile | None) -> Api:
    file = settings.jupiter_key_file
    key = None if file is None else {"x-api-key": read_key(file)}
    return _api("jupiter", url, profile.jupiter_rate_of(settings), turnstile, key)


def _api(
    name: str,
    url: str,
    rate: tuple[float, int],
    turnstile: Turnstile | None,
    headers: Mapping[str, str] | None = None,
) -> Api:
    site = Site(url, headers)
    return Api(name, site, bucket_for(site, site.name, rate, turnstile))


def _beside(rpc_url: str) -> str:
    """The host of an endpoint, without what its path says."""
    parts = urlsplit(rpc_url)
    return f"{parts.scheme}://{parts.netloc}"

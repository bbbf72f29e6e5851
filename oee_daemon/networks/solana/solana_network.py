"""A Solana network, put together from its profile and the settings: endpoints, chain, guard, venues, wallet.

What differs between localnet, devnet and mainnet is in the profile; nothing here asks for a name.
"""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from oee_daemon.contract.home import localnet_socket
from oee_daemon.networks.network import NamedWallet, Network
from oee_daemon.networks.solana.guard.solana_guard import SolanaGuard
from oee_daemon.networks.solana.jupiter_directory import JupiterDirectory
from oee_daemon.networks.solana.mint_reader import MintReader
from oee_daemon.networks.solana.play_money import give
from oee_daemon.networks.solana.profile import Profile
from oee_daemon.networks.solana.rpc.endpoint_pool import Pool, open_pool
from oee_daemon.networks.solana.rpc.endpoint_probe import EndpointProbe
from oee_daemon.networks.solana.rpc.outside_http import Site
from oee_daemon.networks.solana.rpc.shared_bucket import Turnstile, bucket_for
from oee_daemon.networks.solana.solana_chain import SolanaChain
from oee_daemon.networks.solana.token_holdings import SolanaHoldings
from oee_daemon.networks.solana.unit_pricing import Pricing
from oee_daemon.networks.solana.venues.cpmm_venue import CpmmVenue
from oee_daemon.networks.solana.venues.jupiter_venue import JupiterVenue
from oee_daemon.networks.solana.venues.raydium_venue import RaydiumVenue
from oee_daemon.networks.solana.venues.venue_api import Api
from oee_daemon.networks.tokens import TokenBook
from oee_daemon.networks.venue import Venue
from oee_daemon.networks.wallet import make_wallet, open_wallet
from oee_daemon.networks.wallet.wallet_folder import wallet_path
from oee_daemon.orders.tokens import Token
from oee_daemon.settings import Settings


def build(profile: Profile, settings: Settings, named: NamedWallet) -> Network:
    """As `networks.opening.open_network`."""
    rpc_urls = _rpc_urls(profile, settings)
    turnstile = Turnstile(settings.redis_url) if settings.redis_url is not None else None
    pool = open_pool(rpc_urls, *profile.rpc_rate, turnstile)
    beside = _beside(rpc_urls[0])
    raydium_url = settings.raydium_url or profile.raydium_url or f"{beside}/raydium"
    jupiter_url = settings.jupiter_url or profile.jupiter_url or f"{beside}/jupiter"
    raydium = _api("raydium", raydium_url, profile.raydium_rate, turnstile)
    jupiter = _api("jupiter", jupiter_url, profile.jupiter_rate, turnstile)
    key = wallet_path(settings)
    if profile.play_money and settings.wallet is None and not key.exists() and named() is None:
        make_wallet(key)
    wallet = open_wallet(key, named)
    pricing = Pricing(pool, fee_cap=settings.fee_cap)
    tokens = [Token(*row) for row in profile.tokens]

    async def close() -> None:
        for closing in (pool, raydium, jupiter):
            await closing.close()
        if turnstile is not None:
            await turnstile.close()

    async def begin() -> None:
        if profile.play_money:
            await give(pool, wallet.address, tokens)

    chain = SolanaChain(
        pool,
        wallet=wallet.address,
        genesis=profile.genesis,
        expected_s=profile.expected_s,
        fastest_slot_ms=profile.fastest_slot_ms,
        poll_s=profile.poll_s,
    )
    return Network(
        name=profile.name,
        venues=_venues(profile, pool, raydium, jupiter, pricing, wallet.address),
        chain=chain,
        wallet=wallet,
        tokens=TokenBook(profile.name, tokens),
        guard=SolanaGuard(pool, fee_cap=settings.fee_cap),
        endpoints=EndpointProbe(pool, profile.genesis),
        holdings=SolanaHoldings(
            pool, wallet=wallet.address, genesis=chain.genesis_hash, fee_cap=settings.fee_cap
        ),
        mints=MintReader(pool, genesis=chain.genesis_hash),
        directory=JupiterDirectory(jupiter),
        close=close,
        begin=begin,
    )


def _rpc_urls(profile: Profile, settings: Settings) -> tuple[str, ...]:
    if settings.rpc_urls is not None:
        return tuple(settings.rpc_urls.split(","))
    if profile.rpc_urls:
        return profile.rpc_urls
    return (f"http+unix://{quote(str(localnet_socket(settings.home)), safe='')}",)


def _api(name: str, url: str, rate: tuple[float, int], turnstile: Turnstile | None) -> Api:
    site = Site(url)
    return Api(name, site, bucket_for(site, site.name, rate, turnstile))


def _beside(rpc_url: str) -> str:
    """The host of an endpoint, without what its path says."""
    parts = urlsplit(rpc_url)
    return f"{parts.scheme}://{parts.netloc}"


def _venues(
    profile: Profile, pool: Pool, raydium: Api, jupiter: Api, pricing: Pricing, wallet: str
) -> list[Venue]:
    made: list[Venue] = []
    for name in profile.venues:
        if name == "raydium":
            made.append(RaydiumVenue(raydium, pricing))
        elif name == "cpmm":
            made.append(CpmmVenue(pool, pricing))
        else:
            made.append(JupiterVenue(name, jupiter, pricing, wallet))
    return made

"""A Solana network, put together from its profile and the settings: endpoints, chain, guard, venues, wallet.

What differs between localnet, devnet and mainnet is in the profile; nothing here asks for a name.
"""

from __future__ import annotations

from oee_daemon.networks.network import NamedWallet, Network
from oee_daemon.networks.network_contests import Contests
from oee_daemon.networks.network_tokens import TokenBook
from oee_daemon.networks.solana.guard.guard_solana import SolanaGuard
from oee_daemon.networks.solana.solana_chain import SolanaChain
from oee_daemon.networks.solana.solana_directory import JupiterDirectory
from oee_daemon.networks.solana.solana_endpoint_probe import EndpointProbe
from oee_daemon.networks.solana.solana_fee_estimate import FeeEstimate
from oee_daemon.networks.solana.solana_market import open_market
from oee_daemon.networks.solana.solana_mint_reader import MintReader
from oee_daemon.networks.solana.solana_play_money import give
from oee_daemon.networks.solana.solana_profile import PROFILES, Profile
from oee_daemon.networks.solana.solana_token_holdings import SolanaHoldings
from oee_daemon.networks.wallet import make_wallet, open_wallet
from oee_daemon.networks.wallet.key_folder import wallet_path
from oee_daemon.orders.tokens import Token
from oee_daemon.settings import Settings


def build(profile: Profile, settings: Settings, named: NamedWallet) -> Network:
    """As `network_opening.open_network`."""
    market = open_market(profile, settings)
    pool = market.pool
    key = wallet_path(settings)
    if profile.makes_key(settings) and not key.exists() and named() is None:
        make_wallet(key)
    wallet = open_wallet(key, named)
    tokens = [Token(*row) for row in profile.tokens]

    async def begin() -> None:
        if profile.play_money:
            await give(pool, wallet.address, tokens)

    contests = Contests()
    chain = SolanaChain(
        pool,
        contests=contests,
        wallet=wallet.address,
        genesis=profile.genesis,
        others={one.genesis: one.name for one in PROFILES.values() if one.genesis is not None},
        expected_s=profile.expected_s,
        fastest_slot_ms=profile.fastest_slot_ms,
        poll_s=profile.poll_s,
    )
    venues = market.venues(wallet.address)
    return Network(
        name=profile.name,
        venues=venues,
        prices=market.prices(venues),
        listings=market.listings(chain.genesis_hash, wallet.address),
        chain=chain,
        contests=contests,
        wallet=wallet,
        tokens=TokenBook(profile.name, tokens),
        guard=SolanaGuard(
            pool, fee_cap=settings.fee_cap, programs=profile.programs, tables=market.pricing.tables
        ),
        fee_cap=settings.fee_cap,
        fees=FeeEstimate(pool, fee_cap=settings.fee_cap),
        endpoints=EndpointProbe(pool, profile.genesis, wallet.address),
        holdings=SolanaHoldings(
            pool, wallet=wallet.address, genesis=chain.genesis_hash, fee_cap=settings.fee_cap
        ),
        mints=MintReader(pool, genesis=chain.genesis_hash, fastest_slot_s=profile.fastest_slot_ms / 1000),
        directory=JupiterDirectory(market.jupiter) if profile.has_jupiter else None,
        close=market.close,
        begin=begin,
    )

"""What tells one Solana network from another: numbers, addresses and names, and hardly any code.

`solana_network` makes a network of a profile and the settings; nothing else asks which one it is. Whoever
adds a network adds a `Profile` to `PROFILES`. Light on purpose: the daemon reads it before anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import quote

from oee_daemon.contract.listed_tokens import LISTED, ON_DEVNET, Listed
from oee_daemon.contract.setting_table import VENUES
from oee_daemon.contract.socket_paths import localnet_socket
from oee_daemon.networks.solana import solana_programs
from oee_daemon.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often prices are looked at, seconds: `look_s` all pairs by the chain, `usd_s` Jupiter's prices of
    all tokens, `level_s` a firm quote for a little of a pair, of which `levels` are asked at once.

    An estimate older than `max_age_s` fires nothing. `listing_s`: between two looks at a token that is waited
    for, far from its time. `most_firm`: orders of one pair that are asked a firm
    price for at a look.
    """

    look_s: float
    usd_s: float
    level_s: float
    levels: int
    max_age_s: float
    most_firm: int
    listing_s: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One network of Solana's kind."""

    name: str
    #: Which chain it is, for good; none where each one of its kind has another: then its endpoints say it.
    genesis: str | None = None
    #: Where it is asked, where no setting says so. None for the RPC: the daemon runs the chain itself. None
    #: for an API: it is beside the first RPC endpoint, in a folder of its name.
    rpc_urls: tuple[str, ...] = ()
    raydium_url: str | None = None
    jupiter_url: str | None = None
    #: In the order in which they are asked and shown.
    venues: tuple[str, ...] = VENUES
    #: Of each venue, the programs that its swaps may call.
    programs: Mapping[str, frozenset[str]] = field(default_factory=lambda: solana_programs.VENUE_PROGRAMS)
    tokens: tuple[Listed, ...] = LISTED
    #: Whether a wallet may make itself, since what it holds is of no worth, and is then given play money.
    play_money: bool = False
    #: Seconds from a send to its finality, when all goes well, and between two looks for it.
    expected_s: float = 1.5
    poll_s: float = 0.4
    #: Milliseconds: no slot of this chain is shorter.
    fastest_slot_ms: float = 100
    #: Calls a second to each RPC endpoint, a batch counting all of its own, and requests to each API; and how
    #: many of them at once after a rest.
    rpc_rate: tuple[float, int] = (10.0, 40)
    raydium_rate: tuple[float, int] = (2.0, 10)
    #: Jupiter counts a minute: 30 requests without a key, 60 with a free one
    #: (https://dev.jup.ag/portal/rate-limits).
    jupiter_rate: tuple[float, int] = (0.25, 15)
    jupiter_keyed_rate: tuple[float, int] = (0.5, 30)
    #: How often prices are looked at for what waits: of Jupiter's turns a minute this takes 12 of 15 without
    #: a key and 24 of 30 with one, however many pairs there are. What is due for execution goes before.
    pace: Pace = Pace(look_s=1.0, usd_s=10.0, level_s=20.0, levels=1, max_age_s=15.0, most_firm=3)
    keyed_pace: Pace = Pace(look_s=1.0, usd_s=5.0, level_s=10.0, levels=1, max_age_s=15.0, most_firm=5)

    @property
    def has_jupiter(self) -> bool:
        """Whether Jupiter is there: to swap by, for names and for prices."""
        return "jupiter" in self.venues

    def makes_key(self, settings: Settings) -> bool:
        """Whether a wallet that is not there is made: what it holds is of no worth."""
        return self.play_money and settings.wallet is None

    def runs_chain(self, settings: Settings) -> bool:
        """Whether the daemon runs the chain itself."""
        return not self.rpc_urls and settings.rpc_urls is None

    def rpc_rate_of(self, settings: Settings) -> tuple[float, int]:
        """Calls a second to each endpoint, and how many of them at once after a rest: what the user's plan
        allows, where he has said it."""
        if settings.rpc_rate is None:
            return self.rpc_rate
        return float(settings.rpc_rate), settings.rpc_rate * 4

    def jupiter_rate_of(self, settings: Settings) -> tuple[float, int]:
        """Requests a second to Jupiter, and how many of them at once after a rest. It counts them over a
        minute that slides: half of the plan's come evenly, and the other half may come at once."""
        if settings.jupiter_rate is not None:
            return settings.jupiter_rate / 2, settings.jupiter_rate * 30
        return self.jupiter_rate if settings.jupiter_key_file is None else self.jupiter_keyed_rate

    def endpoints(self, settings: Settings) -> tuple[str, ...]:
        """The addresses that the chain is asked at."""
        if settings.rpc_urls is not None:
            return tuple(settings.rpc_urls.split(","))
        return self.rpc_urls or (f"http+unix://{quote(str(localnet_socket(settings.home)), safe='')}",)


#: So many that nobody waits for a turn.
_FREE = (10_000.0, 10_000)
_LOCAL_PACE = Pace(look_s=0.4, usd_s=0.4, level_s=1.0, levels=8, max_age_s=5.0, most_firm=20, listing_s=0.4)
LOCALNET = Profile(
    name="localnet",
    play_money=True,
    expected_s=1.0,
    poll_s=0.15,
    fastest_slot_ms=5,
    rpc_rate=_FREE,
    raydium_rate=_FREE,
    jupiter_rate=_FREE,
    jupiter_keyed_rate=_FREE,
    pace=_LOCAL_PACE,
    keyed_pace=_LOCAL_PACE,
)
#: https://api-v3.raydium.io and https://transaction-v1.raydium.io are the hosts of Raydium's own SDK
#: (https://github.com/raydium-io/raydium-sdk-V2, src/api/url.ts); https://dev.jup.ag names Jupiter's. The
#: genesis hash: https://github.com/firedancer-io/firedancer, its table of clusters.
MAINNET = Profile(
    name="mainnet",
    genesis="5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d",
    rpc_urls=("https://api.mainnet-beta.solana.com",),
    raydium_url="https://transaction-v1.raydium.io",
    jupiter_url="https://api.jup.ag",
)
#: What is there of Raydium's is its constant-product pools, read from the chain; nobody routes over them.
DEVNET = Profile(
    name="devnet",
    genesis="EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG",
    rpc_urls=("https://api.devnet.solana.com",),
    venues=("cpmm",),
    programs=solana_programs.ON_DEVNET,
    tokens=ON_DEVNET,
)
PROFILES: Mapping[str, Profile] = MappingProxyType(
    {profile.name: profile for profile in (LOCALNET, DEVNET, MAINNET)}
)


def runs_chain(settings: Settings) -> bool:
    """Whether the daemon has to run a chain of this machine for the network that the settings name."""
    profile = PROFILES.get(settings.network)
    return profile is not None and profile.runs_chain(settings)

"""Every setting that there is: its name, default and meaning, who reads it, and what it may be. How its text
is read stands in `setting_readers`.

To add one: a line in `SETTINGS` and, where the engine reads it, a field in `oee_daemon/settings.py`. Nothing
here reads the environment or a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import oee_daemon.contract.setting_readers as reads
from oee_daemon.contract.real_money import REAL_MONEY

#: From the first colon to the last @: a password may hold either.
_SECRET_PART = re.compile(r"(?<=://)([^:/@]*):.*@")
_SECRET_QUERY = re.compile(r"(?i)([?&][^=&]*(?:password|secret|token)[^=&]*=)[^&]*")
#: What stands for a secret that is not shown.
MASK = "***"
#: Where orders can be traded.
NETWORKS = ("simulated", "localnet", "paper", "devnet", "mainnet")
#: On which markets; a network may have some of them.
VENUES = ("raydium", "meteora", "orca", "jupiter", "cpmm")
LOG_LEVELS = ("debug", "info", "warning", "error")


class Setting(NamedTuple):
    """One setting. `read` turns its text into its value; its `ValueError` says what it takes."""

    name: str
    default: str | None
    meaning: str
    read: Callable[[str], Any] = str
    #: `daemon`: read once, when the daemon starts. `command`: read by each command. `both`.
    reader: str = "daemon"
    #: What a screen never shows: `all` of it, the `password` in it, or of each address all but its `host`.
    hidden: str = ""

    @property
    def value(self) -> Any:
        """The default, read."""
        return None if self.default is None else self.read(self.default)

    @property
    def variable(self) -> str:
        return f"OEE_{self.name.upper()}"

    def refused(self, text: str) -> str:
        """A value that it does not take, as a complaint quotes it."""
        return "what it is set to" if self.hidden else repr(text[:60])

    def shown(self, text: str) -> str:
        """A value of it as a screen may show it."""
        if self.hidden == "all":
            return MASK
        if self.hidden == "host":
            return ",".join(map(_host_alone, text.split(",")))
        return masked(text) if self.hidden else text


def masked(text: str) -> str:
    """An address without its password."""
    return _SECRET_QUERY.sub(rf"\1{MASK}", _SECRET_PART.sub(rf"\1:{MASK}@", text))


def _host_alone(address: str) -> str:
    """Providers put keys into paths, queries and in front of hosts."""
    from urllib.parse import unquote, urlsplit

    if address.startswith(("/", reads.SOCKET)):
        return unquote(address.removeprefix(reads.SOCKET).partition("/")[0]) or address
    try:
        parts = urlsplit(address)
        host = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
    except ValueError:
        return MASK
    rest = f"/{MASK}" if parts.path.strip("/") or parts.query else ""
    return f"{parts.scheme}://{f'{MASK}@' if '@' in parts.netloc else ''}{host}{rest}"


SETTINGS = (
    Setting("home", None, "database, queue, logs, token, socket", reads.path, "both"),
    Setting(
        "database_url", None, "your own Postgres; a home stays on the one it began on", reads.postgres,
        hidden="password",
    ),
    Setting("redis_url", None, "your own Redis or Valkey", reads.queue, hidden="password"),
    Setting("host", "127.0.0.1", "where the TCP side listens", reads.host),
    Setting("port", "3000", "where the TCP side listens", reads.whole(0, 65535)),
    Setting("hostnames", None, "more names that HTTP may be asked for by: a,b", reads.names),
    Setting("url", None, "talk to a daemon elsewhere, also by https", reads.web, "command", "password"),
    Setting("token", None, "what the daemon elsewhere asks for", reads.header, "command", "all"),
    Setting("no_autostart", None, "1: no command starts the daemon", reads.flag, "command"),
    Setting("worker_threads", "10", "orders in execution at once, per worker", reads.whole(1, 200)),
    Setting("max_active", "10", "orders in execution at once, over all workers", reads.whole(1, 1000)),
    Setting("urgent_places", "2", "more orders at once: stops and snipers alone", reads.whole(0, 100)),
    Setting("max_attempts", "3", "attempts before an order fails", reads.whole(1, 100)),
    Setting(
        "keep_days", None, "days an order is kept after its end; unset: for ever",
        reads.whole(1, 36_500),
    ),
    Setting("network", "simulated", "where orders are traded", reads.one_of(*NETWORKS)),
    Setting(
        "real_money", None, "mainnet: confirmed, as oee config set network asks", reads.one_of(*REAL_MONEY)
    ),
    Setting("rpc_urls", None, "Solana's RPC endpoints: a,b; two are better", reads.sites, hidden="host"),
    Setting("rpc_rate", None, "calls a second to each RPC endpoint; unset: 10", reads.whole(8, 10_000)),
    Setting("venues", None, "markets that are asked: a,b; unset: all", reads.some_of(*VENUES)),
    Setting("raydium_url", None, "another address of Raydium's trade API", reads.plain_site, hidden="host"),
    Setting("jupiter_url", None, "another address of Jupiter's API", reads.plain_site, hidden="host"),
    Setting("jupiter_key_file", None, "a file with your key of Jupiter's API, mode 0600", reads.path),
    Setting(
        "jupiter_rate", None, "requests a second to Jupiter; unset: its free rate",
        reads.whole(1, 1000),
    ),
    Setting(
        "max_impact", None, "basis points: no quote that moves the price further", reads.whole(1, 10_000)
    ),
    Setting(
        "fee_cap", "100000", "lamports: the most that a swap may pay the network", reads.whole(5_000, 10**9)
    ),
    Setting("max_order", None, "USD: the most that one order may spend; unset: any", reads.dollars),
    Setting("max_daily", None, "USD: the most that orders may spend in 24 hours", reads.dollars),
    Setting("max_slippage", None, "bps: the most that an order may allow", reads.whole(0, 5000)),
    Setting("max_open", None, "orders that may be accepted and not ended", reads.whole(1, 10_000_000)),
    Setting("tokens", None, "what may be traded: SOL,USDC; unset: all", reads.symbols),
    Setting("notify", None, "who is told what happens: Apprise's URLs, apart by spaces", hidden="all"),
    Setting("on_event", None, "a program that is told, by JSON on its standard input", reads.path),
    Setting("wallet", None, "its name or a key file; unset: the network's name", reads.wallet),
    Setting(
        "wallet_passphrase_file", None, "opens a sealed wallet at each start", reads.path
    ),
    Setting(
        "paper_balance", "100 SOL, 10000 USDC", "what a new paper wallet holds", reads.amounts,
    ),
    Setting("sim_seed", "0", "the same seed and orders give the same history", reads.whole(0, 2**62)),
    Setting("sim_latency_ms", "200", "how long a simulated quote takes", reads.whole(0, 60_000)),
    Setting("sim_failure_rate", "0.05", "how often a simulated swap fails, 0 to 1", reads.rate),
    Setting(
        "sim_listing_slots", "150", "slots of 400 ms from one new token to the next",
        reads.whole(1, 100_000),
    ),
    Setting(
        "sim_volatility", "12", "how much a watched price moves in 400 ms, basis points",
        reads.whole(0, 100),
    ),
    Setting("sim_confirm_ms", "400", "from submission to confirmation", reads.whole(0, 600_000)),
    Setting("sim_ledger_file", None, "an SQLite file for the simulated chain; unset: Postgres", reads.path),
    Setting("service_user", None, "as root: the servers' account; unset: postgres or nobody"),
    Setting("log_level", "info", f"how much is logged: {', '.join(LOG_LEVELS)}", reads.one_of(*LOG_LEVELS)),
)  # fmt: skip

#: Read from the environment alone, by those who look into the product itself or run it in containers.
ENVIRONMENT_ONLY = ("OEE_DEBUG", "OEE_PAGER", "OEE_FAILPOINTS", "OEE_TIMING", "OEE_POSTGRES_PASSWORD")

BY_NAME = {setting.name: setting for setting in SETTINGS}


def plain(name: str) -> str:
    """The name of a setting however it is spelled: `OEE_PORT`, `Port`, `worker-threads`."""
    return name.lower().replace("-", "_").removeprefix("oee_")


def file_name(key: str) -> str:
    """The setting that a key of the file sets: `port` and `OEE_PORT` are one."""
    return key.lower().removeprefix("oee_")


def near(name: str, likeness: float = 0.6) -> str | None:
    """The setting that was probably meant: at least so like, from 0 to 1."""
    import difflib

    found = difflib.get_close_matches(plain(name), BY_NAME, n=1, cutoff=likeness)
    return found[0] if found else None

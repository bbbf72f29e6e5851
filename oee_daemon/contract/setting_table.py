"""Every setting that there is: its name, default and meaning, who reads it, and what it may be.

To add one: a line in `SETTINGS` and, where the engine reads it, a field in `oee_daemon/settings.py`. Nothing
here reads the environment or a file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from oee_daemon.contract.real_money import REAL_MONEY

_YES = {"1", "true", "yes", "on"}
_NO = {"", "0", "false", "no", "off"}
_REDIS = ("redis:", "rediss:", "unix:")
#: What a queue's address may say beside where it is: which database, who one is, how the line is kept safe.
_REDIS_QUERY = ("db", "username", "password")
#: What it may say too, and what is ours to say all the same: how long is waited, what answers look like.
_REDIS_OURS = (
    "client_name", "decode_responses", "encoding", "encoding_errors", "health_check_interval",
    "max_connections", "protocol", "retry_on_timeout", "socket_connect_timeout", "socket_keepalive",
    "socket_timeout", "timeout",
)  # fmt: skip
_REDIS_TLS = (
    "cert_reqs",
    "ca_certs",
    "ca_path",
    "certfile",
    "keyfile",
    "ca_data",
    "password",
    "check_hostname",
    "ciphers",
)
_WEB = ("http://", "https://")
#: In front of an address whose host is the path of a Unix socket, its slashes as %2F.
_SOCKET = "http+unix://"
_POSTGRES = ("postgresql:", "postgres:", "postgresql+psycopg:")
#: From the first colon to the last @: a password may hold either.
_SECRET_PART = re.compile(r"(?<=://)([^:/@]*):.*@")
_SECRET_QUERY = re.compile(r"(?i)([?&][^=&]*(?:password|secret|token)[^=&]*=)[^&]*")
#: What stands for a secret that is not shown.
MASK = "***"
#: Where orders can be traded.
NETWORKS = ("simulated", "localnet", "paper", "devnet", "mainnet")
#: On which markets; a network may have some of them.
VENUES = ("raydium", "meteora", "orca", "jupiter", "cpmm")
#: What a wallet may be called. Its file is `wallets/NAME.json` in the home.
WALLET_NAME = r"[a-z0-9][a-z0-9-]{0,31}"
LOG_LEVELS = ("debug", "info", "warning", "error")


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,19}", text) or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return read


def _rate(text: str) -> Any:
    from oee_daemon.contract.decimals import is_decimal, read_decimal

    if not is_decimal(text) or not (rate := read_decimal(text)) <= 1:
        raise ValueError("a number from 0 to 1")
    return rate


def _address(*starts: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not text.startswith(starts):
            raise ValueError("an address that starts with " + " or ".join(starts))
        return text

    return read


def _queue(text: str) -> str:
    """A queue's address, without what is ours to say. Any other parameter that would not count is refused."""
    where, _, query = _address(*_REDIS)(text).partition("?")
    tls = [f"ssl_{name}" for name in _REDIS_TLS]
    known = {*_REDIS_QUERY, *(tls if text.startswith("rediss:") else ())}
    given = {part: part.partition("=")[0] for part in query.split("&") if part}
    odd = next((name for name in given.values() if name not in known | {*_REDIS_OURS}), None)
    if odd in tls:
        raise ValueError(f"{odd} only in an address that starts with rediss://: no other is encrypted")
    if odd is not None:
        if "@" in query or not re.fullmatch(r"\w{1,60}", odd):
            raise ValueError("an address that names its parameters after a ?; in a password that is %3F")
        raise ValueError(
            f"an address without {odd}: after its ? may stand {', '.join(_REDIS_QUERY)}, and with rediss://"
            f" {', '.join(tls)}"
        )
    kept = [part for part, name in given.items() if name in known]
    return f"{where}?{'&'.join(kept)}" if kept else where


def _site(text: str) -> str:
    """An address for HTTP: of a host, or the path of a Unix socket."""
    from urllib.parse import quote, urlsplit

    if text.startswith("/"):
        return _SOCKET + quote(text, safe="")
    try:
        named = text.startswith((*_WEB, _SOCKET)) and urlsplit(text).hostname and text.isprintable()
    except ValueError:
        named = False
    if not named or " " in text:
        raise ValueError("an address that starts with https:// or http://, or the path of a Unix socket")
    return text.rstrip("/")


def _sites(text: str) -> str:
    found = [_site(part.strip()) for part in text.split(",")]
    if len(set(found)) < len(found):
        # What two of them say counts for more than what one says twice.
        raise ValueError("addresses separated by commas, each of them once")
    return ",".join(found)


def _some_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        names = [part.strip().lower() for part in text.split(",")]
        if not set(names) <= set(choices):
            raise ValueError("names separated by commas, of " + ", ".join(choices))
        return ",".join(names)

    return read


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError("one of " + ", ".join(choices))
        return text

    return read


def _path(text: str) -> Path:
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        raise ValueError("the home of an account that exists") from None
    if not path.is_absolute():
        raise ValueError("an absolute path")
    if not in_utf8(path):
        raise ValueError("a path in UTF-8")
    return path


def in_utf8(path: Path) -> bool:
    """Whether all who are given this path as text find the same file: servers and drivers speak UTF-8."""
    try:
        return str(path).encode() == os.fsencode(path)
    except UnicodeError:
        return False


def _wallet(text: str) -> str:
    """A wallet's name, or the whole path of its file."""
    if "/" in text:
        return str(_path(text))
    if not re.fullmatch(WALLET_NAME, text):
        raise ValueError("a name of 1 to 32 small letters, digits and -, or the absolute path of a key file")
    return text


def _amounts(text: str) -> str:
    from oee_daemon.contract.decimals import is_decimal

    parts = [part.split() for part in text.split(",")]
    if not all(len(part) == 2 and is_decimal(part[0]) for part in parts):
        raise ValueError('amounts and tokens separated by commas, as "100 SOL, 10000 USDC"')
    return ", ".join(" ".join(part) for part in parts)


def _dollars(text: str) -> Any:
    from oee_daemon.contract.decimals import is_decimal, read_decimal

    dollars = read_decimal(text) if is_decimal(text) else None
    # Micro-dollars are what limits count in.
    if not dollars or dollars.adjusted() >= 12 or round(dollars, 6) != dollars:
        raise ValueError("US dollars, as in 250 or 99.50")
    return dollars


def _symbols(text: str) -> str:
    names = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"[A-Za-z0-9$._-]{1,64}", name) for name in names):
        raise ValueError("symbols or mints separated by commas")
    return ",".join(names)


def _names(text: str) -> str:
    names = [part.strip().lower() for part in text.split(",")]
    if not all(re.fullmatch(r"[a-z0-9_.-]+|[0-9a-f:.]*:[0-9a-f:.]*", name) for name in names):
        raise ValueError("names or addresses separated by commas, without ports")
    return ",".join(names)


def _flag(text: str) -> bool:
    if text.lower() not in _YES | _NO:
        raise ValueError("1 or 0")
    return text.lower() in _YES


def _header(text: str) -> str:
    # One line of printable ASCII, or the request could not even be written.
    if not text.isascii() or not text.isprintable():
        raise ValueError("plain characters, as `oee daemon token` prints them")
    return text


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

    if address.startswith(("/", _SOCKET)):
        return unquote(address.removeprefix(_SOCKET).partition("/")[0]) or address
    try:
        parts = urlsplit(address)
        host = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
    except ValueError:
        return MASK
    rest = f"/{MASK}" if parts.path.strip("/") or parts.query else ""
    return f"{parts.scheme}://{f'{MASK}@' if '@' in parts.netloc else ''}{host}{rest}"


SETTINGS = (
    Setting("home", None, "database, queue, logs, token, socket", _path, "both"),
    Setting(
        "database_url", None, "your own Postgres; a home stays on the one it began on", _address(*_POSTGRES),
        hidden="password",
    ),
    Setting("redis_url", None, "your own Redis or Valkey", _queue, hidden="password"),
    Setting("host", "127.0.0.1", "where the TCP side listens"),
    Setting("port", "3000", "where the TCP side listens", _whole(0, 65535)),
    Setting("hostnames", None, "more names that HTTP may be asked for by: a,b", _names),
    Setting("url", None, "talk to a daemon elsewhere, also by https", _address(*_WEB), "command", "password"),
    Setting("token", None, "what the daemon elsewhere asks for", _header, "command", "all"),
    Setting("no_autostart", None, "1: no command starts the daemon", _flag, "command"),
    Setting("worker_threads", "10", "orders in execution at once, per worker", _whole(1, 200)),
    Setting("max_active", "10", "orders in execution at once, over all workers", _whole(1, 1000)),
    Setting("urgent_places", "2", "more orders at once: stops and snipers alone", _whole(0, 100)),
    Setting("max_attempts", "3", "attempts before an order fails", _whole(1, 100)),
    Setting("keep_days", None, "days an order is kept after its end; unset: for ever", _whole(1, 36_500)),
    Setting("network", "simulated", "where orders are traded", _one_of(*NETWORKS)),
    Setting(
        "real_money", None, "mainnet: confirmed, as oee config set network asks", _one_of(*REAL_MONEY)
    ),
    Setting("rpc_urls", None, "Solana's RPC endpoints: a,b; two are better", _sites, hidden="host"),
    Setting("venues", None, "markets that are asked: a,b; unset: all", _some_of(*VENUES)),
    Setting("raydium_url", None, "another address of Raydium's trade API", _site, hidden="host"),
    Setting("jupiter_url", None, "another address of Jupiter's API", _site, hidden="host"),
    Setting("jupiter_key_file", None, "a file with your key of Jupiter's API, mode 0600", _path),
    Setting("max_impact", None, "basis points: no quote that moves the price further", _whole(1, 10_000)),
    Setting(
        "fee_cap", "100000", "lamports: the most that a swap may pay the network", _whole(5_000, 10**9)
    ),
    Setting("max_order", None, "USD: the most that one order may spend; unset: any", _dollars),
    Setting("max_daily", None, "USD: the most that orders may spend in 24 hours", _dollars),
    Setting("max_slippage", None, "bps: the most that an order may allow", _whole(0, 5000)),
    Setting("max_open", None, "orders that may be accepted and not ended", _whole(1, 10_000_000)),
    Setting("tokens", None, "what may be traded: SOL,USDC; unset: all", _symbols),
    Setting("notify", None, "who is told what happens: Apprise's URLs, apart by spaces", hidden="all"),
    Setting("on_event", None, "a program that is told, by JSON on its standard input", _path),
    Setting("wallet", None, "its name or a key file; unset: the network's name", _wallet),
    Setting(
        "wallet_passphrase_file", None, "opens a sealed wallet at each start", _path
    ),
    Setting(
        "paper_balance", "100 SOL, 10000 USDC", "what a new paper wallet holds", _amounts,
    ),
    Setting("sim_seed", "0", "the same seed and orders give the same history", _whole(0, 2**62)),
    Setting("sim_latency_ms", "200", "how long a simulated quote takes", _whole(0, 60_000)),
    Setting("sim_failure_rate", "0.05", "how often a simulated swap fails, 0 to 1", _rate),
    Setting("sim_listing_slots", "150", "slots of 400 ms from one new token to the next", _whole(1, 100_000)),
    Setting(
        "sim_volatility", "12", "how much a watched price moves in 400 ms, basis points",
        _whole(0, 100),
    ),
    Setting("sim_confirm_ms", "400", "from submission to confirmation", _whole(0, 600_000)),
    Setting("sim_ledger_file", None, "an SQLite file for the simulated chain; unset: Postgres", _path),
    Setting("service_user", None, "as root: the servers' account; unset: postgres or nobody"),
    Setting("log_level", "info", f"how much is logged: {', '.join(LOG_LEVELS)}", _one_of(*LOG_LEVELS)),
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

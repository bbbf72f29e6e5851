"""How a setting's text becomes its value: a reader for each kind. A reader's `ValueError` says what it takes,
to stand after the setting's name. Nothing here reads the environment or a file.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
#: A database's number, of four digits at most; and an address up to its ?.
_DATABASE = re.compile(r"db=[0-9]{1,4}")
_QUEUE = re.compile(r"rediss?://[^/#]*/?([0-9]{1,4}/?)?|unix://([^/#]*@)?/[^#]+")
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
WEB = ("http://", "https://")
#: In front of an address whose host is the path of a Unix socket, its slashes as %2F.
SOCKET = "http+unix://"
#: What a wallet may be called. Its file is `wallets/NAME.json` in the home.
WALLET_NAME = r"[a-z0-9][a-z0-9-]{0,31}"


def whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,19}", text) or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return read


def rate(text: str) -> Any:
    from oee_daemon.contract.decimals import is_decimal, read_decimal

    if not is_decimal(text) or not (rate := read_decimal(text)) <= 1:
        raise ValueError("a number from 0 to 1")
    return rate


def address(*starts: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not text.startswith(starts):
            raise ValueError("an address that starts with " + " or ".join(starts))
        return text

    return read


postgres = address("postgresql:", "postgres:", "postgresql+psycopg:")


def web(text: str) -> str:
    """A daemon's address. Nothing can be put behind a ? or #."""
    if not _has_host(address(*WEB)(text)) or set(text) & set(" ?#"):
        raise ValueError("an address as https://desk.example:3000: a host, and a port up to 65535 if any")
    return text


def _has_host(text: str, *, needed: bool = True) -> bool:
    """Whether an address names a host, where that is needed, and no port that there can't be."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        host, possible = parts.hostname or "", parts.port != 0
    except ValueError:
        return False
    return possible and text.isprintable() and " " not in host and (bool(host) or not needed)


def queue(text: str) -> str:
    """A queue's address, without what is ours to say. Any other parameter that would not count is refused."""
    where, _, query = address(*_REDIS)(text).partition("?")
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
    if not _QUEUE.fullmatch(where) or (where.startswith("redis") and not _has_host(where, needed=False)):
        raise ValueError(
            "an address as redis://HOST:PORT/NUMBER or unix:///PATH, where NUMBER is a database's and may be"
            " left out; in a password %2F stands for /, and %23 for #"
        )
    if any(name == "db" and not _DATABASE.fullmatch(part) for part, name in given.items()):
        raise ValueError("an address whose db is a number")
    kept = [part for part, name in given.items() if name in known]
    return f"{where}?{'&'.join(kept)}" if kept else where


def site(text: str) -> str:
    """An address for HTTP: of a host, or the path of a Unix socket."""
    from urllib.parse import quote

    if text.startswith("/"):
        return SOCKET + quote(text, safe="")
    if not text.startswith((*WEB, SOCKET)) or not _has_host(text) or set(text) & set(" #"):
        raise ValueError("an address that starts with https:// or http://, or the path of a Unix socket")
    return text.rstrip("/")


def plain_site(text: str) -> str:
    """As `site`, where a path is put behind it."""
    if "?" in text:
        raise ValueError("an address without a ?: paths are put behind it")
    return site(text)


def sites(text: str) -> str:
    found = [site(part.strip()) for part in text.split(",")]
    if len(set(found)) < len(found):
        # What two of them say counts for more than what one says twice.
        raise ValueError("addresses separated by commas, each of them once")
    return ",".join(found)


def some_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        names = [part.strip().lower() for part in text.split(",")]
        if not set(names) <= set(choices):
            raise ValueError("names separated by commas, of " + ", ".join(choices))
        return ",".join(names)

    return read


def one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError("one of " + ", ".join(choices))
        return text

    return read


def path(text: str) -> Path:
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


def wallet(text: str) -> str:
    """A wallet's name, or the whole path of its file."""
    if "/" in text:
        return str(path(text))
    if not re.fullmatch(WALLET_NAME, text):
        raise ValueError("a name of 1 to 32 small letters, digits and -, or the absolute path of a key file")
    return text


def amounts(text: str) -> str:
    from oee_daemon.contract.decimals import is_decimal

    parts = [part.split() for part in text.split(",")]
    if not all(len(part) == 2 and is_decimal(part[0]) for part in parts):
        raise ValueError('amounts and tokens separated by commas, as "100 SOL, 10000 USDC"')
    if len({token for _, token in parts}) < len(parts):
        raise ValueError("each token once")
    return ", ".join(" ".join(part) for part in parts)


def dollars(text: str) -> Any:
    from oee_daemon.contract.decimals import is_decimal, read_decimal

    dollars = read_decimal(text) if is_decimal(text) else None
    # Micro-dollars are what limits count in.
    if not dollars or dollars.adjusted() >= 12 or round(dollars, 6) != dollars:
        raise ValueError("US dollars, as in 250 or 99.50")
    return dollars


def symbols(text: str) -> str:
    names = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"[A-Za-z0-9$._-]{1,64}", name) for name in names):
        raise ValueError("symbols or mints separated by commas")
    return ",".join(names)


def host(text: str) -> str:
    if not _is_host(text):
        raise ValueError("a name or an address without a port: 127.0.0.1, or 0.0.0.0 for every one")
    return text


def _is_host(text: str) -> bool:
    """Whether it can be a host's name or address."""
    try:
        if ":" in text:
            socket.inet_pton(socket.AF_INET6, text.partition("%")[0])
        elif not text.strip("0123456789."):
            # As resolvers read it: 127.1 is one, too.
            socket.inet_aton(text)
    except OSError:
        return False
    return ":" in text or re.fullmatch(r"[\w.-]+", text) is not None


def names(text: str) -> str:
    names = [part.strip().lower() for part in text.split(",")]
    if not all(map(_is_host, names)):
        raise ValueError("names or addresses separated by commas, without ports")
    return ",".join(names)


def flag(text: str) -> bool:
    if text.lower() not in _YES | _NO:
        raise ValueError("1 or 0")
    return text.lower() in _YES


def header(text: str) -> str:
    # One line of printable ASCII, or the request could not even be written.
    if not text.isascii() or not text.isprintable():
        raise ValueError("plain characters, as `oee daemon token` prints them")
    return text

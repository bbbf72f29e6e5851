"""Where a server is, as it may be shown and compared: from an address that may carry a password."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

#: What stands for a server that the daemon runs itself.
OWN = "own"
#: Names of this machine that mean the same.
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


def place_of(url: str | None) -> str:
    """Where a database or queue is, for people and to compare: never an account or a password."""
    if url is None:
        return OWN
    try:
        parts = urlsplit(url)
    except ValueError:
        return "nowhere"
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    hosts, ports = [], []
    for one in parts.netloc.rpartition("@")[2].lower().split(","):
        host, _, port = one.rpartition(":") if one[-1:].isdigit() and ":" in one else (one, "", "")
        hosts.append(unquote(host).strip("[]"))
        ports.append(port)
    if query.get("host"):
        hosts, ports = query["host"].split(","), query.get("port", "").split(",")
    usual = "5432" if parts.scheme.startswith("postgres") else "6379"
    ports = [port or query.get("port", "") or usual for port in (ports + [""] * len(hosts))[: len(hosts)]]
    hosts = ["localhost" if host in _HERE else host for host in hosts]
    name = unquote(parts.path.strip("/")) or query.get("dbname") or query.get("db") or ""
    if parts.scheme == "unix":
        return f"{unquote(parts.path)}/{query.get('db', '0')}"
    if not any(hosts):
        # libpq's own file, or its socket's usual place.
        hosts, ports = [query.get("service") or "local"], ports[:1]
    shown = ",".join(f"{host}:{port}" for host, port in zip(hosts, ports, strict=True))
    return f"{shown}/{name or unquote(parts.username or '') or '0'}"

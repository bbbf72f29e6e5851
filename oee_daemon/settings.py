"""What can be set, where it comes from and what it may be; read once, frozen after.

The environment wins over `config.toml` in the config folder, which wins over the default. Nothing else
in the engine reads the environment (failpoints excepted), and nothing here opens a connection.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from platformdirs import user_config_path, user_data_path

from oee_daemon.errors import BadSetting
from oee_daemon.timing import USUAL, Timing
from oee_daemon.timing import read as read_timing

NETWORKS = ("simulated",)
#: Connections to Postgres: of the API, as many as requests that can wait on it at once; of a worker beside
#: one for each thread, recovery's, retention's, and those for a lost answer; of the simulated chain's ledger,
#: in both.
API_CONNECTIONS, SPARE_CONNECTIONS, LEDGER_CONNECTIONS = 20, 3, 4


def default_home() -> Path:
    """`/var/lib/oee` for root, so that an unprivileged server account can reach it; else the user's.

    Raises `BadSetting` for an account without a home folder.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/oee")
    found = _of_the_account(user_data_path)
    if found is None or not _in_utf8(found):
        raise BadSetting(
            "This account has no home folder whose path could be used. Set HOME, or OEE_HOME to a folder of "
            "yours: an absolute path in UTF-8."
        )
    return found


def config_file() -> Path | None:
    """The one configuration file; a file in the working folder is never read. `None` for an account without
    a home folder."""
    found = _of_the_account(user_config_path)
    return None if found is None else found / "config.toml"


def _of_the_account(folder: Callable[..., Path]) -> Path | None:
    try:
        found = folder("oee", appauthor=False)
    except RuntimeError:
        return None
    return found if found.is_absolute() else None


def _in_utf8(path: Path) -> bool:
    """Whether all who are given this path as text find the same file: servers and drivers speak UTF-8."""
    try:
        return str(path).encode() == os.fsencode(path)
    except UnicodeError:
        return False


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"\d{1,19}", text) or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return read


def _rate(text: str) -> Decimal:
    try:
        rate = Decimal(text)
    except InvalidOperation:
        raise ValueError("a number from 0 to 1") from None
    if not rate.is_finite() or not 0 <= rate <= 1:
        raise ValueError("a number from 0 to 1")
    return rate


def _url(*schemes: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not text.startswith(tuple(f"{s}:" for s in schemes)):
            raise ValueError("an address that starts with " + " or ".join(f"{s}:" for s in schemes))
        return text

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
    if not _in_utf8(path):
        raise ValueError("a path in UTF-8")
    return path


def _names(text: str) -> str:
    names = [part.strip().lower() for part in text.split(",")]
    if not all(re.fullmatch(r"[a-z0-9_.-]+|[0-9a-f:.]*:[0-9a-f:.]*", name) for name in names):
        raise ValueError("names or addresses separated by commas, without ports")
    return ",".join(names)


def _setting(read: Callable[[str], Any], default: Any, *, hidden: bool = False) -> Any:
    """A field with the reader that turns its text into its value. `hidden`: no user's, and in no table."""
    return field(default=default, metadata={"read": read, "hidden": hidden})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One frozen set of settings. The variable of a field is `OEE_` and its name in capitals."""

    home: Path = field(default_factory=default_home, metadata={"read": _path})
    database_url: str | None = _setting(_url("postgresql", "postgres", "postgresql+psycopg"), None)
    redis_url: str | None = _setting(_url("redis", "rediss", "unix"), None)
    #: The TCP side; the Unix socket is always there.
    host: str = _setting(str, "127.0.0.1")
    port: int = _setting(_whole(0, 65535), 3000)
    #: More names under which the TCP side may be asked for, in small letters, separated by commas.
    hostnames: str | None = _setting(_names, None)
    #: Orders in execution at once, per worker.
    worker_threads: int = _setting(_whole(1, 200), 10)
    #: Orders in execution at once over all workers; the same for every worker of an engine.
    max_active: int = _setting(_whole(1, 1000), 10)
    max_attempts: int = _setting(_whole(1, 100), 3)
    #: Days for which an order is kept after its end; None: for ever.
    keep_days: int | None = _setting(_whole(1, 36_500), None)
    network: str = _setting(_one_of(*NETWORKS), "simulated")
    sim_seed: int = _setting(_whole(0, 2**62), 0)
    sim_latency_ms: int = _setting(_whole(0, 60_000), 200)
    sim_failure_rate: Decimal = _setting(_rate, Decimal("0.05"))
    #: From submission to confirmation, milliseconds; one Solana slot by default.
    sim_confirm_ms: int = _setting(_whole(0, 600_000), 400)
    #: Each landing is also appended and flushed to this file: a witness outside Postgres.
    sim_ledger_file: Path | None = _setting(_path, None)
    #: The account that runs the embedded servers when the daemon is root.
    service_user: str | None = _setting(str, None)
    log_level: str = _setting(_one_of("debug", "info", "warning", "error"), "info")
    #: For tests alone: what the engine waits for, shorter than it is.
    timing: Timing = _setting(read_timing, USUAL, hidden=True)

    @property
    def run_dir(self) -> Path:
        """Locks, phase and socket live here, mode 0700."""
        return self.home / "run"

    @property
    def log_dir(self) -> Path:
        return self.home / "logs"

    @property
    def worker_connections(self) -> int:
        """Connections to Postgres that one worker may hold, its ledger's apart."""
        return self.worker_threads + SPARE_CONNECTIONS

    @property
    def connections(self) -> int:
        """Connections to Postgres that the daemon and its worker may hold."""
        return API_CONNECTIONS + self.worker_connections + 2 * LEDGER_CONNECTIONS

    def dump(self) -> dict[str, str]:
        """Every setting that has a value, as text; `parse` reads it back."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: str(value) for name, value in given.items() if value not in (None, USUAL)}

    @staticmethod
    def parse(values: Mapping[str, str]) -> Settings:
        """The settings that `dump` gave."""
        readers = {f.name: f.metadata["read"] for f in fields(Settings)}
        return Settings(**{name: readers[name](text) for name, text in values.items()})


def load(environ: Mapping[str, str] | None = None, config: Path | None = None) -> Settings:
    """Reads the settings. Raises `BadSetting`, naming the setting, its origin and what it may be."""
    environ = os.environ if environ is None else environ
    config = config_file() if config is None else config
    stored = _stored(config)
    known = {f"OEE_{f.name.upper()}": f for f in fields(Settings)}
    values: dict[str, Any] = {}
    for variable, spec in known.items():
        text, origin = environ.get(variable), "the environment"
        if not text and spec.name in stored:
            text, origin = str(stored[spec.name]), str(config)
        if not text:
            continue
        try:
            values[spec.name] = spec.metadata["read"](text)
        except ValueError as wanted:
            shown = "its value" if spec.name.endswith("_url") else repr(text)
            raise BadSetting(f"{variable} (from {origin}) can't be {shown}: it takes {wanted}.") from None
    found = Settings(**values)
    try:
        str(found.home).encode()
    except UnicodeEncodeError:
        raise BadSetting(f"OEE_HOME can't be {str(found.home)!r}: it takes a path in UTF-8.") from None
    return found


def _stored(config: Path | None) -> dict[str, Any]:
    if config is None:
        return {}
    try:
        content = config.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as e:
        raise BadSetting(f"{config} can't be read: {e.strerror}.") from None
    try:
        table = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise BadSetting(f"{config} is not valid TOML: {e}.") from None
    return {k.lower().removeprefix("oee_"): v for k, v in table.items()}

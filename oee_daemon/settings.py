"""What the engine was set to, and where it comes from; read once, frozen after. What a setting may be stands
in `contract/setting_table.py`.

The environment wins over `config.toml` in the config folder, which wins over the default. Nothing else
in the engine reads the environment (failpoints excepted), and nothing here opens a connection.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from platformdirs import user_config_path, user_data_path

from oee_daemon.contract import home_files, setting_files
from oee_daemon.contract.real_money import unconfirmed
from oee_daemon.contract.setting_protection import OF_WORKERS
from oee_daemon.contract.setting_readers import in_utf8
from oee_daemon.contract.setting_table import BY_NAME
from oee_daemon.start_errors import BadSetting
from oee_daemon.timing import USUAL, Timing
from oee_daemon.timing import read as read_timing

#: Connections to Postgres: of the API, as many as requests that can wait on it at once; of a worker beside
#: one for each thread, recovery's, retention's, and those for a lost answer; of the simulated chain's ledger,
#: in both.
API_CONNECTIONS, SPARE_CONNECTIONS, LEDGER_CONNECTIONS = 20, 3, 4


def default_home() -> Path:
    """`/var/lib/oee` for root, so that an unprivileged server account can reach it; else the user's.

    Raises `BadSetting` for an account without a home folder.
    """
    if os.geteuid() == 0:
        return Path(home_files.ROOT_HOME)
    found = setting_files.account_folder(user_data_path)
    if found is None or not in_utf8(found):
        raise BadSetting(
            "This account has no home folder whose path could be used. Set HOME, or OEE_HOME to a folder of "
            "yours: an absolute path in UTF-8."
        )
    return found


def config_file() -> Path | None:
    """The one configuration file; a file in the working folder is never read. `None` for an account without
    a home folder."""
    found = setting_files.account_folder(user_config_path)
    return None if found is None else found / home_files.CONFIG


def _setting(name: str) -> Any:
    """A field with the default that the table has, and its reader."""
    row = BY_NAME[name]
    return field(default=row.value, metadata={"read": row.read})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One frozen set of settings. The variable of a field is `OEE_` and its name in capitals."""

    home: Path = field(default_factory=default_home, metadata={"read": BY_NAME["home"].read})
    database_url: str | None = _setting("database_url")
    redis_url: str | None = _setting("redis_url")
    #: The TCP side; the Unix socket is always there.
    host: str = _setting("host")
    port: int = _setting("port")
    #: In small letters, separated by commas.
    hostnames: str | None = _setting("hostnames")
    worker_threads: int = _setting("worker_threads")
    #: The same for every worker of an engine.
    max_active: int = _setting("max_active")
    urgent_places: int = _setting("urgent_places")
    max_attempts: int = _setting("max_attempts")
    keep_days: int | None = _setting("keep_days")
    network: str = _setting("network")
    #: The network on which orders may spend real money, once somebody has confirmed it.
    real_money: str | None = _setting("real_money")
    #: Addresses separated by commas, as `solana.rpc.rpc_outside_http.Site` takes them.
    rpc_urls: str | None = _setting("rpc_urls")
    #: Calls a second to each of them, over all workers.
    rpc_rate: int | None = _setting("rpc_rate")
    #: Names separated by commas.
    venues: str | None = _setting("venues")
    raydium_url: str | None = _setting("raydium_url")
    jupiter_url: str | None = _setting("jupiter_url")
    jupiter_key_file: Path | None = _setting("jupiter_key_file")
    #: Requests a second to it, over all workers, as its plans are sold.
    jupiter_rate: int | None = _setting("jupiter_rate")
    #: Basis points; what a venue does not say is over it.
    max_impact: int | None = _setting("max_impact")
    #: Lamports.
    fee_cap: int = _setting("fee_cap")
    #: Limits: US dollars, US dollars in 24 hours, bps, orders, and symbols or mints separated by commas.
    max_order: Decimal | None = _setting("max_order")
    max_daily: Decimal | None = _setting("max_daily")
    max_slippage: int | None = _setting("max_slippage")
    max_open: int | None = _setting("max_open")
    tokens: str | None = _setting("tokens")
    #: Addresses of Apprise's separated by spaces, each of which may hold a secret; and an executable.
    notify: str | None = _setting("notify")
    on_event: Path | None = _setting("on_event")
    #: A name in `wallets/` or an absolute path; none: the network's name.
    wallet: str | None = _setting("wallet")
    wallet_passphrase_file: Path | None = _setting("wallet_passphrase_file")
    #: What a new paper ledger begins with.
    paper_balance: str = _setting("paper_balance")
    sim_seed: int = _setting("sim_seed")
    sim_latency_ms: int = _setting("sim_latency_ms")
    sim_volatility: int = _setting("sim_volatility")
    sim_listing_slots: int = _setting("sim_listing_slots")
    sim_failure_rate: Decimal = _setting("sim_failure_rate")
    #: One Solana slot by default.
    sim_confirm_ms: int = _setting("sim_confirm_ms")
    #: Each landing is also appended and flushed to this file.
    sim_ledger_file: Path | None = _setting("sim_ledger_file")
    service_user: str | None = _setting("service_user")
    log_level: str = _setting("log_level")
    #: For tests alone: what the engine waits for, shorter than it is.
    timing: Timing = field(default=USUAL, metadata={"read": read_timing, "hidden": True})

    @property
    def run_dir(self) -> Path:
        """Locks, phase and socket live here, mode 0700."""
        return self.home / home_files.RUN

    @property
    def log_dir(self) -> Path:
        return self.home / home_files.LOGS

    @property
    def worker_connections(self) -> int:
        """Connections to Postgres that one worker may hold, its ledger's apart."""
        return self.worker_threads + SPARE_CONNECTIONS

    @property
    def connections(self) -> int:
        """Connections to Postgres that the daemon and its worker may hold, with one of each that only looks
        where it leads."""
        return API_CONNECTIONS + self.worker_connections + 2 * LEDGER_CONNECTIONS + 2

    @property
    def keeps(self) -> dict[str, Any] | None:
        """What binds an order that is accepted now, whoever executes it; a default is nobody's wish."""
        given = {name: getattr(self, name) for name in OF_WORKERS}
        return {name: value for name, value in given.items() if value != BY_NAME[name].value} or None

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
    try:
        stored = setting_files.stored_settings(config)
    except OSError as e:
        raise BadSetting(f"{config} can't be read: {e.strerror}.") from None
    except ValueError as e:
        raise BadSetting(f"{config} is not valid TOML: {e}.") from None
    known = {f"OEE_{f.name.upper()}": f for f in fields(Settings)}
    values: dict[str, Any] = {}
    for variable, spec in known.items():
        text, origin = environ.get(variable), "the environment"
        if not text and spec.name in stored:
            text, origin = stored[spec.name], str(config)
        if not text:
            continue
        try:
            values[spec.name] = spec.metadata["read"](text)
        except ValueError as wanted:
            shown = BY_NAME[spec.name].refused(text) if spec.name in BY_NAME else repr(text)
            raise BadSetting(f"{variable} (from {origin}) can't be {shown}: it takes {wanted}.") from None
    found = Settings(**values)
    try:
        str(found.home).encode()
    except UnicodeEncodeError:
        raise BadSetting(f"OEE_HOME can't be {str(found.home)!r}: it takes a path in UTF-8.") from None
    reason = unconfirmed(found.network, found.real_money)
    if reason is not None:
        raise BadSetting(reason)
    return found

"""What the command line needs to know: where the home is, and whether the daemon is elsewhere.

The environment wins over `config.toml` in the config folder, which wins over the default. A file in the
working folder is never read. The daemon reads the same places for itself; nothing is handed over but the
environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oee_cli.cli_errors import UsageFault
from oee_daemon.contract import home_files, setting_files
from oee_daemon.contract.setting_readers import in_utf8
from oee_daemon.contract.setting_table import BY_NAME


@dataclass(frozen=True, slots=True)
class Settings:
    """One frozen set of settings. `url` set means a daemon elsewhere, which is never started from here."""

    home: Path
    url: str | None = None
    token: str | None = None
    autostart: bool = True
    #: Where orders are meant to go; none where nothing says it: then wherever the daemon trades.
    network: str | None = None

    @property
    def run_dir(self) -> Path:
        return self.home / home_files.RUN

    @property
    def socket(self) -> Path:
        """Where the daemon listens unless `daemon.json` says otherwise."""
        return self.home / home_files.SOCKET

    @property
    def log_file(self) -> Path:
        return self.home / home_files.DAEMON_LOG

    @property
    def token_file(self) -> Path:
        return self.home / home_files.TOKEN


def load_settings(environ: Mapping[str, str] | None = None, config: Path | None = None) -> Settings:
    """Reads the settings. Raises `UsageFault`, naming the setting and what it may be."""
    environ = os.environ if environ is None else environ
    kept = stored_settings(config)

    def value(name: str) -> Any:
        setting = BY_NAME[name]
        text = environ.get(setting.variable) or kept.get(name, "")
        try:
            return setting.read(text) if text else None
        except ValueError as wanted:
            raise _bad_setting_error(setting.variable, setting.refused(text), str(wanted)) from None

    url = (value("url") or "").rstrip("/") or None
    # Who talks to a daemon elsewhere needs no place here.
    home = value("home") or default_home()
    if home is None:
        if url is None:
            raise no_home_error("the home of oee")
        home = NOWHERE
    if not in_utf8(home):
        raise _bad_setting_error("OEE_HOME", "its default here", "a path in UTF-8")
    return Settings(
        home=home,
        url=url,
        token=value("token"),
        autostart=not value("no_autostart"),
        network=value("network"),
    )


def load_local_settings(command: str, whose: str, hint: str) -> Settings:
    """The settings, for a command that is about `whose` of this machine. Raises `UsageFault` also where the
    daemon is elsewhere."""
    settings = load_settings()
    if settings.url is not None:
        raise UsageFault(f"OEE_URL is set: `oee {command}` is for {whose} of this machine.", hint=hint)
    return settings


def is_set(name: str) -> bool:
    """Whether somebody has given this setting, in the environment or in the file."""
    return bool(os.environ.get(BY_NAME[name].variable) or stored_settings().get(name))


def default_home() -> Path | None:
    """`/var/lib/oee` for root, so that an unprivileged server account can reach it; else the user's. `None`
    for an account that has no folder of its own."""
    if os.geteuid() == 0:
        return Path(home_files.ROOT_HOME)
    from platformdirs import user_data_path

    return setting_files.account_folder(user_data_path)


def find_config_file() -> Path | None:
    """The one configuration file; a file in the working folder is never read. `None` for an account that has
    no folder of its own."""
    from platformdirs import user_config_path

    folder = setting_files.account_folder(user_config_path)
    return None if folder is None else folder / home_files.CONFIG


def config_file() -> Path:
    """As `find_config_file`. Raises `UsageFault` where there is no place for one."""
    found = find_config_file()
    if found is None:
        raise no_home_error("config.toml")
    return found


#: No folder, and nothing can be made in it.
NOWHERE = Path(os.devnull) / "oee"


def user_folder() -> Path | None:
    """This account's own folder; `None` where it has none."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def short_path(path: Path) -> str:
    """The path as a screen shows it: this account's own folder is `~`."""
    home = user_folder()
    if home is None or home == Path("/") or path == home or not path.is_relative_to(home):
        return str(path)
    return f"~/{path.relative_to(home)}"


def no_home_error(what: str) -> UsageFault:
    return UsageFault(
        f"There is no place for {what}: HOME is not set, and the account {os.geteuid()} has no name here.",
        hint="Set HOME; or OEE_HOME, and XDG_CONFIG_HOME for a config.toml.",
        code="no_home",
    )


def _bad_setting_error(name: str, shown: str, wanted: str) -> UsageFault:
    return UsageFault(
        f"{name} can't be {shown}: it takes {wanted}.",
        hint="Where it comes from: oee config show --origin",
        code="bad_setting",
    )


def stored_settings(config: Path | None = None) -> dict[str, str]:
    """As `setting_files.stored_settings`. Raises `UsageFault` where it can't be read."""
    config = config or find_config_file()
    try:
        return setting_files.stored_settings(config)
    except OSError as e:
        raise UsageFault(f"{config} can't be read: {e.strerror}.", code="bad_setting") from None
    except ValueError as e:
        raise UsageFault(
            f"{config} is not valid TOML: {e}.",
            hint="Correct it by hand. What else is wrong: oee doctor",
            code="bad_setting",
        ) from None

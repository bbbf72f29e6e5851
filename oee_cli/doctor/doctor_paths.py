"""Where everything is that belongs to the home of these settings, whether it is there yet or not.

Knows names and places only, as the daemon lays them out. Opens nothing but
`run/daemon.json` and the settings, and makes nothing.
"""

from __future__ import annotations

from pathlib import Path

from oee_cli.api.client_launcher import Launcher
from oee_cli.api.client_recent_orders import recent_file_name
from oee_cli.cli_errors import UsageFault
from oee_cli.output import Output
from oee_cli.settings.settings_load import Settings, config_file, find_config_file, is_set, load_settings
from oee_daemon.contract import home_files
from oee_daemon.contract.socket_paths import socket_path as usual_socket_path


def home_paths(settings: Settings) -> dict[str, Path | None]:
    """By name; `None` where what would be there is outside, by `OEE_DATABASE_URL` or `OEE_REDIS_URL`, or has
    no place: the config.toml of an account without a folder."""
    home = settings.home
    return {
        "home": home,
        "config": find_config_file(),
        "socket": socket_path(settings),
        "token": settings.token_file,
        "wallets": home / home_files.WALLETS,
        "database": None if is_set("database_url") else home / home_files.POSTGRES,
        "queue": None if is_set("redis_url") else home / home_files.VALKEY,
        "logs": settings.log_file.parent,
        "log": settings.log_file,
        "completion": settings.run_dir / recent_file_name(settings.url),
    }


def socket_path(settings: Settings) -> Path:
    """Where the daemon says that it listens, or will."""
    launcher = Launcher(settings, Output())
    told = launcher.socket_path()
    return usual_socket_path(settings.home) if told == settings.socket else told


def show_home_paths(name: str | None, output: Output) -> None:
    settings = load_settings()
    found = home_paths(settings)
    if name is not None:
        _show_home_path(name, found, output)
        return
    if output.json:
        output.emit({name: None if path is None else str(path) for name, path in found.items()})
    else:
        width = max(map(len, found)) + 3
        # Never cut or folded: a path is there to be copied.
        for name, path in found.items():
            shown = path or (f"outside: {_VARIABLE[name]}" if name in _VARIABLE else "–")
            output.say(f"{name:<{width}}{shown}")
    if settings.url is not None:
        output.sentence("●", "OEE_URL is set: these are this machine's; the daemon's are where it runs.")


#: What puts a part outside of the home.
_VARIABLE = {"database": "OEE_DATABASE_URL", "queue": "OEE_REDIS_URL"}


def _show_home_path(name: str, found: dict[str, Path | None], output: Output) -> None:
    path = config_file() if name == "config" else found[name]
    if path is None:
        raise UsageFault(
            f"The {name} is outside of the home: {_VARIABLE[name]} is set.",
            hint=f"Its address: oee config get {_VARIABLE[name]}",
            code="outside",
        )
    output.answer({name: str(path)}, str(path), bare=True)

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

from oee_cli.errors import UsageFault

_YES = {"1", "true", "yes", "on"}
_NO = {"", "0", "false", "no", "off"}


@dataclass(frozen=True, slots=True)
class Settings:
    """One frozen set of settings. `url` set means a daemon elsewhere, which is never started from here."""

    home: Path
    url: str | None = None
    token: str | None = None
    autostart: bool = True

    @property
    def run_dir(self) -> Path:
        return self.home / "run"

    @property
    def socket(self) -> Path:
        """Where the daemon listens unless `daemon.json` says otherwise."""
        return self.run_dir / "oee.sock"

    @property
    def log_file(self) -> Path:
        return self.home / "logs" / "daemon.log"

    @property
    def token_file(self) -> Path:
        return self.home / "token"


def load(environ: Mapping[str, str] | None = None, config: Path | None = None) -> Settings:
    """Reads the settings. Raises `UsageFault`, naming the setting and what it may be."""
    environ = os.environ if environ is None else environ
    stored = _stored(config)

    def value(name: str) -> str:
        return environ.get(f"OEE_{name.upper()}") or stored.get(name, "")

    return Settings(
        home=_home(value("home")),
        url=_url(value("url")),
        token=_token(value("token")),
        autostart=not _flag("OEE_NO_AUTOSTART", value("no_autostart")),
    )


def _token(text: str) -> str | None:
    # A header: one line of printable ASCII, or the request could not even be written.
    if text and (not text.isascii() or not text.isprintable()):
        raise _bad("OEE_TOKEN", "plain characters, as `oee daemon token` prints them")
    return text or None


def _home(text: str) -> Path:
    if not text:
        if os.geteuid() == 0:
            return Path("/var/lib/oee")
        from platformdirs import user_data_path

        return user_data_path("oee", appauthor=False)
    home = Path(text).expanduser()
    if not home.is_absolute():
        raise _bad("OEE_HOME", "an absolute path")
    return home


def _url(text: str) -> str | None:
    if text and not text.startswith(("http://", "https://")):
        raise _bad("OEE_URL", "an address that starts with http:// or https://")
    return text.rstrip("/") or None


def _flag(name: str, text: str) -> bool:
    if text.lower() not in _YES | _NO:
        raise _bad(name, "1 or 0")
    return text.lower() in _YES


def _bad(name: str, wanted: str) -> UsageFault:
    return UsageFault(
        f"The setting {name} can't be understood.",
        hint=f"It takes {wanted}. It comes from the environment or from config.toml.",
        code="bad_setting",
    )


def _stored(config: Path | None) -> dict[str, str]:
    if config is None:
        from platformdirs import user_config_path

        config = user_config_path("oee", appauthor=False) / "config.toml"
    try:
        content = config.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as e:
        raise UsageFault(f"{config} can't be read: {e.strerror}.", code="bad_setting") from None
    import tomllib

    try:
        table = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise UsageFault(f"{config} is not valid TOML: {e}.", code="bad_setting") from None
    return {key.lower().removeprefix("oee_"): str(value) for key, value in table.items()}

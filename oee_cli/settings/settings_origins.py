"""Each setting with its value and where that comes from; and what is set without being a setting.

Unlike `settings.load` nothing is refused here: a value that can't be understood is told as such, for those
who look for what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from oee_cli.settings.settings_load import default_home
from oee_daemon.contract.setting_table import BY_NAME, ENVIRONMENT_ONLY, SETTINGS, Setting, near, plain

ENVIRONMENT, FILE, DEFAULT = "environment", "file", "default"


class Value(NamedTuple):
    """`text` is `None` where nothing is set and there is no default; `problem` says what it would take."""

    setting: Setting
    text: str | None
    origin: str
    problem: str | None = None
    #: The environment wins over a value in the file.
    hides_file: bool = False

    @property
    def shown(self) -> str | None:
        return None if self.text is None else self.setting.shown(self.text)

    @property
    def source(self) -> str:
        """Where it comes from, in words that fit `from …`."""
        return {ENVIRONMENT: "the environment", FILE: "config.toml"}.get(self.origin, "the default")

    @property
    def complaint(self) -> str:
        """The sentence about a value that can't be."""
        shown = self.setting.refused(self.text or "")
        return f"{self.setting.variable} (from {self.source}) can't be {shown}: it takes {self.problem}."


def setting_values(environ: Mapping[str, str], kept: Mapping[str, str]) -> dict[str, Value]:
    """Every setting by name. `kept` is what the file holds."""
    return {setting.name: setting_value(setting, environ, kept) for setting in SETTINGS}


def setting_value(setting: Setting, environ: Mapping[str, str], kept: Mapping[str, str]) -> Value:
    """One setting; an empty text counts as not set."""
    text, origin = environ.get(setting.variable), ENVIRONMENT
    hides = bool(text and kept.get(setting.name))
    if not text:
        text, origin = kept.get(setting.name), FILE
    if not text:
        home = default_home() if setting.name == "home" else None
        return Value(setting, str(home) if home else setting.default, DEFAULT)
    try:
        setting.read(text)
    except ValueError as wanted:
        return Value(setting, text, origin, str(wanted), hides)
    return Value(setting, text, origin, None, hides)


def unknown_settings(
    environ: Mapping[str, str], kept: Mapping[str, str]
) -> Iterator[tuple[str, str, str | None]]:
    """What is set in vain: how it is spelled, where, and what was probably meant."""
    variables = {setting.variable for setting in SETTINGS} | set(ENVIRONMENT_ONLY)
    for name in sorted(environ):
        if name.upper().startswith("OEE_") and name not in variables and environ[name]:
            meant = near(name)
            yield name, "the environment", meant and BY_NAME[meant].variable
    for key in kept:
        if key not in BY_NAME:
            only = f"OEE_{plain(key).upper()}"
            meant = near(key.rpartition(".")[2])
            yield key, "config.toml", f"the variable {only}" if only in ENVIRONMENT_ONLY else meant

"""`oee config …`: what is set, where it comes from, and changing the file.

The file is the same for every command and for the daemon, which reads it only when it starts; here it is
told when that matters.
"""

from __future__ import annotations

import os
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from oee_cli.cli_errors import CliError, UsageFault
from oee_cli.exit_codes import ExitCode
from oee_cli.output import Output
from oee_cli.settings import settings_file_edit
from oee_cli.settings.settings_load import Settings, config_file, load_settings, stored_settings
from oee_cli.settings.settings_origins import (
    ENVIRONMENT,
    FILE,
    Value,
    setting_value,
    setting_values,
    unknown_settings,
)
from oee_daemon.contract.addresses import OWN
from oee_daemon.contract.real_money import REAL_MONEY
from oee_daemon.contract.setting_table import BY_NAME, ENVIRONMENT_ONLY, Setting, file_name, near, plain

#: For a value that is read from standard input, so that a secret is in nobody's history.
STDIN = "-"


def show_settings(origin: bool, output: Output) -> None:
    kept = stored_settings()
    found = list(setting_values(os.environ, kept).values())
    running = _differing_in_daemon(found)
    if output.json:
        output.emit([setting_as_dict(v) | {"inForce": running.get(v.setting.name)} for v in found])
    else:
        from oee_cli.config.config_table import draw_settings

        draw_settings(output, found, origin)
    for name, told in running.items():
        database = name == "database_url"
        output.sentence(
            "●",
            f"{name} is not in force: the daemon that runs has {'its own' if told == OWN else told}.",
            f"oee daemon restart{' --switch-database' if database else ''}",
        )
    for v in found:
        if v.problem:
            output.sentence("✗", v.complaint)
    for name, where, meant in unknown_settings(os.environ, kept):
        hint = f"Did you mean {meant}?" if meant else None
        output.sentence("●", f"{name} (from {where}) is no setting, and does nothing.", hint)


def _differing_in_daemon(found: list[Value]) -> dict[str, str]:
    """By setting, what a daemon that runs here has instead. A daemon that is not there is not started."""
    from oee_cli.api.client_launcher import Launcher
    from oee_cli.settings.settings_in_force import not_in_force

    try:
        settings = load_settings()
        status = None if settings.url else Launcher(settings, Output()).fetch("/api/status")
    except CliError:
        return {}
    return not_in_force({v.setting.name: v for v in found}, status) if isinstance(status, dict) else {}


def show_config_path(output: Output) -> None:
    where = str(config_file())
    output.answer({"path": where}, where, bare=True)


def show_setting(name: str, output: Output) -> None:
    """Prints the value that counts, secrets too: it was asked for by name."""
    found = setting_value(_find_setting(name), os.environ, stored_settings())
    if found.problem:
        raise UsageFault(found.complaint, code="bad_setting")
    output.answer(setting_as_dict(found) | {"value": found.text}, found.text or "", bare=True)


def set_setting(name: str, text: str, output: Output, *, yes_real_money: bool = False) -> ExitCode:
    setting = _find_setting(name)
    if text == STDIN:
        text = sys.stdin.readline()
    text = text.strip()
    _require_valid(setting, text)
    _require_usable(setting, text)
    if setting.name in ("network", "real_money") and not _confirm_real_money(text, output, yes_real_money):
        return ExitCode.STOPPED
    before = setting_value(setting, os.environ, stored_settings())
    _report_change(setting, before, settings_file_edit.edit_config(config_file(), setting.name, text), output)
    return ExitCode.DONE


def _confirm_real_money(network: str, output: Output, yes: bool) -> bool:
    """Notes in the file that orders on that network may spend real money, once the word was typed; takes the
    note away for any other network. Raises `UsageFault` where nobody can be asked."""
    if network not in REAL_MONEY:
        settings_file_edit.edit_config(config_file(), "real_money", None)
        return True
    if not yes:
        if not output.can_ask:
            raise UsageFault(
                f"Orders on {network} spend real money: nobody can be asked here.",
                hint=f"Read docs/going-live.md, then: oee config set network {network} --yes-real-money",
                code="real_money_unconfirmed",
            )
        asked = f"Orders on {network} spend real money. Type {network} to go on, or Enter to leave it."
        if output.ask(asked) != network:
            output.sentence("✗", "nothing was changed.")
            return False
    settings_file_edit.edit_config(config_file(), "real_money", network)
    return True


def unset_setting(name: str, output: Output) -> None:
    if plain(name) not in BY_NAME and file_name(name) in stored_settings():
        # No setting, but it stands in the file: nothing is easier to take out.
        settings_file_edit.edit_config(config_file(), file_name(name), None)
        gone = f"✓ {file_name(name)}   gone from {config_file()}"
        output.answer({"name": file_name(name), "changed": True}, gone)
        return
    setting = _find_setting(name)
    before = setting_value(setting, os.environ, stored_settings())
    if setting.name == "network":
        settings_file_edit.edit_config(config_file(), "real_money", None)
    _report_change(setting, before, settings_file_edit.edit_config(config_file(), setting.name, None), output)


def setting_as_dict(found: Value) -> dict[str, Any]:
    """A setting for programs; its secret parts masked."""
    setting = found.setting
    return {
        "name": setting.name,
        "variable": setting.variable,
        "value": found.shown,
        "origin": found.origin,
        "path": str(config_file()) if found.origin == FILE else None,
        "default": setting.default,
        "problem": found.problem and f"takes {found.problem}",
        "readBy": setting.reader,
        "meaning": setting.meaning,
    }


def _find_setting(name: str) -> Setting:
    found = BY_NAME.get(plain(name))
    if found is not None:
        return found
    if f"OEE_{plain(name).upper()}" in ENVIRONMENT_ONLY:
        variable = f"OEE_{plain(name).upper()}"
        raise UsageFault(f"{variable} is read from the environment only.", hint=f"export {variable}=…")
    meant = near(name)
    raise UsageFault(
        f"There is no setting {name!r}.",
        hint=f"Did you mean {meant}?" if meant else "All of them: oee config show",
        code="unknown_setting",
    )


def _require_valid(setting: Setting, text: str) -> None:
    if not text:
        raise UsageFault(
            f"{setting.name} can't be set to nothing.",
            hint=f"Back to its default: oee config unset {setting.name}",
        )
    shown = "that" if setting.hidden else repr(text[:80])
    try:
        if not text.isprintable():
            raise ValueError("one line of text")
        setting.read(text)
    except ValueError as wanted:
        raise UsageFault(f"{setting.name} can't be {shown}: it takes {wanted}.", code="bad_setting") from None


def _require_usable(setting: Setting, text: str) -> None:
    """Raises `UsageFault` where the daemon would not start with it, and that can be seen from here."""
    if setting.name == "on_event":
        program = Path(text).expanduser()
        if program.is_dir() or not os.access(program, os.X_OK):
            raise UsageFault(
                f"on_event can't be {text[:80]!r}: no program is there that may be executed.",
                hint=f"chmod +x {shlex.quote(str(program))}",
                code="bad_setting",
            )
    elif setting.name == "notify" and find_spec("apprise") is None:
        raise UsageFault(
            "notify needs Apprise, which is not installed here.",
            hint=f"{sys.executable} -m pip install 'apprise<3'; "
            "or without it: oee config set on_event /a/program",
            code="bad_setting",
        )


def _report_change(setting: Setting, before: Value, written: bool, output: Output) -> None:
    """Says which value counts now, and what still stands in its way."""
    now = setting_value(setting, os.environ, stored_settings())
    in_file = setting_value(setting, {}, stored_settings())
    overridden = setting.variable if now.origin == ENVIRONMENT else None
    restart = _needs_restart(setting, before, now)
    if output.json:
        output.emit(
            setting_as_dict(now)
            | {"changed": written, "inFile": in_file.shown if in_file.origin == FILE else None}
            | {"overriddenBy": overridden, "next": restart}
        )
        return
    shown = "not set" if in_file.shown is None else in_file.shown
    where = str(config_file()) if in_file.origin == FILE else "the default"
    output.say(f"✓ {setting.name}   {shown}   ({where}{'' if written else ', as it was'})")
    if overridden:
        output.sentence(
            "●", f"{overridden} is set in the environment and wins: {now.shown}.", f"unset {overridden}"
        )
    if restart:
        output.sentence("●", "The daemon that runs goes on with what it read at its start.", restart)


def _needs_restart(setting: Setting, before: Value, now: Value) -> str | None:
    """The command that makes a running daemon read it; `None` where none runs or it has it already."""
    from oee_cli.api.client_launcher import Launcher

    if setting.reader == "command" or (now.text == before.text and not _differing_in_daemon([now])):
        return None
    home = before if setting.name == "home" else setting_value(BY_NAME["home"], os.environ, stored_settings())
    try:
        place = home.setting.read(home.text or "/")
        running = Launcher(Settings(home=place), Output()).held()
    except (CliError, ValueError):
        # Somebody else's daemon; whether it runs is not for us to see.
        return None
    if not running:
        return None
    return f"OEE_HOME={home.text} oee daemon stop" if setting.name == "home" else "oee daemon restart"

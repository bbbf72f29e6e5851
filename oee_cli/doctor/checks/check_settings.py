"""Settings that can't be understood, that do nothing, or that the running daemon does not have."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator

from oee_cli.doctor.checks.check_facts import Facts
from oee_cli.doctor.checks.check_finding import Finding, fail, info, ok, warn
from oee_cli.exit_codes import ExitCode
from oee_cli.settings.settings_in_force import database_before, not_in_force
from oee_cli.settings.settings_origins import ENVIRONMENT, FILE, Value, unknown_settings
from oee_daemon.contract.addresses import OWN, place_of
from oee_daemon.contract.real_money import unconfirmed

_NAME = "settings"


def check_settings(facts: Facts) -> Iterator[Finding]:
    found = [
        *_check_unreadable(facts),
        *_check_unknown(facts),
        *_check_dangerous(facts),
        *_check_real_money(facts),
        *_check_in_force(facts),
    ]
    if not found:
        origins = [v.origin for v in facts.values.values()]
        given = [(ENVIRONMENT, "the environment"), (FILE, str(facts.config))]
        told = [f"{origins.count(origin)} from {place}" for origin, place in given if origin in origins]
        yield ok(_NAME, ", ".join(told) or "all as they are by default")
    yield from found


def _check_unreadable(facts: Facts) -> Iterator[Finding]:
    if facts.config_fault is not None:
        remedy = _by_hand(facts) if os.access(facts.config, os.R_OK) else f"ls -l {_quote_names(facts)}"
        yield fail(_NAME, "config_unreadable", facts.config_fault.message, remedy, ExitCode.USAGE)
    for v in facts.values.values():
        if v.problem is not None:
            in_file = v.origin == FILE
            remedy = _unset_kept(facts, v.setting.name) if in_file else f"unset {v.setting.variable}"
            yield fail(_NAME, "bad_setting", v.complaint, remedy, ExitCode.USAGE)


def _check_unknown(facts: Facts) -> Iterator[Finding]:
    for name, where, meant in unknown_settings(facts.environ, facts.kept):
        message = f"{name} (from {where}) is no setting, and does nothing."
        if meant:
            message += f" Did you mean {meant}?"
        remedy = _unset_kept(facts, name) if where == "config.toml" else f"unset {name}"
        yield warn(_NAME, "unknown_setting", message, remedy)


def _unset_kept(facts: Facts, name: str) -> str:
    """What takes it out of the file: `oee config unset` refuses tables and what stands in one."""
    from oee_cli.settings.settings_file_edit import is_editable

    return f"oee config unset {shlex.quote(name)}" if is_editable(facts.config, name) else _by_hand(facts)


def _by_hand(facts: Facts) -> str:
    return f"${{EDITOR:-vi}} {_quote_names(facts)}"


def _quote_names(facts: Facts) -> str:
    return shlex.quote(str(facts.config))


def _check_dangerous(facts: Facts) -> Iterator[Finding]:
    if facts.environ.get("OEE_FAILPOINTS"):
        yield warn(
            _NAME, "failpoints", "OEE_FAILPOINTS is set: a daemon started from here dies on purpose.",
            "unset OEE_FAILPOINTS",
        )  # fmt: skip
    secrets = [
        v.setting.name for v in facts.values.values() if v.setting.hidden and facts.kept.get(v.setting.name)
    ]
    try:
        open_to_others = bool(stat.S_IMODE(facts.config.stat().st_mode) & 0o077)
    except OSError:
        return
    if secrets and open_to_others:
        yield warn(
            _NAME, "config_open", f"{facts.config} holds {' and '.join(secrets)} and can be read by others.",
            f"chmod 600 {_quote_names(facts)}",
        )  # fmt: skip


def _check_real_money(facts: Facts) -> Iterator[Finding]:
    """A daemon that starts with these settings would end at once."""
    network = facts.text("network") or ""
    if facts.here and (why := unconfirmed(network, facts.text("real_money"))) is not None:
        message, _, _ = why.partition(" Confirm it:")
        in_file = facts.values["network"].origin != ENVIRONMENT
        remedy = f"oee config set network {network}" if in_file else f"export OEE_REAL_MONEY={network}"
        yield fail(_NAME, "real_money_unconfirmed", message, remedy)


def _check_in_force(facts: Facts) -> Iterator[Finding]:
    """What the daemon that runs was started without, and the database on which none would start."""
    if not facts.here:
        return
    configured = facts.values["database_url"]
    if facts.status is not None:
        for name, told in not_in_force(facts.values, facts.status).items():
            v = facts.values[name]
            if name == "database_url":
                message = (
                    f"Orders are in {_name_database(told)}, where the daemon works; here {_name_url(v)}."
                )
                yield warn(_NAME, "other_database", message, "oee config show --origin")
            else:
                message = f"{name} is {v.shown or 'not set'}, but the daemon was started with {told}."
                yield info(_NAME, "not_yet", message, "oee daemon restart")
        return
    before = database_before(facts.settings.home)
    if before is not None and not configured.problem and before != place_of(configured.text):
        message = f"This home has worked on {_name_database(before)}; here {_name_url(configured)}:"
        message += " no daemon starts so."
        yield fail(_NAME, "other_database", message, "oee daemon restart --switch-database", ExitCode.REFUSED)


def _name_database(place: str) -> str:
    return "its own database" if place == OWN else f"the database at {place}"


def _name_url(v: Value) -> str:
    return f"OEE_DATABASE_URL is {v.shown}" if v.text else "OEE_DATABASE_URL is not set"

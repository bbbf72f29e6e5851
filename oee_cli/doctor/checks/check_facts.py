"""What the doctor has before it: the settings as far as they can be read, the home, and the daemon's answer.

Looked at once, so that all checks speak of the same moment. Never starts the daemon.
"""

from __future__ import annotations

import os
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from oee_cli.api.client_launcher import Launcher
from oee_cli.cli_errors import CliError, ConnectionLost, UsageFault
from oee_cli.network_badge import badge
from oee_cli.output import Output
from oee_cli.settings.settings_load import NOWHERE, Settings, find_config_file, no_home_error, stored_settings
from oee_cli.settings.settings_origins import ENVIRONMENT, Value, setting_values
from oee_daemon.contract import home_files
from oee_daemon.contract.protocol import MAX_PAGE
from oee_daemon.contract.setting_table import BY_NAME

#: Seconds for the daemon's answer: a server of it that is frozen costs 2.5.
_ANSWER_S = 4.0
#: What waits, as far as one page tells it.
_NEAREST = f"/api/orders?status=waiting&sort=away&limit={MAX_PAGE}"
#: Seconds for its look at the RPC endpoints, of which a silent one takes all it has.
_ENDPOINTS_S = 8.0


@dataclass
class Facts:
    """`status` is the daemon's own account of itself; where there is none, `fault` says why."""

    environ: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    config: Path = NOWHERE / home_files.CONFIG
    kept: dict[str, str] = field(default_factory=dict)
    config_fault: UsageFault | None = None
    values: dict[str, Value] = field(default_factory=dict)
    settings: Settings = field(default_factory=lambda: Settings(home=NOWHERE))
    status: dict[str, Any] | None = None
    #: What the daemon found of each RPC endpoint; none on a network without any.
    endpoints: list[dict[str, Any]] = field(default_factory=list)
    #: The prices that orders wait for, as the daemon tells them; empty where it told none.
    feeds: dict[str, Any] = field(default_factory=dict)
    #: The orders that wait, the nearest to their price of them; empty where it told none.
    waiting: list[dict[str, Any]] = field(default_factory=list)
    fault: CliError | None = None
    #: The process that holds the home: 0 where it is none of ours to see, `None` where there is none.
    holder: int | None = None
    #: Wall clock halfway between question and answer, seconds since 1970.
    asked_at: float = 0.0
    #: How far from halfway the answer may have been given, seconds.
    asked_within: float = 0.0

    @property
    def here(self) -> bool:
        """Whether the daemon, running or not, is one of this machine, and its home is known."""
        return self.settings.url is None and not self.bad("home") and not self.bad("url")

    @property
    def away(self) -> bool:
        """No daemon runs on this home, and none failed to answer."""
        return self.here and self.status is None and self.holder is None and not self.fault

    @property
    def home_open(self) -> bool:
        """Whether the home is there and this account may look into it."""
        return os.access(self.settings.home, os.R_OK | os.X_OK)

    @property
    def home_shut(self) -> bool:
        """Whether this account may not look into the home, or not even as far as it."""
        try:
            return self.settings.home.exists() and not self.home_open
        except OSError:
            return True

    def bad(self, name: str) -> bool:
        return self.values[name].problem is not None

    def text(self, name: str) -> str | None:
        """The value that counts; the default in place of one that can't be."""
        found = self.values[name]
        return BY_NAME[name].default if found.problem else found.text

    def value(self, name: str) -> Any:
        """That text as it is read where it is used; `None` where it is not set."""
        text = self.text(name)
        return BY_NAME[name].read(text) if text else None

    def setting(self, name: str, value: str) -> str:
        """The command that sets it so that it counts, for a daemon that runs as well."""
        told = self.values[name]
        where = f"export {told.setting.variable}={value}" if told.origin == ENVIRONMENT else ""
        return (where or f"oee config set {name} {value}") + (" && oee daemon restart" if self.status else "")

    def process(self, pid: object) -> int:
        """The daemon's process id, if the process has it here as well; 0 for another container's."""
        same = self.here and bool(self.holder) and self.holder == (self.status or {}).get("pid")
        return pid if same and isinstance(pid, int) else 0

    def part(self, name: str) -> dict[str, Any]:
        """A part of the daemon's status; empty where it is not known."""
        found = (self.status or {}).get(name)
        return found if isinstance(found, dict) else {}


def gather_facts(output: Output) -> Facts:
    facts = Facts()
    facts.config = find_config_file() or facts.config
    try:
        facts.kept = stored_settings(facts.config)
    except UsageFault as fault:
        facts.config_fault = fault
    facts.values = setting_values(facts.environ, facts.kept)
    facts.settings = _readable_settings(facts)
    # A daemon that answers says its own.
    badge.wear(None if facts.settings.url else facts.text("network"))
    if facts.settings.home == NOWHERE and facts.settings.url is None:
        facts.fault = no_home_error("the home of oee")
        return facts
    if facts.bad("url") or (facts.settings.url is None and facts.bad("home")):
        facts.fault = UsageFault("Not asked: it is not known where it is.", code="unknown_place")
        return facts
    try:
        _ask_daemon(facts, output)
    except CliError as fault:
        facts.fault = fault
    return facts


def _readable_settings(facts: Facts) -> Settings:
    return Settings(
        home=facts.value("home") or NOWHERE,
        url=(facts.value("url") or "").rstrip("/") or None,
        token=facts.value("token"),
        autostart=not facts.value("no_autostart"),
    )


def _ask_daemon(facts: Facts, output: Output) -> None:
    """Fills `status`, or leaves it empty where nothing runs. Raises `CliError` for what should answer."""
    from oee_cli.api.client_http import Client

    launcher = Launcher(facts.settings, output)
    if facts.settings.url is None:
        facts.holder = launcher.holder()
        if facts.holder is None and not launcher.listens():
            return
    # Which of the settings are not in force is a finding of its own, the network among them.
    with closing(Client(replace(facts.settings, network=None), output)) as client:
        began = time.time()
        try:
            facts.status = client.ask("GET", "/api/status", timeout=_ANSWER_S)
        except ConnectionLost as lost:
            raise client.unreachable(lost) from None
        ended = time.time()
        facts.asked_at, facts.asked_within = (began + ended) / 2, (ended - began) / 2
        with suppress(CliError, ConnectionLost):
            facts.feeds = client.ask("GET", "/api/feeds", timeout=_ANSWER_S)
            if facts.feeds.get("waiting"):
                facts.waiting = client.ask("GET", _NEAREST, timeout=_ANSWER_S)["orders"]
        with suppress(CliError, ConnectionLost, TypeError, KeyError):
            # An older daemon has none to tell of, and one that is busy none now.
            facts.endpoints = client.ask("GET", "/api/endpoints", timeout=_ENDPOINTS_S)["endpoints"]

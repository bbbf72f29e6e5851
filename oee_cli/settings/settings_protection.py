"""What somebody has set here that protects money, as a request says it that places or changes orders.

A default is nobody's wish: it is not sent. What can't be understood, and what is spelled so that it would do
nothing, is refused before anything is sent: whoever wrote it counts on it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlencode

from oee_cli.cli_errors import UsageFault
from oee_cli.settings.settings_load import stored_settings
from oee_cli.settings.settings_origins import DEFAULT, setting_value, unknown_settings
from oee_daemon.contract.protocol import SETTINGS_HEADER
from oee_daemon.contract.setting_protection import PROTECTS
from oee_daemon.contract.setting_table import BY_NAME, near

#: From how like a setting's name is it no name of somebody else's: `OEE_ORDER_MAXIMUM` may be one.
_LIKE = 0.8
#: Where a value or a name comes from that can't be.
_LOOK = "Where it comes from: oee config show --origin"


def protection_header() -> dict[str, str]:
    """The header, or nothing where nothing is set. Raises `UsageFault`."""
    stated = stated_protection(os.environ, stored_settings())
    return {SETTINGS_HEADER: urlencode(stated)} if stated else {}


def stated_protection(environ: Mapping[str, str], kept: Mapping[str, str]) -> dict[str, str]:
    """By setting, the text of what was set. `kept` is what the file holds. Raises `UsageFault`."""
    for name, where, meant in unknown_settings(environ, kept):
        if near(name.rpartition(".")[2], _LIKE) in PROTECTS:
            raise UsageFault(
                f"{name} (from {where}) is no setting, and would protect nothing. Did you mean {meant}?",
                hint=_LOOK,
                code="unknown_setting",
            )
    stated: dict[str, str] = {}
    for name in PROTECTS:
        found = setting_value(BY_NAME[name], environ, kept)
        if found.problem is not None:
            raise UsageFault(found.complaint, hint=_LOOK, code="bad_setting")
        if found.text is not None and found.origin != DEFAULT:
            stated[name] = str(found.setting.read(found.text))
    return stated

"""Words a refusal of the daemon, which names fields, by the options that a person typed. `oee submit` gives
fields itself, so its refusals stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from oee_cli.cli_errors import CliError
from oee_daemon.contract.fields import GIVEN

_OPTIONS = {field.name: field.option for field in GIVEN if field.option}
#: Where a sniper's options are called otherwise.
SNIPER_OPTIONS = {"limitPrice": "--max-price", "launchTime": "--at", "expiresAt": "--within"}
_FIELD = re.compile(rf"\b({'|'.join(_OPTIONS)})\b")
_RISKS = re.compile(r"\baccept (?=[a-z]+[,.])")


def say_options(refused: CliError, others: Mapping[str, str] | None = None) -> None:
    """Changes message and hint of `refused`. `others`: options that are called otherwise in this command."""
    names = _OPTIONS | dict(others or {})
    refused.message = _FIELD.sub(lambda field: names[field[1]], refused.message)
    if refused.hint is not None:
        hint = _FIELD.sub(lambda field: names[field[1]], refused.hint)
        refused.hint = _RISKS.sub("--accept ", hint) if refused.code == "unsafe_token" else hint

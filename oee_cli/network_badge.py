"""The network's name in front of each line that a person reads; the simulated one's is not said.

One for the process, as its two streams are. Whoever learns where orders go says it here: first the settings,
then each answer of the daemon, which alone knows. `Output` puts it on the lines and nobody else has to.
"""

from __future__ import annotations

import re
from typing import Any

from oee_daemon.contract.real_money import REAL_MONEY, UNLABELLED

_NAME = re.compile(r"[a-z0-9-]{1,20}")


class Badge:
    def __init__(self) -> None:
        #: Empty where nothing is to be said.
        self.network = ""
        #: Whether anybody has said where orders go.
        self.told = False

    def wear(self, network: object) -> None:
        """What is no network's name changes nothing: an older daemon says none."""
        if isinstance(network, str) and _NAME.fullmatch(network):
            self.network = "" if network == UNLABELLED else network
            self.told = True

    @property
    def style(self) -> str:
        """Of the house."""
        return "yellow" if self.network in REAL_MONEY else "dim"

    @property
    def margin(self) -> int:
        """Places of a line that it takes, with the space after it."""
        return len(self.network) + 1 if self.network else 0

    def on_object(self, value: Any) -> Any:
        """An object for programs that says where it is of; of an array each one does."""
        if isinstance(value, list):
            return [self.on_object(one) for one in value]
        if self.network and isinstance(value, dict) and "network" not in value:
            return {"network": self.network, **value}
        return value


#: What this process's streams wear.
badge = Badge()

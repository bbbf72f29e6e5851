"""Warns whoever means another network than the one on which the daemon works.

The daemon itself refuses what would place an order; it answers what only looks, and nobody shall take play
money for his own.
"""

from __future__ import annotations

import os

from oee_cli.api.client_response_problems import Response
from oee_cli.network_badge import badge
from oee_cli.output import Output, clean
from oee_cli.settings.settings_load import Settings
from oee_daemon.contract.protocol import NETWORK_HEADER


class OtherNetwork:
    """Hears each answer of one daemon, and says it once."""

    def __init__(self, settings: Settings, output: Output) -> None:
        self._settings = settings
        self._output = output
        self._said = False

    def hear(self, answer: Response) -> None:
        """A refusal for that reason says it itself."""
        told, meant = answer.headers.get(NETWORK_HEADER), self._settings.network
        badge.wear(told)
        if self._said or not told or meant in (None, told):
            return
        if isinstance(answer.body, dict) and answer.body.get("code") == "other_network":
            return
        self._said = True
        here = clean(told)[:40]
        set_by = (
            f"OEE_NETWORK={meant}" if os.environ.get("OEE_NETWORK") else f"network = {meant} in config.toml"
        )
        there = "where the daemon runs, set the network, and " if self._settings.url else ""
        self._output.sentence(
            "●",
            f"The daemon works on {here}, and so is what follows: {set_by} is not in force.",
            f"To look there: {there}oee daemon restart. To look here: OEE_NETWORK={here}",
        )

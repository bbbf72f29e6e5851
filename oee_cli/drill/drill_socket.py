"""A drill's client of its own daemon: it finds the daemon and asks it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from oee_cli.api.client_handshake import home_tag
from oee_cli.api.client_resident_daemon import Resident
from oee_cli.api.client_transport import UnixTransport, httpx
from oee_cli.settings.settings_load import Settings
from oee_daemon.contract.protocol import HOME_HEADER


def read_daemon_file(home: Path) -> dict[str, Any]:
    return Resident(Settings(home=home)).running()


@contextmanager
def client_of(home: Path, timeout: float) -> Iterator[Any]:
    """A client over the drill's own socket. Raises `KeyError` where no daemon has said where it is."""
    transport = UnixTransport(read_daemon_file(home)["socket"])
    headers = {HOME_HEADER: home_tag(home)}
    with httpx.Client(
        transport=transport, base_url="http://localhost", timeout=timeout, headers=headers
    ) as client:
        yield client

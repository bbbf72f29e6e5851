"""A client for the time of one command, by which it speaks to a daemon and starts it where it has to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from oee_cli.api.client import Client
from oee_cli.output import Output
from oee_cli.settings.load import load


@contextmanager
def session(output: Output, *, connections: int = 4) -> Iterator[Client]:
    """A client whose daemon answers, closed at the end. Raises `Unreachable`, and whatever `load` raises."""
    client = Client(load(), output, connections=connections)
    try:
        client.ready()
        yield client
    finally:
        client.close()

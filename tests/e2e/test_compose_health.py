"""The health check of docker-compose.yml, by the command that stands there."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from pathlib import Path

import yaml

from tests.e2e.bare_http import http_port
from tests.kit.api_daemon import Shared


def test_the_compose_file_asks_the_daemon_itself_whether_it_is_alive(api: Shared) -> None:
    services = yaml.safe_load((Path(__file__).parents[2] / "docker-compose.yml").read_text())["services"]
    # In the container, where nothing of this shell is.
    kind, *asked = services["daemon"]["healthcheck"]["test"]
    assert kind == "CMD"

    def well(port: int) -> bool:
        command = [word.replace("/3000 ", f"/{port} ") for word in asked]
        return (
            subprocess.run(command, env={"PATH": os.defpath}, capture_output=True, timeout=20).returncode == 0
        )

    assert well(http_port(api.daemon))
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        assert not well(nobody.getsockname()[1])
    with socket.create_server(("127.0.0.1", 0)) as other:
        answering = threading.Thread(target=_answer_503, args=[other])
        answering.start()
        assert not well(other.getsockname()[1])
        answering.join()


def _answer_503(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")

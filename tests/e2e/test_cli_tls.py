"""A daemon elsewhere behind TLS: whom the command line trusts, and what it says of each fault."""

from __future__ import annotations

import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.kit.api_daemon import Shared
from tests.kit.commands import BUY, Cli

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")

#: What `openssl x509` makes of the server's certificate, by its name here.
_MADE = {
    "good": ("DNS:localhost", "1"),
    "other": ("DNS:elsewhere.example", "1"),
    "expired": ("DNS:localhost", "-1"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA of its own and certificates that it signed."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "rsa:2048", "-nodes", "-keyout")
    openssl("req", "-x509", *key, "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=own ca")
    openssl("req", *key, "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    for name, (names, days) in _MADE.items():
        (folder / "names").write_text(f"subjectAltName={names}\n")
        sign = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names")
        openssl("x509", "-req", "-in", "server.csr", *sign, "-days", days, "-out", f"{name}.pem")
    return folder


@contextmanager
def before(port: int, folder: Path, certificate: str) -> Iterator[int]:
    """Its port, with TLS before it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{certificate}.pem", folder / "server.key")

    class Forward(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with (
                suppress(OSError),
                socket.create_connection(("127.0.0.1", port)) as behind,
                context.wrap_socket(self.request, server_side=True) as secured,
            ):
                there = threading.Thread(target=copy, args=(secured, behind), daemon=True)
                there.start()
                copy(behind, secured)
                there.join()

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while part := source.recv(65_536):
                target.sendall(part)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Forward) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def port(api: Shared) -> int:
    return int(api.daemon.facts["http"].rpartition(":")[2])


def elsewhere(cli: Cli, api: Shared, scheme: str, port: int) -> Cli:
    """A command that knows an address and a token only."""
    made = Cli(cli.home.with_name("none"), OEE_URL=f"{scheme}://localhost:{port}", OEE_TOKEN=api.daemon.token)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        made.environ.pop(name, None)
    return made


def test_an_own_ca_is_trusted_by_requests_and_streams_alike(
    cli: Cli, api: Shared, port: int, made: Path
) -> None:
    with before(port, made, "good") as secured:
        far = elsewhere(cli, api, "https", secured)
        trusting = {"SSL_CERT_FILE": str(made / "ca.pem")}
        done = far.run(*BUY, **trusting)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("✓ bought")
        hashed = made / "hashed"
        hashed.mkdir()
        shutil.copy(made / "ca.pem", hashed)
        subprocess.run(["openssl", "rehash", str(hashed)], check=True)
        assert far.run("history", SSL_CERT_DIR=str(hashed)).returncode == 0


@pytest.mark.parametrize(
    ("certificate", "trusted", "said", "remedy"),
    [
        ("good", "", "signed by a CA that is not known here", "SSL_CERT_FILE=/path/to/ca.pem"),
        (
            "good",
            "/nowhere/ca.pem",
            "SSL_CERT_FILE is /nowhere/ca.pem, which can't be read",
            "SSL_CERT_FILE=",
        ),
        ("expired", "ca.pem", "has expired", "Renew it"),
        ("other", "ca.pem", "is for another name", "Set OEE_URL to a name that the certificate has"),
    ],
)
def test_a_certificate_that_is_not_believed_is_called_so(
    cli: Cli, api: Shared, port: int, made: Path, certificate: str, trusted: str, said: str, remedy: str
) -> None:
    with before(port, made, certificate) as secured:
        far = elsewhere(cli, api, "https", secured)
        trusting = {"SSL_CERT_FILE": str(made / trusted)} if trusted else {}
        for command in (("history",), BUY, ("daemon", "status")):
            # At once: what is not believed now is not believed in a minute.
            done = far.run(*command, **trusting)
            told = " ".join(done.stderr.split())
            assert (done.returncode, done.stdout) == (6, ""), told
            assert f"The certificate of https://localhost:{secured}" in told
            assert said in told and remedy in told
            assert "Traceback" not in told


def test_tls_where_there_is_none_and_none_where_there_is(
    cli: Cli, api: Shared, port: int, made: Path
) -> None:
    done = elsewhere(cli, api, "https", port).run("history")
    assert done.returncode == 6 and "does not speak TLS" in done.stderr
    assert f"OEE_URL=http://localhost:{port}" in done.stderr
    with before(port, made, "good") as secured:
        done = elsewhere(cli, api, "http", secured).run("history")
    assert done.returncode == 6, done.stderr
    assert f"OEE_URL=https://localhost:{secured}" in done.stderr

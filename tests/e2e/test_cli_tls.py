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
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey as Key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.kit.api_daemon import Shared
from tests.kit.commands import BUY, Cli

#: The name that a server's certificate is for, and how many days it is good for, by what it is called here.
_MADE = {"good": ("localhost", 1), "other": ("elsewhere.example", 1), "expired": ("localhost", -1)}
_CA = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "own ca")])


def certificate(subject: x509.Name, key: Key, by: Key, days: int, says: x509.ExtensionType) -> bytes:
    """PEM of one that the CA signed."""
    end = datetime.now(UTC) + timedelta(days=days)
    made = x509.CertificateBuilder(_CA, subject, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(end - timedelta(days=3)).not_valid_after(end)
    return made.add_extension(says, critical=True).sign(by, SHA256()).public_bytes(Encoding.PEM)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA of its own and certificates that it signed."""
    folder = tmp_path_factory.mktemp("tls")
    ca, server = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    pem = server.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "server.key").write_bytes(pem)
    authority = x509.BasicConstraints(ca=True, path_length=None)
    (folder / "ca.pem").write_bytes(certificate(_CA, ca, ca, 2, authority))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    for name, (host, days) in _MADE.items():
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        (folder / f"{name}.pem").write_bytes(certificate(subject, server, ca, days, names))
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
        if shutil.which("openssl") is not None:
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
    done = cli.run("history", OEE_URL=f"https://me:hunter2@localhost:{port}")
    told = " ".join(done.stderr.split())
    assert f"at https://me:***@localhost:{port} does not" in told and "hunter2" not in told
    with before(port, made, "good") as secured:
        done = elsewhere(cli, api, "http", secured).run("history")
    assert done.returncode == 6, done.stderr
    assert f"OEE_URL=https://localhost:{secured}" in done.stderr

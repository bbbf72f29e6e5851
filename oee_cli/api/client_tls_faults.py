"""TLS to a daemon elsewhere: which authorities are trusted, as by curl, and what a fault of TLS means in
words.

Loaded only for an address that begins with https.
"""

from __future__ import annotations

import os
import socket
import ssl
from urllib.parse import urlsplit

from oee_cli.cli_errors import CliError, Unreachable
from oee_daemon.contract.setting_table import masked

#: Seconds for a handshake that only asks whether there can be one.
_PROBE = 2.0
#: OpenSSL's numbers for why a certificate is not believed.
_NOT_YET, _EXPIRED = 9, 10
_SELF_SIGNED = (18, 19)
_UNKNOWN_ISSUER = (2, 20, 21)
_OTHER_NAME = (62, 64)


def tls_context() -> ssl.SSLContext:
    """The system's store, `SSL_CERT_FILE` and `SSL_CERT_DIR`; where a Python knows of no store, the one that
    comes with httpx."""
    made = ssl.create_default_context()
    places = ssl.get_default_verify_paths()
    if not made.cert_store_stats()["x509_ca"] and places.cafile is None and places.capath is None:
        import certifi

        made.load_verify_locations(certifi.where())
    return made


def explain_tls_fault(url: str, e: BaseException) -> CliError | None:
    """What a failed handshake means, if that is what `e` stems from; `None` for anything that may go by."""
    found: BaseException | None = e
    while found is not None and not isinstance(found, ssl.SSLError):
        found = found.__cause__ or found.__context__
    if found is None or isinstance(found, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLWantReadError):
        return None
    if isinstance(found, ssl.SSLCertVerificationError):
        return _certificate_error(url, found)
    reason = (found.reason or "").replace("_", " ").lower()
    if any(word in reason for word in ("wrong version", "record layer", "http request", "packet length")):
        plain = "http" + url.removeprefix("https")
        return _error(f"What answers at {url} does not speak TLS.", f"If it is meant so: OEE_URL={plain}")
    return _error(
        f"No TLS connection to {url} comes about: {reason or found}.",
        "Look at its TLS settings: it may ask for a client's certificate, or for another TLS version.",
    )


def explain_tls_spoken(url: str) -> CliError | None:
    """What a strange answer to plain HTTP means, if TLS is what is spoken there: asked by a handshake."""
    if not url.startswith("http:"):
        return None
    parts = urlsplit(url)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), _PROBE) as s:
            made.wrap_socket(s, server_hostname=parts.hostname).close()
    except (OSError, ValueError):
        return None
    return _error(f"What answers at {url} speaks TLS.", f"OEE_URL=https{url.removeprefix('http')}")


def _certificate_error(url: str, e: ssl.SSLCertVerificationError) -> CliError:
    if e.verify_code == _EXPIRED:
        return _error(
            f"The certificate of {url} has expired.", "Renew it there; or set this machine's clock."
        )
    if e.verify_code == _NOT_YET:
        return _error(f"The certificate of {url} is not valid yet.", "Set this machine's clock: date")
    if e.verify_code in _OTHER_NAME:
        return _error(
            f"The certificate of {url} is for another name: {e.verify_message.rstrip('.')}.",
            "Set OEE_URL to a name that the certificate has.",
        )
    where = _describe_unreadable()
    if e.verify_code in _SELF_SIGNED:
        why = "is signed by itself or by a CA of its own"
    elif e.verify_code in _UNKNOWN_ISSUER:
        why = "is signed by a CA that is not known here, or comes without the certificates in between"
    else:
        why = f"is not believed: {e.verify_message}"
    return _error(
        f"The certificate of {url} {why}.{where}",
        "Name the CA's certificate: SSL_CERT_FILE=/path/to/ca.pem, or add it to the system's store.",
    )


def _describe_unreadable() -> str:
    for name, needed in (("SSL_CERT_FILE", os.path.isfile), ("SSL_CERT_DIR", os.path.isdir)):
        given = os.environ.get(name)
        if given and not (needed(given) and os.access(given, os.R_OK)):
            return f" {name} is {given}, which can't be read."
    return ""


def _error(message: str, hint: str) -> CliError:
    return Unreachable(masked(message), hint=masked(hint), code="tls")

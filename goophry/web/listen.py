"""What a server needs before it can serve: a bound socket and, for HTTPS, a certificate.

Whatever is wrong comes as a `StartError` of one sentence that names the setting.
"""

import errno
import os
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from goophry.errors import StartError

#: Connections that the kernel keeps until they are accepted.
_BACKLOG: Final = 512


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """A certificate (with its chain) and its key, both PEM."""

    cert: Path
    key: Path


def bound_socket(interface: str, *, setting: str) -> socket.socket:
    """Return a listening socket for `host:port`, `[v6]:port` or `:port` (every address)."""
    host, port = _host_and_port(interface, setting=setting)
    try:
        if not host:
            return _on_every_address(port)
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = min(found, key=lambda item: item[0] != socket.AF_INET)
        return socket.create_server((str(address[0]), int(address[1])), family=family, backlog=_BACKLOG)
    except (OSError, UnicodeError) as error:
        raise StartError(f"{setting}: cannot listen on {interface}: {_reason(error)}") from error


def tls_context(files: TlsFiles, *, cert_setting: str, key_setting: str) -> ssl.SSLContext:
    """Return a server's TLS context: TLS 1.2 and newer, HTTP/1.1."""
    cert = _pem(files.cert, setting=cert_setting, holds="CERTIFICATE")
    key = _pem(files.key, setting=key_setting, holds="PRIVATE KEY")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])

    def no_password() -> NoReturn:  # without it OpenSSL would ask on the terminal
        raise StartError(f"{key_setting}: {key}: the key is encrypted; expected one without a password")

    try:
        context.load_cert_chain(cert, key, password=no_password)
    except ssl.SSLError as error:
        if error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"):
            raise StartError(f"{key_setting}: {key}: the key does not belong to the certificate {cert}") from error
        what = error.reason or str(error)
        raise StartError(f"{cert_setting}, {key_setting}: {cert} and {key} cannot be used: {what}") from error
    return context


def _host_and_port(interface: str, *, setting: str) -> tuple[str, int]:
    host, colon, port = interface.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    well_formed = colon and (bracketed or ":" not in host) and port.isascii() and port.isdecimal()
    if not well_formed or int(port[:6]) > 65535:  # noqa: PLR2004
        raise StartError(f"{setting}: expected host:port, :port or [address]:port, found {interface!r}")
    return (host[1:-1] if bracketed else host), int(port)


def _on_every_address(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG)
        except OSError as error:
            if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                raise
    return socket.create_server(("", port), backlog=_BACKLOG)


def _pem(path: Path, *, setting: str, holds: str) -> Path:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StartError(f"{setting}: {path}: cannot be read: {_reason(error)}") from error
    if f"{holds}-----".encode() not in content:
        raise StartError(f"{setting}: {path}: expected a {holds.lower()} in PEM form, found none")
    return path


def _reason(error: Exception) -> str:
    number = getattr(error, "errno", None)
    # create_server appends the address to the text; the sentence has it already.
    if isinstance(error, socket.gaierror) or not number:
        return str(getattr(error, "strerror", None) or error)
    return os.strerror(number).lower()

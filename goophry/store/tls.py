"""TLS to Redis: certificates read once for many connections.

Reading the system's authorities takes 90 ms, for each connection if nobody keeps them; a thousand
types would take a minute and a half to connect.
"""

import ssl
import threading
import time
from typing import Any, Final

from redis.connection import SSLConnection

#: Seconds for which what was read serves: a certificate that was renewed is used from then on.
SERVES_S: Final = 60.0

#: Options of an address for which the library's own way is taken, at each connection.
_UNUSUAL: Final = (
    "ssl_include_verify_flags",
    "ssl_exclude_verify_flags",
    "ssl_ca_data",
    "ssl_ca_path",
    "ssl_password",
    "ssl_validate_ocsp",
    "ssl_validate_ocsp_stapled",
    "ssl_min_version",
    "ssl_ciphers",
)


class Certificates:
    """What the connections to the same servers share. Thread-safe."""

    def __init__(self) -> None:
        self._context: ssl.SSLContext | None = None
        self._read_at = 0.0
        self._lock = threading.Lock()

    def context(
        self, *, ca_file: str | None, cert_file: str | None, key_file: str | None, verify: ssl.VerifyMode, host: bool
    ) -> ssl.SSLContext:
        """Return the context; `host` tells whether the name in the certificate is compared. Raises `OSError`."""
        with self._lock:
            if self._context is None or time.monotonic() - self._read_at > SERVES_S:
                context = ssl.create_default_context(cafile=ca_file)
                context.check_hostname = host
                context.verify_mode = verify
                if cert_file is not None:
                    # An empty password, or OpenSSL asks for one at the terminal.
                    context.load_cert_chain(cert_file, key_file, password="")
                self._context, self._read_at = context, time.monotonic()
            return self._context


class TlsConnection(SSLConnection):
    """A connection of the library whose certificates are shared with others."""

    def __init__(self, *, certificates: Certificates, **options: Any) -> None:
        self._certificates = certificates
        self._is_unusual = any(options.get(name) for name in _UNUSUAL)
        super().__init__(**options)

    def _wrap_socket_with_ssl(self, sock: Any) -> Any:
        if self._is_unusual:
            return super()._wrap_socket_with_ssl(sock)  # type: ignore[no-untyped-call]
        context = self._certificates.context(
            ca_file=self.ca_certs,
            cert_file=self.certfile,
            key_file=self.keyfile,
            verify=self.cert_reqs,
            host=self.check_hostname,
        )
        return context.wrap_socket(sock, server_hostname=self.host)

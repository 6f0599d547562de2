"""Whom goophry believes when it is the client of a TLS server."""

import ssl


def client_context(*, protocols: list[str] | None = None) -> ssl.SSLContext:
    """Return what checks certificate and host name against the system's store of authorities.

    `SSL_CERT_FILE` and `SSL_CERT_DIR` name another store, as everywhere with OpenSSL.
    """
    context = ssl.create_default_context()
    if protocols:
        context.set_alpn_protocols(protocols)
    return context

"""Certificates of the test's own authority: one of a server on loopback, one of a client."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import trustme


@dataclass(frozen=True)
class TlsFiles:
    """Paths of PEM files; keys stand behind their certificates."""

    authority: Path
    server: Path
    client: Path

    @classmethod
    def make(cls, folder: Path, *, host: str = "127.0.0.1") -> Self:
        folder.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        files = cls(folder / "ca.pem", folder / "server.pem", folder / "client.pem")
        authority.cert_pem.write_to_path(str(files.authority))
        authority.issue_cert(host).private_key_and_cert_chain_pem.write_to_path(str(files.server))
        authority.issue_cert("goophry").private_key_and_cert_chain_pem.write_to_path(str(files.client))
        return files

    @property
    def keys(self) -> dict[str, str]:
        """The keys of goophry's configuration."""
        return {
            "RedisTLSCAFile": str(self.authority),
            "RedisTLSCertFile": str(self.client),
            "RedisTLSKeyFile": str(self.client),
        }

    @property
    def settings(self) -> dict[str, Any]:
        """The same, as fields of Settings."""
        return {
            "redis_tls_ca_file": self.authority,
            "redis_tls_cert_file": self.client,
            "redis_tls_key_file": self.client,
        }

    @property
    def server_options(self) -> list[str]:
        """What makes a Redis ask for certificates, and show its own, also to other servers."""
        files = {"cert-file": self.server, "key-file": self.server, "ca-cert-file": self.authority}
        options = [f"--tls-{name}={path}" for name, path in files.items()]
        return [part for option in options for part in option.split("=")] + ["--tls-auth-clients", "yes"]

    @property
    def client_options(self) -> dict[str, Any]:
        """What redis-py needs."""
        return {
            "ssl": True,
            "ssl_ca_certs": str(self.authority),
            "ssl_certfile": str(self.client),
            "ssl_keyfile": str(self.client),
        }

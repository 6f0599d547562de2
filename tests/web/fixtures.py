"""A pytest plugin: sites that are stopped again, and certificates made on the spot."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from web.api_site import ApiSite
from web.site import Site

from goophry.web.listen import TlsFiles


@pytest.fixture
def site() -> Iterator[Callable[..., Site]]:
    """Start a stats site; it is stopped afterwards."""
    sites: list[Site] = []

    def start(*args: Any, **kwargs: Any) -> Site:
        made = Site(*args, **kwargs)
        sites.append(made)
        made.server.start()
        return made

    yield start
    for made in sites:
        made.server.stop()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_files(authority: trustme.CA, tmp_path: Path) -> TlsFiles:
    """A certificate for localhost and its key."""
    files = TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem")
    issued = authority.issue_cert("localhost")
    files.cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(files.key)
    return files


@pytest.fixture
def api(redis_address: str, queue_key: str) -> Iterator[Callable[..., ApiSite]]:
    """Start an API with these task types; `run` makes it run tasks. All is gone afterwards."""
    sites: list[ApiSite] = []

    def start(*types: Any, address: str = redis_address, **keys: Any) -> ApiSite:
        sites.append(ApiSite(address, queue_key, *types, **keys))
        return sites[-1].start()

    yield start
    for made in sites:
        made.close()

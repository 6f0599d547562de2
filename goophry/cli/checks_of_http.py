"""What can be wrong with a type of kind `http`: its names, their addresses, and whom goophry trusts."""

import os
import ssl
from collections.abc import Iterator
from pathlib import Path

from goophry.cli.finding import Finding
from goophry.config import TaskType
from goophry.runners.base import Interrupt
from goophry.runners.live import LivePids
from goophry.runners.names import UnknownName, names_of
from goophry.runners.patience import Patience, RunEnded
from goophry.url_prefixes import ANYTHING, UrlPrefix, may_reach

#: Seconds that a name may take.
_LOOKUP_S = 5.0


def findings_of_http(task: TaskType) -> Iterator[Finding]:
    """Look at where the type may make requests."""
    for prefix in task.allow_urls:
        what = f"Type {task.type}: AllowUrls {prefix.text}"
        if prefix.text == ANYTHING:
            yield Finding("warning", f"{what}, whoever can push may call any public server")
        elif prefix.host is None or prefix.host.startswith("."):
            yield Finding("ok", what)
        else:
            yield _of_host(what, prefix, task)
    if any(prefix.scheme != "http" for prefix in task.allow_urls) and not _has_store():
        text = (
            "there is no store of certificate authorities, so no https server will be trusted; SSL_CERT_FILE names one"
        )
        yield Finding("problem", f"Type {task.type}: {text}")


def _of_host(what: str, prefix: UrlPrefix, task: TaskType) -> Finding:
    host = prefix.host or ""
    patience = Patience()
    names = names_of(os.environ, live=LivePids(), guardian=None)
    try:
        with patience.during(Interrupt(), timeout_s=_LOOKUP_S):
            addresses = names.addresses(host, patience)
    except UnknownName as error:
        return Finding("warning", f"{what}: {error}")
    except RunEnded:
        return Finding("warning", f"{what}: no name server has answered within {_LOOKUP_S:g} s")
    finally:
        names.close()
        patience.close()
    if any(may_reach(each, host, prefixes=[prefix], networks=task.allow_networks) for each in addresses):
        return Finding("ok", what)
    where = f"{host} is at {addresses[0]}, which is not public"
    return Finding("problem", f"{what}: {where}: AllowNetworks must name its network")


def _has_store() -> bool:
    paths = ssl.get_default_verify_paths()
    return any(place is not None and Path(place).exists() for place in (paths.cafile, paths.capath))

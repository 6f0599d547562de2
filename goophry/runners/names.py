"""From names of hosts to addresses, without a wait that nobody can end.

The C library asks the name servers in its own time, and nothing stops it. So its `getent` program
is run for each name that is no address, as any program is here: with a time limit, and ended when asked.
"""

import ipaddress
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from typing import Final

from goophry.runners.environment import inherited
from goophry.runners.execution import Command, Execution
from goophry.runners.guardian import Guardian
from goophry.runners.live import LivePids
from goophry.runners.patience import Patience, RunEnded
from goophry.runners.spawn import Env, Spawner, encoded
from goophry.urls import Address, literal_address

_PROGRAM: Final = "getent"
#: Where it is, should PATH be an odd one.
_USUAL_PATH: Final = "/usr/bin:/bin"
#: What it ends with when there is no such name.
_NOT_FOUND: Final = 2


#: What is read of a list of addresses.
_OUTPUT_LIMIT: Final = 65_536


class UnknownName(Exception):
    """There is no address to be had for the name; the text says why."""


def find_getent(path: str) -> str | None:
    """Return the path of the program that looks up names."""
    return shutil.which(_PROGRAM, path=f"{path}:{_USUAL_PATH}")


def names_of(environ: Mapping[str, str], *, live: LivePids, guardian: Guardian | None) -> "Names":
    """Return what looks up names for one thread."""
    execution = Execution(Spawner(), output_limit=_OUTPUT_LIMIT, live=live, guardian=guardian)
    return Names(execution, environ=environ)


class Names:
    """Looks up names, one after another, for one thread."""

    def __init__(self, execution: Execution, *, environ: Mapping[str, str]) -> None:
        self._execution = execution
        self._program = find_getent(environ.get("PATH", os.defpath))
        # The resolver heeds variables: RES_OPTIONS, LOCALDOMAIN, HOSTALIASES.
        self._env = [encoded(f"{name}={value}") for name, value in inherited(environ, which="all").items()]

    def addresses(self, host: str, patience: Patience) -> list[Address]:
        """Return the addresses of a plain host, the best first. Raises `UnknownName` and `RunEnded`."""
        literal = literal_address(host)
        return [literal] if literal is not None else self._looked_up(host, patience)

    def close(self) -> None:
        """Free what is held."""
        self._execution.close()

    def _looked_up(self, host: str, patience: Patience) -> list[Address]:
        if self._program is None:
            raise UnknownName(f"the program {_PROGRAM}, which looks up names, is not on PATH")
        patience.doing = f"looking up the name {host}"
        mark = b"GOOPHRY_LOOKUP=" + uuid.uuid4().hex.encode()
        command = Command([encoded(self._program), b"ahosts", encoded(host)], Env([mark], self._env), mark)
        try:
            end = self._execution.run(command, patience.interrupt, timeout_s=patience.left_s(), grace_s=0)
        except OSError as error:
            raise UnknownName(f"{self._program}: {error.strerror}") from error
        finally:
            patience.listen()
        if end.forced_by is not None:
            raise RunEnded(end.forced_by)
        found = list(dict.fromkeys(_addresses(end.stdout.text())))
        if found:
            return found
        if os.waitstatus_to_exitcode(end.status) in {0, _NOT_FOUND}:
            raise UnknownName(f"no address was found for the name {host}")
        raise UnknownName(f"{self._program}: {end.stderr.text().strip() or 'failed'}")


def _addresses(text: str) -> Iterator[Address]:
    """Read lines of an address, a kind of socket and perhaps a name."""
    for line in text.splitlines():
        address = literal_address(line.partition(" ")[0])
        # One that holds for a single link only, as fe80::1%eth0, is of no use without the link.
        if address is not None and not (isinstance(address, ipaddress.IPv6Address) and address.scope_id):
            yield address

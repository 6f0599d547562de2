"""A pytest plugin: HTTP servers, and runners of kind `http` that ask them."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme
from contract import job
from http_site import RawServer, Site, raw_servers

from goophry.config import TaskType
from goophry.outcome import Outcome
from goophry.runners.base import Runner
from goophry.runners.build import runner_factory

pytest_plugins = ["tls_parts"]


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


@pytest.fixture
def raw() -> Iterator[Callable[..., RawServer]]:
    with raw_servers() as start:
        yield start


@pytest.fixture
def tls_site(authority: trustme.CA) -> Iterator[Callable[..., Site]]:
    """Start servers whose certificates hold for the hosts given."""
    with ExitStack() as stack:

        def start(*hosts: str, by: trustme.CA = authority) -> Site:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            by.issue_cert(*hosts).configure_cert(context)
            made = Site(context)
            stack.callback(made.close)
            return made

        yield start


@pytest.fixture
def hosts(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Make an environment whose getent knows these names: `hosts(name="address…")`."""

    def make(known: dict[str, str], *, first: str = "") -> dict[str, str]:
        cases = "".join(f"{name}) printf '%s STREAM {name}\\n' {addresses} ;;\n" for name, addresses in known.items())
        folder = tmp_path / "getent"
        folder.mkdir(exist_ok=True)
        program = folder / "getent"
        program.write_text(
            f'#!/bin/sh\necho "$2" >> {folder}/asked\n{first}\ncase "$2" in\n{cases}*) exit 2 ;;\nesac\n'
        )
        program.chmod(0o755)
        return {"PATH": f"{folder}:/usr/bin:/bin"}

    return make


@pytest.fixture
def make() -> Iterator[Callable[..., Runner]]:
    """Make runners; any port of 127.0.0.1 is allowed unless told otherwise."""
    with ExitStack() as stack:

        def runner(environ: dict[str, str] | None = None, **keys: Any) -> Runner:
            keys = {"AllowUrls": ["http://127.0.0.1:", "https://127.0.0.1:"]} | keys
            made = runner_factory(TaskType(Type="h", Kind="http", **keys), instance_id="here", environ=environ)()
            stack.callback(made.close)
            return made

        yield runner


@pytest.fixture
def ask(make: Callable[..., Runner]) -> Callable[..., Outcome]:
    """Make one request with a runner of its own."""

    def run(*args: str, fields: dict[str, Any] | None = None, **keys: Any) -> Outcome:
        return make(**keys).run(job(*args, fields=fields or {}))

    return run

"""The worked example of the readme: a configuration, an RPUSH, a script that ran, a look at the stats."""

import json
import shutil
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from acceptance.goophry_process import Goophry
from conftest import eventually, free_port

pytest_plugins = ("acceptance.fixtures",)

ENTRY = '{"Args":["1234"]}'


def push(process: Goophry, *, with_redis_cli: bool) -> None:
    """RPUSH with redis-cli where it is installed, else in Redis's protocol, as a client in any language does."""
    host, port = process.config["RedisAddress"].split(":")
    words = ["RPUSH", process.queue("update_something"), ENTRY]
    cli = shutil.which("redis-cli")
    if with_redis_cli and cli is not None:
        subprocess.run([cli, "-h", host, "-p", port, *words], check=True, capture_output=True, timeout=20)
        return
    text = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(text.encode())
        assert connection.recv(100).startswith(b":")


def get(url: str, *, trust: trustme.CA | None = None) -> Any:
    context = None
    if trust is not None:
        context = ssl.create_default_context()
        trust.configure_trust(context)
    request = urllib.request.Request(url, headers={"Accept": "application/json"})
    with urllib.request.urlopen(request, timeout=10, context=context) as reply:
        return json.loads(reply.read())


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_the_example_works(
    goophry: Callable[..., Goophry],
    script: Callable[..., Path],
    tmp_path: Path,
    tls: bool,
) -> None:
    authority, port = trustme.CA(), free_port()
    keys = {"StatsInterface": f"127.0.0.1:{port}", "StatsPattern": "/stats"}
    if tls:
        issued = authority.issue_cert("localhost", "127.0.0.1")
        issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
        issued.private_key_pem.write_to_path(tmp_path / "key.pem")
        keys |= {"StatsTLSCertFile": str(tmp_path / "cert.pem"), "StatsTLSKeyFile": str(tmp_path / "key.pem")}
    do_something = script(f'echo "$#" "$1" > "{tmp_path}/ran.tmp"; mv "{tmp_path}/ran.tmp" "{tmp_path}/ran"')
    process = goophry(
        {"Type": "update_something", "Script": str(do_something)},
        LogFormat="text",
        process={"arguments": ["-v"]},
        **keys,
    )

    push(process, with_redis_cli=tls)

    ran = tmp_path / "ran"
    eventually(ran.exists)
    assert ran.read_text() == "1 1234\n"
    url = f"{'https' if tls else 'http'}://localhost:{port}/stats"
    trust = authority if tls else None
    assert get(url, trust=trust)["TaskCount"] == {"update_something": 1}
    eventually(lambda: "done in" in process.log)
    popped, started, done = [line for line in process.log.splitlines() if " update_something " in line]
    assert "popped" in popped
    assert started.endswith('started  args="1234"')
    assert done.endswith('args="1234"')
    assert process.stop() == 0

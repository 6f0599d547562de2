"""The whole program over `rediss://`, with a certificate on both sides."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from acceptance.goophry_process import COMMAND, Goophry
from conftest import eventually
from tls_files import TlsFiles
from tls_front import TlsFront

from goophry import exit_codes

pytest_plugins = ("acceptance.fixtures",)


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    return TlsFiles.make(tmp_path / "tls")


@pytest.fixture
def front(redis_address: str, files: TlsFiles) -> Iterator[TlsFront]:
    with TlsFront(redis_address, files) as made:
        yield made


def command(path: Path, *words: str, status: int = 0) -> str:
    line = [*COMMAND, "-c", str(path), *words]
    ended = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == status, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def test_tasks_run_fail_and_are_recovered_and_commands_work(
    goophry: Callable[..., Goophry], front: TlsFront, files: TlsFiles, script: Callable[..., Path], tmp_path: Path
) -> None:
    hold = script(f"echo $GOOPHRY_RECOVERED. >> {tmp_path}/ran; [ -e {tmp_path}/go ] || sleep 600")
    tasks = [
        {"Type": "ok", "Script": "/bin/true"},
        {"Type": "bad", "Script": str(script("exit 3")), "FailedTasksTTL": 600},
        {"Type": "hold", "Script": str(hold)},
    ]
    keys = {"RedisAddress": f"rediss://{front.address}", **files.keys}
    first = goophry(*tasks, **keys)

    assert "success" in command(first.path, "push", "ok", "x", "--wait")
    assert "exit status 3" in command(first.path, "push", "bad", "x", "--wait", "--id", "b", status=exit_codes.FAILED)
    assert first.wait_failed("bad") == [b'{"Args":["x"],"Id":"b","ErrorMessage":"exit status 3"}']
    (instance,) = json.loads(command(first.path, "status", "--json"))["Instances"]
    assert instance["Pid"] == first.pid

    first.push("hold", "x")
    eventually((tmp_path / "ran").exists, what="it is held")
    first.kill()
    (tmp_path / "go").touch()
    second = goophry(*tasks, **keys)
    second.wait_event("entries.recovered", type="hold", count=1)
    eventually(lambda: second.drained("hold"), what="it has run again")
    assert (tmp_path / "ran").read_text().split() == [".", "1."]
    assert second.stop() == exit_codes.OK
    assert not second.events("store.lost")

    # It is the certificate that lets it in.
    shown = {
        name: value for name, value in second.config.items() if name not in {"RedisTLSCertFile", "RedisTLSKeyFile"}
    }
    (tmp_path / "without.json").write_text(json.dumps(shown))
    command(tmp_path / "without.json", "status", status=exit_codes.FAILED)

"""What a shell is offered when its user presses tab."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from acceptance.command_line import Config, do

from goophry import exit_codes
from goophry.entry import failed_entry, parse
from goophry.failed_entry import key_of
from goophry.store import keys
from goophry.store.client import LinkPool
from goophry.store.leases import Leases

pytest_plugins = ("acceptance.command_fixtures",)

TYPES = ("resize", "report", "two words", "mail")


@pytest.fixture
def offered(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], list[str]]:
    """Return what is offered behind a line; `-c FILE` stands in it as FILE."""
    path = config(Tasks=[{"Type": name, "Script": "/bin/true"} for name in TYPES])
    monkeypatch.setenv("_GOOPHRY_COMPLETE", "complete_bash")

    def complete(line: str) -> list[str]:
        line = line.replace("FILE", str(path))
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split()) - (not line.endswith(" "))))
        assert do() == exit_codes.OK
        told = capsys.readouterr()
        assert told.err == ""
        return told.out.split()

    return complete


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("goophry fai", ["failed"]),
        ("goophry failed ", ["ls", "show", "retry", "rm"]),
        ("goophry -c FILE push ", ["resize", "report", "mail"]),
        ("goophry -c=FILE push re", ["resize", "report"]),
        ("goophry push -c FILE re", ["resize", "report"]),
        ("goophry -c FILE failed retry m", ["mail"]),
        ("goophry -c FILE pause resize rep", ["report"]),
        ("goophry -c /no/such/file push ", []),
        ("goophry -v -c FILE status --j", ["--json"]),
    ],
)
def test_commands_flags_and_types_are_offered(offered: Callable[[str], list[str]], line: str, words: list[str]) -> None:
    assert offered(line) == words


def test_keys_of_entries_and_ids_of_running_tasks_are_offered(
    offered: Callable[[str], list[str]], r: "redis.Redis[bytes]", queue_key: str, links: LinkPool
) -> None:
    raw = failed_entry(parse(b'{"Args":["x"]}'), "exit status 3\x1b[31m", b"")
    r.rpush(f"{queue_key}:resize:failed", raw)
    r.zadd(keys.delayed(f"{queue_key}:resize"), {b'{"Args":["later"]}': time.time() * 1000 + 10**6})
    run = {"Type": "resize", "Run": "r", "Args": "", "Started": 1, "Timeout": 0, "Attempt": 1}
    Leases(links, queue_key=queue_key, instance="i").beat(
        {"Types": ["resize"], "Running": [run | {"Id": "order-7"}, run | {"Id": "a b"}, run]}
    )

    assert offered("goophry -c FILE failed show resize ") == [key_of(raw)]
    assert offered("goophry -c FILE failed rm mail ") == []
    assert offered("goophry -c FILE delayed now resize ") == [key_of(b'{"Args":["later"]}')]
    assert offered("goophry -c FILE cancel ") == ["order-7"]
    assert offered("goophry -c FILE result ord") == ["order-7"]


def test_without_redis_nothing_is_offered_and_nothing_said(config: Config, offered: Callable[[str], list[str]]) -> None:
    config(RedisAddress="127.0.0.1:1")

    assert offered("goophry -c FILE failed show resize ") == []
    assert offered("goophry -c FILE cancel ") == []


def test_what_is_installed_completes_in_a_real_shell(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash on this machine")
    typed = """
        goophry --install-completion > /dev/null && . ~/.bashrc
        COMP_WORDS=(goophry fai) COMP_CWORD=1
        _goophry_completion goophry
        echo "${COMPREPLY[@]}"; complete -p goophry
    """
    env = {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}

    done = subprocess.run([bash, "-c", typed], env=env, capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["failed", "complete -o default -F _goophry_completion goophry"]

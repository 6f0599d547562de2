"""`scripts/fleet`: a fleet for a person to play with."""

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from conftest import eventually
from hosts.network import why_not

TESTS = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "hosts"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(TESTS)}


def test_it_shows_how_to_look_at_it_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """A host is lost, tasks run on the other one, and Ctrl-C ends it."""
    if reason := why_not():
        pytest.skip(reason)
    log = tmp_path / "log"
    with log.open("w") as out:
        process = subprocess.Popen([*COMMAND, "2"], env=ENVIRONMENT, stdout=out, stderr=out, start_new_session=True)
    try:
        eventually(lambda: process.poll() is not None or "ip netns exec" in log.read_text(), what="it is up")
        text = log.read_text()
        assert process.poll() is None, text
        pages = re.findall(r"http://\S+", text)
        assert len(pages) == 2
        push, kill = (re.search(rf"{name} +(.+)", text)[1] for name in ("push", "lose a host"))  # type: ignore[index]
        switch = re.search(r"ip -n (\S+) link", text)[1]  # type: ignore[index]
        if shutil.which("redis-cli"):
            subprocess.run(push, shell=True, check=True, capture_output=True)
        os.kill(int(kill.split()[-1]), signal.SIGKILL)
        eventually(lambda: "host2 is lost." in log.read_text(), what="it tells of the lost host")
        with urllib.request.urlopen(pages[0], timeout=10) as page:
            assert b"goophry_workers" in page.read()
    finally:
        process.send_signal(signal.SIGINT)
        status = process.wait(30)

    assert status == 0
    mark = switch.removesuffix("-switch")
    assert mark not in subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert "goophry-fleet" not in subprocess.run(["ip", "link"], capture_output=True, text=True, check=True).stdout


def test_without_root_it_says_so(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        done = subprocess.run(COMMAND, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60)
    else:
        code = "import os; from hosts.__main__ import main; os.setuid(65534); raise SystemExit(main([]))"
        line = [sys.executable, "-c", code]
        done = subprocess.run(line, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stderr) == (1, "Network namespaces need root.\n")


def test_it_does_not_take_too_many_hosts() -> None:
    line = [*COMMAND, "21"]
    done = subprocess.run(line, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 2
    assert "expected 1 to 20 hosts, found 21" in done.stderr

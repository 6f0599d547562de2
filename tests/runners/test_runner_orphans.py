"""The reaper is tried in a process of its own: being a subreaper is for the whole process."""

import subprocess
import sys

_PROGRAM = """
import os, subprocess, threading, time
from goophry.config import TaskType
from goophry.entry import TaskEntry
from goophry.runners.base import Job
from goophry.runners.build import runner_factory
from goophry.runners.live import LivePids
from goophry.runners.reaper import OrphanReaper, become_subreaper
import sys; sys.path.insert(0, os.environ["TESTS"])
from processes import zombies_of

live = LivePids()
reaper = OrphanReaper(live)
become_subreaper()
wrong = []

def work(number):
    runner = runner_factory(TaskType(Type="t", Script=["/bin/sh", "-c"]), instance_id="i", live=live)()
    for turn in range(60):
        outcome = runner.run(Job(TaskEntry((f"(sleep 0.0{turn % 3} &); exit {turn}",)), f"{os.getpid()}-{number}-{turn}"))
        if outcome.exit_code != turn:
            wrong.append(outcome)
    runner.close()

own = subprocess.Popen(["/bin/true"])
live.add(own.pid)
threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
buried = 0
while any(thread.is_alive() for thread in threads):
    buried += reaper.turn()
    time.sleep(0.001)
status = own.wait()
live.discard(own.pid)
end = time.monotonic() + 20
while buried < 240 and time.monotonic() < end:
    buried += reaper.turn()
    time.sleep(0.01)
print(wrong, status, buried, zombies_of(os.getpid()), reaper.turn())
"""


def test_that_orphans_are_buried_and_no_child_is_stolen() -> None:
    tests = __file__.rpartition("/")[0]

    printed = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env={"TESTS": tests, "PATH": "/bin:/usr/bin"},
        stdout=subprocess.PIPE,
        check=True,
    )

    assert printed.stdout.decode() == "[] 0 240 [] 0\n"

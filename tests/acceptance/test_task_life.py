"""Delays, retries, results and cancellation, against the real program, and two of them where it matters."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from acceptance.goophry_process import Goophry, entry, pids_with
from conftest import eventually
from fakes import settings_for

from goophry.submission import Accepted, Submission
from goophry.wiring.outside import Outside

pytest_plugins = ("acceptance.fixtures",)

Start = Callable[..., Goophry]
MakeScript = Callable[..., Path]


class Beside(Outside):
    """A program beside goophry."""

    def submit(self, *args: str, **fields: object) -> str:
        accepted = self.intake.submit(Submission("t", args, **fields))  # type: ignore[arg-type]
        assert isinstance(accepted, Accepted)
        return accepted.id


@pytest.fixture
def outside(redis_address: str, queue_key: str) -> Iterator[Beside]:
    with Beside(settings_for(redis_address, queue_key)) as made:
        yield made


@pytest.fixture
def stamp(script: MakeScript, tmp_path: Path) -> Callable[[], dict[str, float]]:
    """A script `stamp` that notes when each argument ran; returns what reads the notes, by argument."""
    notes = tmp_path / "stamps"
    script(f'echo "$1 $(date +%s.%N)" >> "{notes}"', name="stamp")

    def stamps() -> dict[str, float]:
        lines = notes.read_text().splitlines() if notes.exists() else []
        return {name: float(moment) for name, moment in (line.split() for line in lines if line.count(" ") == 1)}

    return stamps


def test_a_delay_is_never_early_and_survives_kill_9(
    goophry: Start, outside: Beside, stamp: Callable[[], dict[str, float]], tmp_path: Path
) -> None:
    kind = {"Type": "t", "Script": str(tmp_path / "stamp"), "Workers": 4}
    first = goophry(kind)
    pushed = time.time()
    outside.submit("intake", delay_s=1.5)
    outside.submit("moment", at_s=pushed + 1.5)
    first.client.rpush(first.queue("t"), entry("producer", Delay=1.5))
    eventually(lambda: first.client.zcard(f"{{{first.queue('t')}}}:delayed") == 3, what="all are put off")
    first.kill()

    goophry(kind)

    eventually(lambda: len(stamp()) == 3, what="all ran")
    assert all(moment >= pushed + 1.5 for moment in stamp().values())


def test_what_came_due_while_no_goophry_ran_runs_at_once(
    goophry: Start, outside: Beside, stamp: Callable[[], dict[str, float]], tmp_path: Path
) -> None:
    outside.submit("overdue", at_s=time.time() - 3600)
    outside.submit("later", delay_s=3600)

    goophry({"Type": "t", "Script": str(tmp_path / "stamp")})

    eventually(lambda: "overdue" in stamp(), what="the overdue one ran")
    assert "later" not in stamp()


def test_a_failed_run_is_tried_again_and_told_of_once(goophry: Start, script: MakeScript, tmp_path: Path) -> None:
    told = tmp_path / "told"
    error_script = script(f'cat >> "{told}"; echo "attempt $GOOPHRY_ATTEMPT" >> "{told}"')
    failing = script(f'echo "$GOOPHRY_ATTEMPT" >> "{tmp_path}/attempts"; exit 3')
    process = goophry(
        {"Type": "t", "Script": str(failing), "Retry": [0.05, 0.1]}, ErrorScript=str(error_script), FailedTasksTTL=60
    )

    process.push("t", "a b", Extra=1)

    process.wait_failed("t")
    assert (tmp_path / "attempts").read_text().split() == ["1", "2", "3"]
    assert process.failed("t") == [b'{"Args":["a b"],"Extra":1,"ErrorMessage":"exit status 3"}']
    eventually(lambda: told.exists() and "attempt" in told.read_text(), what="the ErrorScript was told")
    assert told.read_text() == f'{failing} "a b"\n\nexit status 3attempt 3\n'
    assert len(process.events("task.finished", final=False)) == 2


def test_a_script_says_when_it_wants_to_be_tried_again(goophry: Start, script: MakeScript, tmp_path: Path) -> None:
    path = script(
        f'[ -e "{tmp_path}/second" ] && exit 0; touch "{tmp_path}/second"; echo 0.2 >&"$GOOPHRY_RETRY_AFTER_FD"; exit 75'
    )
    process = goophry({"Type": "t", "Script": str(path), "ExitCodes": {"Retry": [75]}})

    process.push("t")

    process.wait_event("task.finished", outcome="success")
    (first,) = process.events("task.finished", final=False)
    assert first["retry_in_s"] == 0.2


def test_a_stop_counts_no_attempt(goophry: Start, script: MakeScript, tmp_path: Path) -> None:
    path = script(f'echo "$GOOPHRY_ATTEMPT" >> "{tmp_path}/attempts"; sleep 300')
    kind = {"Type": "t", "Script": str(path), "Retry": [60], "KillGrace": 0}
    process = goophry(kind, ShutdownTimeout=0)
    process.push("t")
    eventually((tmp_path / "attempts").exists, what="it runs")
    process.stop()
    (tmp_path / "attempts").unlink()

    goophry(kind, ShutdownTimeout=0)

    eventually(lambda: (tmp_path / "attempts").exists() and (tmp_path / "attempts").read_text(), what="it runs again")
    assert (tmp_path / "attempts").read_text() == "1\n"


def test_a_result_reaches_all_who_wait_and_has_output_and_status(
    goophry: Start, outside: Beside, script: MakeScript
) -> None:
    process = goophry({"Type": "t", "Script": str(script("echo out; echo err >&2; sleep 0.2; exit 3"))})
    entry_id = outside.submit("a")

    record = outside.waiters.wait(entry_id, timeout_s=20)

    assert record is not None
    assert (record.outcome, record.exit_code, record.output, record.stderr) == ("failed", 3, "out\n", "err\n")
    assert (record.attempt, record.type) == (1, "t")
    assert record.instance.split("-")[1] == str(process.pid)
    assert record.enqueued is not None
    assert record.started is not None
    assert record.finished is not None
    assert record.enqueued <= record.started <= record.finished
    stored = json.loads(process.client.get(f"{process.queue_key}:result:{entry_id}") or b"")
    assert stored["Status"] == "finished"


def test_cancel_reaches_a_run_in_another_process_with_all_that_it_started(
    goophry: Start, outside: Beside, script: MakeScript, tmp_path: Path
) -> None:
    path = script(f'echo "GOOPHRY_RUN=$GOOPHRY_RUN" > "{tmp_path}/run"; (setsid sleep 300 &) ; sleep 300')
    kind = {"Type": "t", "Script": str(path), "KillGrace": 1}
    goophry(kind)
    goophry(kind)
    entry_id = outside.submit()
    eventually(lambda: (tmp_path / "run").exists() and (tmp_path / "run").read_text().strip(), what="it runs")
    mark = (tmp_path / "run").read_text().strip()

    assert outside.intake.cancel(entry_id) == "told"

    record = outside.waiters.wait(entry_id, timeout_s=20)
    assert record is not None
    assert record.outcome == "cancelled"
    eventually(lambda: not pids_with(mark), what="all its processes are gone")


def test_two_instances_move_what_is_due_once(
    goophry: Start, outside: Beside, stamp: Callable[[], dict[str, float]], tmp_path: Path, r: "redis.Redis[bytes]"
) -> None:
    kind = {"Type": "t", "Script": str(tmp_path / "stamp"), "Workers": 4}
    goophry(kind)
    two = goophry(kind)
    due = time.time() + 0.5
    for number in range(100):
        outside.submit(str(number), at_s=due)

    eventually(lambda: len(stamp()) == 100, what="all ran")
    assert len((tmp_path / "stamps").read_text().splitlines()) == 100
    eventually(lambda: two.drained("t") and not r.exists(f"{{{two.queue('t')}}}:ids"), what="nothing is left")

"""Random sequences of work, death and vandalism: a state machine over a running fleet.

goophry's promise for each helper key that somebody deletes or overwrites: a logged repair, no
stuck type, no crash, no lost entry. Not even it can bring back the running list of an instance
that dies before the next settlement has shown the damage: so a kill comes only after the
instance has noticed, which is the promise of the guarantees page.
"""

import tempfile
from pathlib import Path
from typing import Final

import hypothesis.strategies as st
import pytest
from acceptance.goophry_process import Goophry
from chaos.fleet import KEY, Fleet
from chaos.invariants import Row, account
from chaos.lives import RETRY, id_of, push_lives
from conftest import eventually
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

#: What is put in a key's place, by kind of value; `gone` deletes it.
RUBBISH: Final = {
    "gone": (),
    "text": ("SET", "rubbish"),
    "number": ("SET", "-1"),
    "list": ("RPUSH", "rubbish", "\x00\xff"),
    "set": ("SADD", "nobody", ""),
    "hash": ("HSET", "field", "value"),
    "zset": ("ZADD", "1", "member"),
}

KINDS: Final = st.sampled_from(sorted(RUBBISH))

#: Seconds for a repair: a look each 2.5 s, a beat each 2.5 s, and a second look 10 s after a doubt.
REPAIR_S: Final = 20.0

INSTANCES: Final = 2

#: Helper keys that each instance has its own of.
OF_INSTANCES: Final = ("running", "step", "taken")


class Healing(RuleBasedStateMachine):
    """Two instances on a Redis of their own for each example."""

    rows: Final[list[Row]] = []
    """What each example came to. What did not hold may not do so again when Hypothesis tries: it is kept here."""

    def __init__(self) -> None:
        super().__init__()
        self.row = Row("healing")
        self.harmed = 0
        self.folder = tempfile.TemporaryDirectory(prefix="chaos-")
        self.fleet = Fleet(Path(self.folder.name), seed=0).__enter__()
        task_type = self.fleet.record_type(workers=3, Retry=RETRY, Unique={"Until": "end"})
        self.fleet.configure(task_type, MaxRecoveries=1_000_000)
        for index in range(INSTANCES):
            self.fleet.start(index)

    @initialize()
    def begin(self) -> None:
        self.fleet.push(5)

    @rule(count=st.integers(1, 40), act=st.sampled_from(["ok", "fail", "print"]), ms=st.sampled_from([0, 5, 200]))
    def push(self, count: int, act: str, ms: int) -> None:
        self.fleet.push(count, acts=lambda: (act, ms))

    @rule(count=st.integers(1, 40))
    def push_lives(self, count: int) -> None:
        push_lives(self.fleet, count)

    @rule(index=st.integers(0, INSTANCES - 1))
    def kill(self, index: int) -> None:
        self.fleet.kill(index)
        self.fleet.start(index)

    @rule(index=st.integers(0, INSTANCES - 1))
    def stop(self, index: int) -> None:
        self.row.require(self.fleet.members[index].stop() == 0, "a stop did not end with exit status 0")
        self.fleet.start(index)

    @rule(index=st.integers(0, INSTANCES - 1), rubbish=KINDS)
    def harm_owners(self, index: int, rubbish: str) -> None:
        self._harm("instances", index, rubbish)

    @rule(index=st.integers(0, INSTANCES - 1))
    def harm_owners_beside_a_dead_one(self, index: int) -> None:
        """The set was what told others of a dead instance; they find what it held all the same."""
        self.fleet.push(6, acts=lambda: ("ok", 300))
        self.fleet.kill(index)
        self._harm("instances", 1 - index, "gone")
        self.fleet.start(index)

    @rule(index=st.integers(0, INSTANCES - 1), rubbish=KINDS.filter(lambda kind: kind != "list"))
    def harm_running_list(self, index: int, rubbish: str) -> None:
        # Entries that somebody writes into a running list are entries: they would be run.
        self._harm("running", index, rubbish)

    @rule(index=st.integers(0, INSTANCES - 1), rubbish=KINDS)
    def harm_step(self, index: int, rubbish: str) -> None:
        self._harm("step", index, rubbish)

    @rule(index=st.integers(0, INSTANCES - 1), rubbish=KINDS)
    def harm_taken_mark(self, index: int, rubbish: str) -> None:
        self._harm("taken", index, rubbish)

    @rule(index=st.integers(0, INSTANCES - 1), rubbish=KINDS)
    def harm_heartbeat(self, index: int, rubbish: str) -> None:
        self._harm("heartbeat", index, rubbish)

    @rule(part=st.sampled_from(["ids", "unique", "schedules"]), rubbish=KINDS)
    def harm_notes(self, part: str, rubbish: str) -> None:
        push_lives(self.fleet, 10)
        self._harm(part, 0, rubbish)

    @rule(rubbish=KINDS.filter(lambda kind: kind not in {"gone", "zset"}))
    def harm_what_is_put_off(self, rubbish: str) -> None:
        """While nothing is put off: who deletes entries, here as in the queue, has deleted them."""
        self.fleet.drain(within=REPAIR_S)
        self._put(f"{{{KEY}:t}}:delayed", rubbish)
        push_lives(self.fleet, 10)
        self._await_whole(f"delayed = {rubbish}")

    @rule(rubbish=KINDS)
    def harm_records(self, rubbish: str) -> None:
        push_lives(self.fleet, 10)
        for number in list(self.fleet.pushed)[-10:]:
            self._put(f"{KEY}:result:{id_of(number)}", rubbish)
        self._await_whole(f"records = {rubbish}")

    @rule()
    def drain(self) -> None:
        self.fleet.drain(within=REPAIR_S)

    def teardown(self) -> None:
        try:
            self.fleet.push(10)
            self.fleet.drain(within=REPAIR_S + 10)
            account(self.row, self.fleet)
            self.row.require(self.fleet.alive(), "an instance ended")
        finally:
            self.fleet.__exit__(None, None, None)
            self.folder.cleanup()
            self.row.note = str(self.harmed)
            self.rows.append(self.row)
        assert not self.row.problems, self.row.problems

    def _harm(self, part: str, index: int, rubbish: str) -> None:
        """Harm one key of one instance, while tasks run, and let it notice."""
        self.fleet.push(6, acts=lambda: ("ok", 20))
        self._put(self._key(part, self.fleet.members[index]), rubbish)
        self._await_whole(f"{part} of {index} = {rubbish}")

    def _put(self, key: str, rubbish: str) -> None:
        command = RUBBISH[rubbish]
        with self.fleet.client.pipeline(transaction=True) as at_once:
            at_once.delete(key)
            if command:
                at_once.execute_command(command[0], key, *command[1:])
            at_once.execute()
        self.harmed += 1

    def _await_whole(self, what: str) -> None:
        try:
            eventually(self._whole, within=REPAIR_S, every=0.05, what=f"{what} is repaired")
        except pytest.fail.Exception:
            self.row.problems.append(f"not within {REPAIR_S} s: {what} is repaired")
            raise

    def _whole(self) -> bool:
        """Whether all is settled and every living instance is in the set of owners again."""
        if any(self.fleet.client.type(name) != b"list" for name in self.fleet.keys(":running:")):
            return False
        if not self.fleet.drained():
            return False
        key = f"{{{KEY}:t}}:instances"
        if self.fleet.client.type(key) != b"set":
            return False
        members = {member.decode().split("-")[-3] for member in self.fleet.client.smembers(key) if b"-" in member}
        living = [member.pid for member in self.fleet.members.values() if member.process.poll() is None]
        return {str(pid) for pid in living} <= members

    def _key(self, part: str, member: Goophry) -> str:
        # Its heartbeat may just have been harmed: it comes back with the next beat.
        instance = eventually(lambda: self.fleet.instance(member), what="a heartbeat")
        if part == "heartbeat":
            return f"{KEY}:instance:{instance}"
        return f"{{{KEY}:t}}:{part}:{instance}" if part in OF_INSTANCES else f"{{{KEY}:t}}:{part}"


def healing(*, seed_: int, examples: int, steps: int) -> Row:
    """Run the machine; the row sums up all examples."""
    Healing.rows.clear()
    row = Row("healing")
    machine = seed(seed_)(Healing)
    how = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
        print_blob=False,
    )
    try:
        run_state_machine_as_test(machine, settings=how)
    except (Exception, pytest.fail.Exception) as error:
        causes = [repr(cause) for cause in getattr(error, "exceptions", ())]
        row.problems.append("; ".join([repr(error), *causes, *getattr(error, "__notes__", ())])[:2000])
    for done in Healing.rows:
        row.problems += done.problems
        row.tasks, row.kills = row.tasks + done.tasks, row.kills + done.kills
        row.lost, row.duplicates = row.lost + done.lost, row.duplicates + done.duplicates
        row.doubles, row.recovery_s = row.doubles + done.doubles, max(row.recovery_s, done.recovery_s)
    row.note = f"{len(Healing.rows)} sequences, {sum(int(done.note) for done in Healing.rows)} keys harmed"
    return row

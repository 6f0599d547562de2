"""One goophry, configured with a type for each case that the specification lists."""

from pathlib import Path
from typing import Any

import redis
from acceptance.goophry_process import Goophry
from conftest import eventually, free_port

TTL_S = 600

#: Type → what its script does. `record` and `order` write down how they were called.
BODIES = {
    "record": 'cat /proc/$$/cmdline > "$OUT/argv.tmp"; cat /proc/$$/environ > "$OUT/environ"\n'
    'readlink /proc/$$/fd/0 /proc/$$/cwd > "$OUT/links"; mv "$OUT/argv.tmp" "$OUT/argv"',
    "order": 'printf "%s\\n" "$1" >> "$OUT/order"',
    "exit3": "exit 3",
    "both": "echo to stdout; echo one >&2; echo two >&2; exit 3",
    "other-keys": "exit 3",
    "only-out": "echo to stdout; exit 4",
    "output": 'printf "hello\\nworld\\n"',
    "one-byte": 'printf " "',
    "stderr": "echo noise >&2",
    "killed": "kill -KILL $$",
    "terminated": "kill -TERM $$",
    "segfault": "ulimit -c 0; kill -SEGV $$",
    "aborted": "ulimit -c 0; kill -ABRT $$",
    "deaf": "exit 3",
    "chatty": "exit 3",
    "ttl": "exit 3",
    "kept-nowhere": "exit 3",
    "once": '[ -e "$OUT/once" ] && exit 0; touch "$OUT/once"; exit 5',
    "garbled": "exit 0",
    "counted": "exit 0",
    "no args": "exit 3",
    "with:colons {and} spaces": "exit 6",
    "parallel": 'touch "$OUT/parallel.$1"; while [ ! -e "$OUT/go" ]; do sleep 0.02; done',
}
MORE: dict[str, dict[str, Any]] = {
    "deaf": {"ErrorScript": "deaf-error.sh"},
    "chatty": {"ErrorScript": "chatty-error.sh"},
    "kept-nowhere": {"FailedTasksTTL": 0},
    "parallel": {"Workers": 3},
}
ERROR_SCRIPT = """
told="$OUT/told/$GOOPHRY_TYPE.$$"
printf '%s\\n%s' "$#" "$1" > "$told.tmp"; mv "$told.tmp" "$told"
"""


class Spec:
    """The goophry of one module and all that it left behind."""

    def __init__(self, folder: Path, *, address: str, key: str, client: "redis.Redis[bytes]") -> None:
        self.folder, self.out, self.client, self.stats_port = folder, folder / "out", client, free_port()
        (self.out / "told").mkdir(parents=True)
        for name, body in BODIES.items():
            self.script(f"{name}.sh", body)
        self.script("error.sh", ERROR_SCRIPT)
        self.script("deaf-error.sh", "echo broken >&2; exit 9")
        self.script("chatty-error.sh", "echo much to say")
        self.script("not-executable.sh", "exit 0").chmod(0o644)
        no_line = self.script("no-line.sh", "")
        no_line.write_text("exit 0\n")
        tasks = [self._task(name) for name in BODIES]
        tasks += [self._task(name) for name in ("missing", "not-executable", "no-line")]
        config = {
            "RedisAddress": address,
            "RedisQueueKey": key,
            "Tasks": tasks,
            "ErrorScript": "error.sh",
            "FailedTasksTTL": TTL_S,
            "StatsInterface": f"127.0.0.1:{self.stats_port}",
        }
        self.cwd = folder / "current"
        self.cwd.mkdir()
        env = {"OUT": str(self.out), "OF_GOOPHRY": "handed on"}
        self.goophry = Goophry(folder, config, client=client, env=env, cwd=self.cwd, arguments=["-v"])

    def _task(self, name: str) -> dict[str, Any]:
        return {"Type": name, "Script": f"{name}.sh"} | MORE.get(name, {})

    def script(self, name: str, body: str) -> Path:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    def push(self, task_type: str, raw: bytes | str) -> None:
        self.client.rpush(self.goophry.queue(task_type), raw)

    def record(self, raw: bytes | str) -> list[bytes]:
        """Run the entry and return the arguments that its script got."""
        path = self.out / "argv"
        path.unlink(missing_ok=True)
        self.push("record", raw)
        eventually(path.exists, what=f"ran {raw!r}")
        interpreter, script, *args = path.read_bytes().removesuffix(b"\0").split(b"\0")
        assert (interpreter, script) == (b"/bin/sh", str(self.folder / "record.sh").encode())
        return args

    def fail(self, task_type: str, raw: bytes | str) -> bytes:
        """Run an entry that fails and return what is kept of it."""
        before = len(self.goophry.failed(task_type))
        self.push(task_type, raw)
        return self.goophry.wait_failed(task_type, before + 1)[-1]

    def told(self, task_type: str, *, containing: str = "") -> str:
        """Return the one argument of the ErrorScript that was run for this type, with this text in it."""

        def found() -> list[str]:
            paths = (self.out / "told").iterdir()
            texts = [path.read_bytes().decode() for path in paths if path.name.rpartition(".")[0] == task_type]
            return [text for text in texts if containing in text]

        eventually(found, what=f"ErrorScript told for {task_type}")
        (text,) = found()
        count, _, argument = text.partition("\n")
        assert count == "1"
        return argument

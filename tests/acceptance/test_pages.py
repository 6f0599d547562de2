"""Every command on every page of the documentation is run; what cannot be run here is named, with the reason."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import command_front
import pytest
import redis
from acceptance.goophry_process import Goophry
from acceptance.tally import FULL
from conftest import RedisServer, eventually, free_port, redis_binary
from pages import PAGES, ROOT, Block, Terminal, all_blocks_of, blocks_of, same

from goophry.failed_entry import key_of

#: Blocks that are not run, each with the reason.
NOT_RUN = {
    "README.md: ./scripts/demo": "sets up environments, and runs all tests; `goophry demo` has a test of its own",
    "README.md: python3 -m venv /opt/goophry": "installs from a package index; tests/acceptance/test_installed.py does",
    "README.md: make bench-drain": "minutes each",
    "benchmarks/README.md: cc -O2 -static -o /tmp/noop benchmarks/noop.c": "takes a compiler, and is a measurement",
    "docs/chaos.md: scripts/chaos": "minutes; tests/chaos has it in short",
    "docs/tasks.md: if service_says_come_back_in 120; then": "a part of a script; tests/runners/test_runner_retry_after.py has one",
    "docs/tutorial.md: python3 -m venv ~/goophry-venv": "installs from a package index; tests/acceptance/test_installed.py does",
    "docs/howto/service.md: sudo useradd --system --home-dir /srv/app --create-home --shell /usr/sbin/nologin goophry": "changes the machine; tests/acceptance/test_systemd.py has the unit",
    "docs/howto/service.md: sudo -u goophry /opt/goophry/bin/goophry -c /etc/goophry/goophry.config.json check": "needs the service of the block before",
    "docs/howto/service.md: sudo /opt/goophry/bin/pip install --upgrade .": "needs the service of the block before",
}

#: Programs that not every machine has; blocks with one of them are left out where it is missing.
TOOLS = ("curl", "go", "jq", "node", "openssl", "php")

#: Blocks that need something else: a command that succeeds where it is there.
NEEDS = {
    "docs/metrics.md: curl --cacert stats.crt -H 'Accept: application/json' https://localhost:9137/": "test -e stats.crt",
    "docs/howto/producers.md: php push.php": "php -r 'exit(extension_loaded(\"redis\") ? 0 : 1);'",
    "docs/howto/producers.md: php push-predis.php": "test -e vendor/predis",
    "docs/howto/producers.md: node push.mjs": "node -e 'require.resolve(\"redis\")'",
    "docs/howto/producers.md: node push-ioredis.mjs": "node -e 'require.resolve(\"ioredis\")'",
    "docs/howto/producers.md: go mod init push && go get github.com/redis/go-redis/v9": 'test "$GOOPHRY_TEST_FULL" = 1',
}

TYPES = [
    {"Type": "resize", "Script": "./resize.sh", "Workers": 4},
    {"Type": "mail", "Script": "/bin/true"},
    {"Type": "backup", "Script": "/bin/true"},
    {"Type": "media", "Kind": "command", "Allow": ["sh"]},
    {"Type": "hook", "Kind": "http", "AllowUrls": ["https://hooks.example.org/"], "Timeout": 1},
]
RESIZE = """#!/bin/sh
case "$1" in none.png) echo "no picture $1" >&2; exit 3;; esac
"""
BLOCKS = {block.name: block for page in PAGES for block in blocks_of(page)}


@dataclass
class Desk:
    """What a reader has before him: a folder, a terminal, a Redis, and mostly a goophry that runs."""

    folder: Path
    terminal: Terminal
    ports: dict[str, str]
    server: RedisServer | None = None
    goophry: Goophry | None = None

    @property
    def client(self) -> "redis.Redis[bytes]":
        return redis.Redis(port=int(self.ports["6379"]))

    @property
    def config(self) -> dict[str, Any]:
        return {
            "RedisAddress": self.address,
            "RedisQueueKey": "myqueue",
            "FailedTasksTTL": 3600,
            "StatsInterface": f"127.0.0.1:{self.ports['9137']}",
            "ApiInterface": f"127.0.0.1:{self.ports['8300']}",
            "Tasks": TYPES,
            "Schedules": [{"Name": "nightly", "Cron": "30 2 * * *", "Type": "backup"}],
        }

    def start(self, **keys: Any) -> None:
        self.goophry = Goophry(self.folder, self.config | keys, client=self.client)
        eventually(self._answers)
        self.goophry.wait_ready()

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.ports['6379']}"

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def fail(self, written: str, *args: str, message: str = "exit status 3") -> None:
        """Put an entry into the failed list; its key is called `written` on the page."""
        raw = json.dumps({"Args": args, "ErrorMessage": message}).encode()
        self.client.rpush("myqueue:resize:failed", raw)
        self.terminal.stand_for(written, key_of(raw))

    def put_off(self, written: str, entry: dict[str, Any]) -> None:
        """Put an entry off for a day; its key is called `written` on the page."""
        raw = json.dumps(entry).encode()
        self.client.zadd("{myqueue:resize}:delayed", {raw: 4_000_000_000_000})
        self.terminal.stand_for(written, key_of(raw))


def some_failed(desk: Desk) -> None:
    desk.fail("37c75e", "none.png", "1")
    desk.fail("0b3edd", "none.png", "2")
    desk.fail("37c75f", "in.png", message="timed out after 60 s")
    desk.fail("37c760", "tmp-1", message="exit status 3")
    desk.fail("37c761", "out.png", message="exit status 3")


def one_failed_today(desk: Desk) -> None:
    assert desk.goophry is not None
    desk.goophry.push("resize", "none.png", Id="order-1")
    desk.goophry.wait_failed("resize")


def an_unreadable_one(desk: Desk) -> None:
    raw = b'{"Entry":"{\\"Args\\":[1]}","ErrorMessage":"parseQueueTask(): no"}'
    desk.client.rpush("myqueue:resize:failed", raw)
    desk.terminal.stand_for("0b3edd", key_of(raw))
    desk.write("bin/vi", '#!/bin/sh\necho \'{"Args":["1"]}\' > "$1"\n')
    (desk.folder / "bin" / "vi").chmod(0o755)


def some_put_off(desk: Desk) -> None:
    desk.put_off("898dc4", {"Args": ["later.png"]})
    desk.put_off("898dc5", {"Args": ["in.png"]})
    desk.put_off("898dc6", {"Args": ["out.png"]})


def some_failed_and_put_off(desk: Desk) -> None:
    some_failed(desk)
    some_put_off(desk)


def redis_elsewhere(desk: Desk) -> None:
    desk.terminal.stand_for("redis.example.org:6379", desk.address)


def stats_over_tls(desk: Desk) -> None:
    assert desk.goophry is not None
    assert desk.goophry.stop() == 0
    desk.start(StatsTLSCertFile="stats.crt", StatsTLSKeyFile="stats.key")


def an_embedded_redis(desk: Desk) -> None:
    hello = {"Type": "hello", "Script": "/bin/true"}
    desk.start(RedisAddress="embedded", EmbeddedPort=int(desk.ports["6379"]), Tasks=[hello], Schedules=[])


def a_template(desk: Desk) -> None:
    shutil.copy(ROOT / "docs" / "templates" / "worker.py", desk.folder)


def tasks_to_push(desk: Desk) -> None:
    desk.write("tasks", '["a.png","200"]\n{"Args":["b.png","200"]}\n')


def old_daemons(desk: Desk) -> None:
    desk.terminal.stand_for("/srv", str(desk.folder / "srv"))
    desk.terminal.stand_for("10.0.0.1:6379", desk.address)
    desk.terminal.stand_for("/etc/cron_task", str(desk.folder / "cron_task"))
    desk.write("cron_task", "")
    desk.write("etc/broker.yaml", f"addr : 0.0.0.0:9595\nredis : {desk.address}/0\n")
    desk.write("etc/worker.yaml", f"redis : {desk.address}/0\nbin_path : {desk.folder}\n")


#: What has to be there before a block, beside what the blocks above it have made.
BEFORE: dict[str, Callable[[Desk], None]] = {
    "README.md: goophry push resize in.png 200": tasks_to_push,
    "README.md: goophry failed ls resize": some_failed,
    "README.md: goophry init /srv/coyotes --from-coyotes '-redis-host 10.0.0.1:6379 -concurrent 10'": old_daemons,
    "README.md: goophry status": some_put_off,
    "docs/cli.md: goophry push resize in.png 200": tasks_to_push,
    "docs/cli.md: goophry failed ls": some_failed,
    'docs/embedded.md: redis-cli -p 6379 RPUSH myqueue:hello \'{"Args":["World"]}\'': an_embedded_redis,
    'docs/persistent.md: echo \'{"Id":"1","Args":["a"],"Env":{},"Attempt":1,"Run":"1"}\' | ./worker.py': a_template,
    "docs/metrics.md: curl --cacert stats.crt -H 'Accept: application/json' https://localhost:9137/": stats_over_tls,
    'docs/configuration.md: GOOPHRY_REDIS_ADDRESS=redis.example.org:6379 GOOPHRY_TASKS=\'[{"Type":"backup","Script":"/bin/true"}]\' goophry check': redis_elsewhere,
    "docs/howto/backup.md: goophry status": some_failed_and_put_off,
    "docs/howto/monitoring.md: goophry failed ls --newer 1d": one_failed_today,
    "docs/cli.md: goophry failed show --raw resize 0b3edd > entry.json": an_unreadable_one,
    "docs/cli.md: goophry delayed ls resize": some_put_off,
}

#: Pages that start what they need.
FROM_NOTHING = {"docs/tutorial.md", "docs/embedded.md"}

#: Pages that find a goophry that runs; others find its configuration, and a Redis if they speak with one.
RUNNING = {"README.md"} | {
    f"docs/{name}.md"
    for name in ("api", "cli", "client", "metrics", "howto/backup", "howto/monitoring", "howto/producers")
}
_SPEAKS = re.compile("goophry|redis|curl|push")


def redis_cli() -> str:
    return shutil.which("redis-cli") or str(Path(redis_binary()).with_name("redis-cli"))


@pytest.fixture(scope="module")
def command_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("commands") / "socket"
    with subprocess.Popen([sys.executable, command_front.__file__, str(path)]) as process:
        eventually(path.exists)
        yield path
        process.kill()


@pytest.fixture
def desk(tmp_path: Path, command_socket: Path, request: pytest.FixtureRequest) -> Iterator[Desk]:
    page = str(request.param.relative_to(ROOT))
    ports = {port: str(free_port()) for port in ("6379", "6390", "9137", "8300")}
    # The path of a Unix socket must be short.
    folder = Path(tempfile.mkdtemp(prefix="pages-"))
    for name, text in {
        "bin/redis-cli": f'#!/bin/sh\nexec "{redis_cli()}" -p {ports["6379"]} "$@"\n',
        "resize.sh": RESIZE,
        "in.png": "",
        ".curlrc": "silent\nshow-error\n",  # as in a terminal, where there is no progress to be seen
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    command_front.front(folder / "bin" / "goophry", socket_path=command_socket)
    path = f"{folder}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "HOME": str(folder), "FAKETTY": "1", "TOKEN": "any", "GOFLAGS": "-modcacherw"}
    env["GOCACHE"] = str(Path.home() / ".cache" / "go-build")  # HOME is another one here
    terminal = Terminal(folder, env=env, stands_for=ports)
    desk = Desk(folder, terminal, ports)
    if page not in FROM_NOTHING and any(_SPEAKS.search(block.text) for block in runnable(request.param)):
        desk.server = RedisServer(tmp_path / "redis", "--repl-diskless-sync-delay", "0")
        desk.server.port = int(ports["6379"])
        desk.server.start()
        desk.write("goophry.config.json", json.dumps(desk.config))
        if page in RUNNING:
            desk.start()
    yield desk
    terminal.close()
    if desk.goophry is not None:
        desk.goophry.clean_up()
    if desk.server is not None:
        desk.server.end()
    shutil.rmtree(folder)


def runnable(page: Path) -> list[Block]:
    return [block for block in blocks_of(page) if block.name not in NOT_RUN]


@pytest.mark.parametrize(
    ("desk", "page"),
    [pytest.param(page, page, id=str(page.relative_to(ROOT))) for page in PAGES if runnable(page)],
    indirect=["desk"],
)
@pytest.mark.timeout(900 if FULL else 120)
def test_every_command_of_the_page_does_what_the_page_says(desk: Desk, page: Path, subtests: pytest.Subtests) -> None:
    for block in runnable(page):
        missing = what_is_missing(block, desk.folder)
        if missing:
            with subtests.test(block.name):
                pytest.skip(f"not there: {missing}")
            continue
        BEFORE.get(block.name, lambda _: None)(desk)
        desk.terminal.do(block)


def what_is_missing(block: Block, folder: Path) -> str:
    """Return what the block needs and this machine has not; nothing if it has all."""
    absent = [tool for tool in TOOLS if re.search(rf"\b{tool} [^|]", block.text) and shutil.which(tool) is None]
    needed = NEEDS.get(block.name)
    if absent or not needed:
        return ", ".join(absent) if not block.program else ""
    met = subprocess.run(needed, shell=True, cwd=folder, check=False, capture_output=True).returncode == 0
    return "" if met else needed


#: Blocks without a language that show what was typed, and are made by a program.
RECORDED = {"docs/recording.md": "by scripts/record-cli"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_stand_in_blocks_that_are_run(page: Path) -> None:
    programs = (
        r"(?:\$|goophry|redis-cli|curl|openssl|pip|python3?|make|docker|kubectl|systemctl|\./\S+|scripts/\S+) [^\[]"
    )
    typed = [
        block.name
        for block in all_blocks_of(page)
        if block.language in {"", "text", "bash", "shell"} and re.match(programs, block.text)
    ]
    indented = re.findall(rf"^ {{4}}{programs}.*", page.read_text(), re.MULTILINE)

    assert block_free(page) or (typed, indented) == ([], [])


def block_free(page: Path) -> bool:
    """Whether the page shows what a program recorded, or wrote."""
    return str(page.relative_to(ROOT)) in {*RECORDED, "docs/commands.md"}


@pytest.mark.parametrize("named", [NOT_RUN, NEEDS, BEFORE], ids=["not run", "needs", "before"])
def test_what_is_said_of_blocks_is_said_of_blocks_that_there_are(named: dict[str, object]) -> None:
    assert set(named) - set(BLOCKS) == set()


@pytest.mark.parametrize(
    ("shown", "printed", "expected"),
    [
        ("done in 0.20 s", "done in 3 ms", True),
        ("done in 0.20 s", "failed in 3 ms", False),
        ("a  b", "a      b", True),
        ("a\n…\nd", "a\nb\nc\nd", True),
        ("a\n…\nd", "a\nd", True),
        ("a … d", "a b c d", True),
        ("2026-11-21 04:34:01.448 x", "2027-01-02 03:04:05.678 x", True),
        ("2026-11-21 04:34:01.448 x", "yesterday x", False),
        ("(integer) 1", "(integer) 2", False),
        ("a", "a\nb", False),
    ],
)
def test_what_is_shown_and_what_is_printed_are_compared_by_these_rules(
    shown: str, printed: str, expected: bool
) -> None:
    assert same(shown, printed) is expected


def test_a_page_that_lies_is_found_out(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, env=os.environ, stands_for={})

    terminal.do(Block("p", 1, "console", "$ echo a\na\n$ false # status 1\n"))
    for language, text in (("sh", "false\ntrue\n"), ("console", "$ echo a\nb\n"), ("console", "$ true # status 1\n")):
        with pytest.raises(AssertionError):
            terminal.do(Block("p", 1, language, text))

    terminal.close()

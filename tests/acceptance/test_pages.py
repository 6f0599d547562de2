"""Every command on every page of the documentation is run; what cannot be run here is named, with the reason."""

import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from acceptance import page_desk
from acceptance.page_desk import Desk
from acceptance.tally import FULL
from pages import PAGES, ROOT, Block, Terminal, all_blocks_of, blocks_of, same

pytest_plugins = ("acceptance.page_fixtures",)

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

#: What has to be there before a block, beside what the blocks above it have made.
BEFORE: dict[str, Callable[[Desk], None]] = {
    "README.md: goophry push resize in.png 200": page_desk.tasks_to_push,
    "README.md: goophry failed ls resize": page_desk.some_failed,
    "README.md: goophry init /srv/coyotes --from-coyotes '-redis-host 10.0.0.1:6379 -concurrent 10'": page_desk.old_daemons,
    "README.md: goophry status": page_desk.some_put_off,
    "docs/cli.md: goophry push resize in.png 200": page_desk.tasks_to_push,
    "docs/cli.md: goophry failed ls": page_desk.some_failed,
    'docs/embedded.md: redis-cli -p 6379 RPUSH myqueue:hello \'{"Args":["World"]}\'': page_desk.an_embedded_redis,
    'docs/persistent.md: echo \'{"Id":"1","Args":["a"],"Env":{},"Attempt":1,"Run":"1"}\' | ./worker.py': page_desk.a_template,
    "docs/metrics.md: curl --cacert stats.crt -H 'Accept: application/json' https://localhost:9137/": page_desk.stats_over_tls,
    'docs/configuration.md: GOOPHRY_REDIS_ADDRESS=redis.example.org:6379 GOOPHRY_TASKS=\'[{"Type":"backup","Script":"/bin/true"}]\' goophry check': page_desk.redis_elsewhere,
    "docs/howto/backup.md: goophry status": page_desk.some_failed_and_put_off,
    "docs/howto/monitoring.md: goophry failed ls --newer 1d": page_desk.one_failed_today,
    "docs/cli.md: goophry failed show --raw resize 0b3edd > entry.json": page_desk.an_unreadable_one,
    "docs/cli.md: goophry delayed ls resize": page_desk.some_put_off,
}


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
    there = Counter(block.name for page in PAGES for block in blocks_of(page))

    assert {name: there[name] for name in named if there[name] != 1} == {}


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

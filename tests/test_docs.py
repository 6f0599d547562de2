"""What the documentation says is so: links, commands, keys, examples, versions."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

import goophry
from goophry.cli import flags
from goophry.cli.commands import app
from goophry.config import Limits, Schedule, Settings, TaskType, load
from goophry.config_fields import keys_of, variables_of

ROOT = Path(__file__).resolve().parent.parent
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "benchmarks" / "README.md", *DOCS]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^]\n]+\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def blocks(text: str, *languages: str) -> list[str]:
    return [block for language, block in FENCED.findall(text) if language in languages]


def anchors(page: Path) -> set[str]:
    """Return the anchors that the headings of the page get, in the manner of code hosts."""
    titles = HEADING.findall(prose(page))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_resolves(page: Path) -> None:
    dead = []
    for target in LINK.findall(prose(page)):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            dead.append(target)

    assert dead == []


def test_the_index_of_the_docs_names_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / target).resolve() for target in LINK.findall(index.read_text(encoding="utf-8"))}

    assert [name_of(page) for page in DOCS if page != index and page not in linked] == []


def commands_shown() -> Iterator[str]:
    """Every call of goophry in the README, from code blocks and within sentences."""
    lines = [line for block in blocks(README, "sh") for line in block.splitlines()]
    for text in [*lines, *INLINE.findall(FENCED.sub("", README))]:
        program, _, rest = text.strip().partition(" ")
        if Path(program).name == "goophry" and (rest or program != text.strip()):
            yield text.strip()


@pytest.mark.parametrize("line", sorted(set(commands_shown())))
def test_every_command_of_the_readme_parses(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    given = flags.parse(words)
    if not given.rest:
        return
    name, *rest = given.rest
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]

    # Named without arguments, as in a sentence, it must only exist.
    assert app(args=[name, "--help"], standalone_mode=False) == 0
    if rest:
        command.make_context(name, rest, obj=given).close()


@pytest.mark.parametrize("page", [ROOT / "README.md", *DOCS], ids=name_of)
def test_every_json_block_is_json(page: Path) -> None:
    for block in blocks(page.read_text(encoding="utf-8"), "json"):
        # Pages for those who know the form may show a few keys only; the README shows whole values.
        if block.startswith(("{", "[")) or page.name == "README.md":
            for value in json_values(block):
                assert isinstance(value, dict)


def json_values(text: str) -> Iterator[object]:
    decoder = json.JSONDecoder()
    text = text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        yield value
        text = text[end:].strip()


@pytest.mark.parametrize("page", [ROOT / "README.md", *DOCS], ids=name_of)
def test_every_configuration_shown_loads(page: Path, tmp_path: Path) -> None:
    for block in blocks(page.read_text(encoding="utf-8"), "json"):
        if '"Tasks"' in block and '"RedisQueueKey"' in block:
            path = tmp_path / "goophry.config.json"
            path.write_text(block, encoding="utf-8")

            assert load(path, environ={}).tasks


def test_every_key_in_the_readmes_tables_exists() -> None:
    section = README.partition("\n## Configuration\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([A-Z][\w, ]+) \|", section, re.MULTILINE)
    named = {key for row in rows for key in row.split(", ")}

    assert len(named) > 10
    assert named <= {*keys_of(Settings), *keys_of(TaskType), *keys_of(Limits)}


def test_every_key_that_the_changelog_prints_bold_exists() -> None:
    named = set(re.findall(r"\*\*([A-Z]\w+)\*\*", CHANGELOG))

    assert named
    assert named <= {*keys_of(Settings), *keys_of(TaskType), *keys_of(Limits), *keys_of(Schedule)}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_variable_named_exists(page: Path) -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "goophry").rglob("*.py"))
    known = {*variables_of(Settings).values(), "GOOPHRY_TEST_REDIS_URL", *re.findall(r"GOOPHRY_[A-Z_]*[A-Z]", source)}

    assert set(re.findall(r"\bGOOPHRY_[A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8"))) <= known


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_metric_named_exists(page: Path) -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "goophry" / "stats").glob("*.py"))
    named = set(re.findall(r"\bgoophry_[a-z_]*[a-z]\b", page.read_text(encoding="utf-8")))

    assert {name for name in named if re.sub(r"_(total|bucket|sum|count|info)$", "", name) not in source} == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_named_exists(page: Path) -> None:
    named = re.findall(r"`((?:tests|goophry|scripts|deploy|docs|benchmarks)/[\w./-]+)`", prose(page))

    # What a benchmark writes is there after it has run.
    assert [name for name in named if not name.startswith("benchmarks/results") and not (ROOT / name).exists()] == []


def test_the_changelog_begins_with_this_version() -> None:
    newest = re.search(r"^## \[([^]]+)\] - (\d{4}-\d\d-\d\d|unreleased)$", CHANGELOG, re.MULTILINE)

    assert newest
    assert newest[1] == goophry.__version__


def test_make_help_lists_every_target() -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    targets = re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    shown = subprocess.run([make, "-s", "-C", ROOT, "help"], capture_output=True, text=True, check=True).stdout

    assert targets
    assert [line.split()[0] for line in shown.splitlines()] == targets

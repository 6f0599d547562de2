"""The rooms of the package and the arrows between them, read from its imports."""

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import goophry

PACKAGE = Path(goophry.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

#: Top-level modules that start everything, or that producers in Python import; all others are vocabulary.
COMPOSITION = {"app", "client"}
DOOR = {"__main__"}

#: What each room may import of goophry, beside itself: a room, or one module of it.
MAY_IMPORT = {
    "vocabulary": set(),
    "store": {"vocabulary"},
    "runners": {"vocabulary"},
    "stats": {"vocabulary", "store.views"},
    "engine": {"vocabulary", "store", "runners.base"},
    "web": {"vocabulary", "stats", "store.views", "store.fleet", "engine.service", "engine.intake"},
    "doors": {"vocabulary", "engine.service"},
    "wiring": {"vocabulary", "store", "runners", "stats", "engine", "web", "doors"},
    "app": {"vocabulary", "store", "runners", "stats", "engine", "web", "doors", "wiring"},
    "cli": {"vocabulary", "store", "runners", "stats", "engine", "web", "doors", "wiring", "app"},
    "door": {"cli"},
}

#: What each room may import of others, beside the standard library.
FOREIGN = {
    "vocabulary": set(),
    "store": {"redis", "hiredis"},
    "runners": {"urllib3"},
    "stats": {"prometheus_client"},
    "engine": set(),
    "web": {"starlette", "uvicorn", "h11", "fastapi", "pydantic"},  # h11 is uvicorn's own parser
    "doors": set(),
    "doors.websocket": {"starlette"},
    "web.sockets": {"uvicorn", "websockets"},
    "wiring": set(),
    "wiring.coyotes_history": {"sqlalchemy"},  # an extra
    "doors.kafka": {"aiokafka"},
    "doors.http": {"starlette"},  # a carrier: the only ones that know of a transport
    "app": set(),
    "cli": {"typer", "rich", "click"},
    "door": set(),
}

#: Parts of the standard library that make threads and processes; the vocabulary is pure.
IMPURE = {"threading", "subprocess", "multiprocessing", "concurrent", "asyncio", "socket"}
#: The systems whose clients are served: each has modules of its name, and of its name and more.
DOORS = {"coyotes", "kingtask", "poulpe"}

#: The only modules of the doors that know of a transport, and may be async as it is.
CARRIERS = {"doors.http", "doors.websocket", "doors.kafka"}
LOGS = {"logs", "log_output", "log_lines", "log_events"}

LONGEST_FILE, LONGEST_FUNCTION = 300, 50


@dataclass(frozen=True)
class Import:
    """One import, wherever in a file it stands."""

    path: Path
    line: int
    module: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(PACKAGE.parent)}:{self.line} imports {self.module}"


def room_of(module: str) -> str:
    """Name the room of `module`, given without `goophry.`."""
    first = module.split(".", 1)[0]
    if (PACKAGE / first).is_dir():
        return first
    return "app" if first in COMPOSITION else "door" if first in DOOR else "vocabulary"


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def is_module(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imports(path: Path) -> Iterator[Import]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(path, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: relative imports hide the room's edges"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield Import(path, node.lineno, whole if is_module(whole) else str(node.module))


@cache
def all_imports() -> list[Import]:
    return [found for path in FILES for found in imports(path)]


def test_every_room_is_in_the_table() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}

    assert rooms <= set(MAY_IMPORT)


def test_rooms_import_only_what_is_below_them() -> None:
    wrong = []
    for found in all_imports():
        first, _, target = found.module.partition(".")
        if first != "goophry" or not target:
            continue
        room, other = room_of(module_of(found.path)), room_of(target)
        if other != room and other not in MAY_IMPORT[room] and target not in MAY_IMPORT[room]:
            wrong.append(f"{found}: {room} may not know {other}")

    assert not wrong, "\n".join(wrong)


def test_rooms_use_only_the_libraries_that_are_theirs() -> None:
    wrong = []
    for found in all_imports():
        first = found.module.split(".", 1)[0]
        if first == "goophry" or first in sys.stdlib_module_names:
            continue
        module = module_of(found.path)
        allowed = FOREIGN.get(module, FOREIGN[room_of(module)]) | (
            {"pydantic", "pydantic_core"} if module.startswith("config") else set()
        )
        allowed |= {"jsonschema", "referencing"} if module == "args_schema" else set()
        if first not in allowed:
            wrong.append(str(found))

    assert not wrong, "\n".join(wrong)


def test_the_vocabulary_has_no_threads_processes_and_sockets() -> None:
    wrong = []
    for found in all_imports():
        module = module_of(found.path)
        if room_of(module) == "vocabulary" and module not in LOGS and found.module.split(".", 1)[0] in IMPURE:
            wrong.append(str(found))

    assert not wrong, "\n".join(wrong)


def test_engine_and_store_start_no_processes_and_runners_no_threads() -> None:
    never = {
        "engine": {"subprocess", "asyncio"},
        "runners": {"asyncio", "concurrent"},
        "stats": {"subprocess", "asyncio"},
    }
    wrong = [
        str(found)
        for found in all_imports()
        if found.module.split(".", 1)[0] in never.get(room_of(module_of(found.path)), set())
    ]

    assert not wrong, "\n".join(wrong)


def test_nothing_below_the_web_is_async() -> None:
    wrong = [
        f"{path}:{node.lineno}"
        for path in FILES
        if room_of(module_of(path)) != "web" and module_of(path) not in CARRIERS
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncWith | ast.AsyncFor)
    ]

    assert not wrong, "\n".join(wrong)


#: Modules that read the environment although they are handed things: the zygote is a program of its
#: own, in another interpreter; the factory of runners takes goophry's own when it is handed none.
READ_THE_ENVIRONMENT = {"runners.zygote", "runners.build"}


def test_doors_are_translators_and_know_only_their_own_format() -> None:
    """No sockets, threads and processes but in the carriers; and no door knows another."""
    wrong = []
    for found in all_imports():
        module = module_of(found.path)
        if room_of(module) != "doors" or module in CARRIERS:
            continue
        own = module.split(".")[-1].split("_")[0]
        other = found.module.removeprefix("goophry.doors.").split("_")[0]
        if found.module.split(".", 1)[0] in IMPURE or (own in DOORS and other in DOORS - {own}):
            wrong.append(str(found))

    assert not wrong, "\n".join(wrong)


def test_the_environment_is_read_where_everything_is_put_together() -> None:
    """Everybody else is handed what it needs."""
    wrong = []
    for path in FILES:
        module = module_of(path)
        if room_of(module) in {"wiring", "app", "cli"} or module.startswith("config") or module in READ_THE_ENVIRONMENT:
            continue
        wrong += [
            f"{path}:{node.lineno}"
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.environb", "os.getenv"}
        ]

    assert not wrong, "\n".join(wrong)


def runs_on_import(path: Path) -> Iterator[int]:
    """Give the lines of a module that do more than define."""
    for node in tree_of(path).body:
        if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
            yield node.lineno
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            calls = (call for call in ast.walk(node) if isinstance(call, ast.Call))
            yield from (call.lineno for call in calls if ast.unparse(call.func).split(".", 1)[0] in IMPURE)


def test_modules_define_and_do_nothing() -> None:
    wrong = [
        f"{path}:{line}"
        for path in FILES
        if room_of(module_of(path)) not in {"cli", "door"}
        for line in runs_on_import(path)
    ]

    assert not wrong, "these run on import:\n" + "\n".join(wrong)


def test_importing_goophry_does_nothing() -> None:
    code = (
        "import sys, threading; before = set(sys.modules); import goophry\n"
        "new = {name for name in set(sys.modules) - before if name != 'goophry'}\n"
        "assert not new, new; assert threading.active_count() == 1"
    )

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("part", ["engine.loop", "store.queues", "runners.build", "app"])
def test_importing_a_part_starts_no_thread_and_brings_no_web_stack(part: str) -> None:
    code = (
        f"import sys, threading, goophry.{part}; assert threading.active_count() == 1\n"
        "assert not {'starlette', 'fastapi', 'uvicorn', 'typer', 'urllib3'} & set(sys.modules)"
    )

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_no_two_files_of_tests_have_the_same_name() -> None:
    """They are no packages: pytest would find the first one in the place of the second."""
    names = Counter(path.name for path in Path(__file__).parent.rglob("test_*.py"))

    assert not [name for name, count in names.items() if count > 1]


def test_files_are_short() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in FILES}
    wrong = [f"{path}: {length} lines" for path, length in lengths.items() if length > LONGEST_FILE]

    assert not wrong, f"at most {LONGEST_FILE} lines, one thing per file:\n" + "\n".join(wrong)


def test_functions_are_short() -> None:
    wrong = []
    for path in FILES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    wrong.append(f"{path}:{node.lineno} {node.name}: {length} lines")

    assert not wrong, f"at most {LONGEST_FUNCTION} lines a function:\n" + "\n".join(wrong)


def test_scripts_say_what_they_take() -> None:
    for path in sorted(PACKAGE.rglob("*.lua")):
        head = "".join(line for line in path.read_text().splitlines() if line.startswith("--"))

        assert "KEYS[1]" in head, f"{path.name} does not tell of its keys"
        assert "ARGV" in head, f"{path.name} does not tell of its arguments"

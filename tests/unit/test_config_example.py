"""The example file, the JSON Schema and the generated tables agree with the models."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from goophry.config import json_schema, load
from goophry.config_fields import keys_of
from goophry.config_models import Settings
from goophry.config_task import Limits, TaskType

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "goophry.config.json.example"


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    Draft202012Validator.check_schema(json_schema())
    return Draft202012Validator(json_schema())


def test_example_loads_and_its_scripts_are_there_to_run(tmp_path: Path) -> None:
    loaded = load(EXAMPLE, environ={"PATH": "/usr/bin:/bin"})

    programs = [task.script for task in loaded.tasks if task.script] + [(str(loaded.error_script),)]
    for words in programs:
        paths = [Path(word) for word in words if word.startswith("/")]
        assert paths
        assert all(shutil.which(path) for path in paths), paths


def test_what_the_example_leaves_to_be_wanted_loads_too(tmp_path: Path, schema: Draft202012Validator) -> None:
    document = json.loads(EXAMPLE.read_text())
    wanted = {name: document.pop(f"_{name}") for name in ("Doors", "Intake")}
    path = tmp_path / "goophry.config.json"
    path.write_text(json.dumps(document | wanted))

    loaded = load(path, environ={"PATH": "/usr/bin:/bin"})

    assert loaded.doors is not None
    assert all((loaded.doors.coyotes, loaded.doors.kingtask, loaded.doors.poulpe, loaded.intake))
    schema.validate(document | wanted)


def test_example_scripts_do_what_their_types_expect(tmp_path: Path) -> None:
    log = tmp_path / "log"
    loaded = load(EXAMPLE, environ={"PATH": "/usr/bin:/bin"})

    done = subprocess.run(
        [*loaded.tasks[0].script, "1234"],
        env={"PATH": "/usr/bin:/bin", "GOOPHRY_EXAMPLE_LOG": str(log)},
        capture_output=True,
        check=True,
    )

    assert done.stdout == b""
    assert "updated 1234" in log.read_text()


def test_schema_accepts_the_example(schema: Draft202012Validator) -> None:
    schema.validate(json.loads(EXAMPLE.read_text()))


def test_schema_asks_for_what_the_kind_needs(schema: Draft202012Validator) -> None:
    command = {"Type": "a", "Kind": "command", "Allow": ["*"]}

    assert schema.is_valid({"RedisQueueKey": "q", "Tasks": [command, {"Type": "b", "Script": "b"}]})


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"RedisQueueKey": "q"},
        {"RedisQueueKey": "q", "Tasks": []},
        {"RedisQueueKey": "q", "Tasks": [{"Type": "a"}]},
        {"RedisQueueKey": "q", "Tasks": [{"Type": "a", "Kind": "persistent"}]},
        {"RedisQueueKey": "q", "Tasks": [{"Type": "a", "Kind": "command"}]},
        {"RedisQueueKey": "q", "Tasks": [{"Type": "a", "Kind": "http"}]},
        {"RedisQueueKey": "q", "Tasks": [{"Type": "a", "Kind": "http", "AllowUrls": ["*"], "Headers": {"A": 1}}]},
        {"RedisQueueKey": "q", "Tasks": [{"Type": "a", "Kind": "command", "Allow": []}]},
        {"RedisQueueKey": "q", "Tasks": [{"Type": "", "Script": "a"}]},
        {"RedisQueueKey": "q", "Tasks": [{"Type": "a", "Script": []}]},
        {"RedisQueueKey": "q", "Tasks": [{"Type": "a", "Script": "a", "Worker": 1}]},
        {"RedisQueueKey": "q", "Tasks": [{"Type": "a", "Script": "a", "Nice": 20}]},
        {"RedisQueueKey": "q", "Tasks": [{"Type": "a", "Script": "a", "Umask": "9"}]},
        {"RedisQueueKey": "q", "Tasks": [{"Type": "a", "Script": "a"}], "StatsPattern": "x"},
    ],
)
def test_schema_refuses_what_load_refuses(schema: Draft202012Validator, document: dict[str, Any]) -> None:
    assert not schema.is_valid(document)


def test_schema_has_every_key_with_a_description() -> None:
    whole = json_schema()

    for section, described in (
        (Settings, whole),
        (TaskType, whole["$defs"]["TaskType"]),
        (Limits, whole["$defs"]["Limits"]),
    ):
        assert list(described["properties"]) == list(keys_of(section))
        assert all(item.get("description") for item in described["properties"].values())
        assert [item["title"] for item in described["properties"].values() if "title" in item]
        assert described["patternProperties"] == {"^[_$]": {}}
    assert whole["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "default" not in whole["$defs"]["TaskType"]["properties"]["Delivery"]


def test_generated_tables_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "generate-docs", "--check"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr

"""The doors of the configuration, and the task types that they bring."""

from pathlib import Path
from typing import Any

import pytest
from configs import config, problems

from goophry.config import Unique
from goophry.likeness import digest

KINGTASK: dict[str, Any] = {"BinPath": "bin"}
COYOTES: dict[str, Any] = {"Allow": ["*"]}


def test_doors_bring_types_that_take_over_from_the_top_level(tmp_path: Path) -> None:
    settings = config(
        tmp_path, {"Doors": {"Kingtask": KINGTASK, "Coyotes": COYOTES}, "FailedTasksTTL": 60}, {"Tasks": []}
    )

    types = {task.type: task for task in settings.tasks}
    channels = {f"coyotes.{name}" for name in ("default", "biz", "cron", "delayed")}
    assert set(types) == {"kingtask.script", "kingtask.rpc"} | channels
    assert {task.failed_tasks_ttl for task in settings.tasks} == {60}
    assert types["kingtask.script"].allow == (f"{tmp_path}/bin/**",)
    assert types["coyotes.default"].unique == Unique(by="TaskName")
    assert types["coyotes.delayed"].unique is None


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"Doors": {"Coyotes": {}}}, "Doors.Coyotes.Allow: missing, this key is required"),
        ({"Doors": {"Kingtask": {}}}, "Doors.Kingtask.BinPath: missing, this key is required"),
        (
            {"Doors": {"Kingtask": {**KINGTASK, "Interface": "x"}}},
            'Doors.Kingtask.Interface: expected ip:port, or :port for all interfaces, found "x"',
        ),
        ({"Doors": {}, "Tasks": []}, "Tasks: expected at least one task type, found []"),
        (
            {"Doors": {"Kingtask": KINGTASK}, "Tasks": [{"Type": "kingtask.x", "Script": "a.sh"}]},
            'Tasks[0].Type: "kingtask.x" is kept for Doors.Kingtask, whose types begin with kingtask.',
        ),
    ],
)
def test_sentences_about_doors(tmp_path: Path, keys: dict[str, Any], sentence: str) -> None:
    assert sentence in problems(tmp_path, keys)


def test_tasks_are_alike_by_a_key_of_the_entry() -> None:
    assert digest(["a"], {"Name": "x"}, by="Name") == digest(["b"], {"Name": "x"}, by="Name")
    assert digest(["a"], {"Name": "x"}, by="Name") != digest(["a"], {"Name": "y"}, by="Name")
    assert digest(["a"], {}, by="Name") == digest(["a"])

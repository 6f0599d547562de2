"""A JSON Schema for Args."""

import json
from pathlib import Path

import pytest

from goophry.args_schema import schema_of
from goophry.config import load
from goophry.errors import ConfigError

SIZE = {"type": "array", "prefixItems": [{"type": "string"}, {"enum": ["100", "200"]}], "minItems": 2, "items": False}


def test_what_fits_has_no_problem() -> None:
    assert schema_of(SIZE).problem(("in.png", "200")) is None


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (("in.png", "300"), "Args[1]: '300' is not one of ['100', '200']"),
        (("in.png",), "Args: ['in.png'] is too short"),
        (("in.png", "200", "x"), "Args: Expected at most 2 items but found 1 extra: 'x'"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(args: tuple[str, ...], problem: str) -> None:
    assert schema_of(SIZE).problem(args) == problem


def test_a_long_value_is_not_shown_whole() -> None:
    problem = schema_of({"maxItems": 0}).problem(("x" * 10_000,))

    assert problem is not None
    assert len(problem) < 400


def test_nothing_is_fetched_for_a_reference() -> None:
    schema = schema_of({"$ref": "http://127.0.0.1:9/schema.json"})

    assert str(schema.problem(("x",))).startswith("the Schema refers to what is not in it: ")


def test_what_is_no_schema_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\['type'\]: 'strings' is not valid"):
        schema_of({"type": "strings"})


def config(folder: Path, schema: object) -> Path:
    path = folder / "goophry.config.json"
    task = {"Type": "a", "Script": "a.sh", "Schema": schema}
    path.write_text(json.dumps({"RedisQueueKey": "q", "Tasks": [task]}))
    return path


def test_the_configuration_takes_an_object_or_a_path_seen_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "size.json").write_text(json.dumps(SIZE))

    inline = load(config(tmp_path, SIZE), environ={}).tasks[0].args_schema
    named = load(config(tmp_path, "size.json"), environ={}).tasks[0].args_schema

    assert inline == named == schema_of(SIZE)


@pytest.mark.parametrize(
    ("schema", "sentence"),
    [
        ("none.json", "which cannot be read: No such file or directory"),
        ("bad.json", "which is not JSON"),
        (5, "expected a JSON Schema as an object, or the path of a file with one, found 5"),
        ({"minItems": "x"}, "expected a JSON Schema (['minItems']: 'x' is not of type 'integer')"),
    ],
)
def test_a_wrong_schema_is_a_sentence(tmp_path: Path, schema: object, sentence: str) -> None:
    (tmp_path / "bad.json").write_text("{")

    with pytest.raises(ConfigError) as caught:
        load(config(tmp_path, schema), environ={})

    (problem,) = caught.value.problems
    assert problem.startswith("Tasks[0].Schema: ")
    assert sentence in problem

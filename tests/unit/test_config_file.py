"""Files, variables and password files that cannot be used; arbitrary JSON."""

import json
from pathlib import Path
from typing import Any

import pytest
from configs import config, problems, problems_of_text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goophry.config import Settings, TaskType, load
from goophry.errors import ConfigError


@pytest.mark.parametrize(
    ("variable", "text", "sentence"),
    [
        ("REDIS_DB", "x", 'GOOPHRY_REDIS_DB: expected a whole number, found "x"'),
        ("MAX_RECOVERIES", "-1", "GOOPHRY_MAX_RECOVERIES: expected 0 or more, found -1"),
        ("REDIS_ADDRESS", "h", 'GOOPHRY_REDIS_ADDRESS: expected host:port, a URL or embedded, found "h"'),
        ("REDIS_QUEUE_KEY", "", "GOOPHRY_REDIS_QUEUE_KEY: missing, this key is required"),
        ("REDIS_QUEUE_KEY", "\udcff", "GOOPHRY_REDIS_QUEUE_KEY: expected text in UTF-8"),
        ("TASKS", "[]", "GOOPHRY_TASKS: expected at least one task type, found []"),
        ("TASKS", '"x"', "GOOPHRY_TASKS: expected an array, found a string"),
        (
            "TASKS",
            '[{"Type":"a","Script":"a","Worker":1}]',
            "GOOPHRY_TASKS[0].Worker: unknown key, did you mean Workers?",
        ),
        ("STATS_TLS_KEY_FILE", "k", "StatsTLSCertFile: missing, StatsTLSKeyFile is given and needs it"),
    ],
)
def test_sentences_name_the_variable(tmp_path: Path, variable: str, text: str, sentence: str) -> None:
    found = problems(tmp_path, environ={f"GOOPHRY_{variable}": text})

    assert sentence in found
    assert len(found) == 1 or text == "\udcff"


def test_tasks_in_the_environment_that_are_no_json(tmp_path: Path) -> None:
    (sentence,) = problems(tmp_path, environ={"GOOPHRY_TASKS": '[{"Env":{"PW":"s3cret"}'})

    assert sentence.startswith("GOOPHRY_TASKS: not JSON: ")
    assert "s3cret" not in sentence


@pytest.mark.parametrize("given", [{"RedisPassword": "x"}, {"RedisAddress": "redis://:x@h"}])
def test_a_password_is_given_once(tmp_path: Path, given: dict[str, str]) -> None:
    (tmp_path / "pw").write_text("y")

    (sentence,) = problems(tmp_path, {"RedisPasswordFile": "pw"}, given)

    assert sentence.startswith("RedisPasswordFile: ")


def test_the_sentinels_have_a_password_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("y\n")
    address = {"RedisAddress": "redis+sentinel://:x@h/m"}

    loaded = config(tmp_path, address, {"RedisSentinelPasswordFile": "pw"})

    assert loaded.redis_password is not None
    assert loaded.redis_sentinel_password is not None
    assert loaded.redis_password.get_secret_value() == "x"
    assert loaded.redis_sentinel_password.get_secret_value() == "y"
    given = {"RedisSentinelPasswordFile": "pw", "RedisSentinelPassword": "z"}
    assert problems(tmp_path, address, given) == [
        "RedisSentinelPasswordFile: RedisSentinelPassword is given too, expected one of the two"
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "{path} cannot be read: No such file or directory"),
        (b"\n", "{path} is empty, expected the password"),
        (b"\xff", "{path} is not UTF-8"),
    ],
)
def test_password_files_that_cannot_be_used(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    path = tmp_path / "pw"
    if content is not None:
        path.write_bytes(content)

    assert problems(tmp_path, {"RedisPasswordFile": "pw"}) == [f"RedisPasswordFile: {sentence.format(path=path)}"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty, expected a JSON object"),
        ("[]", "expected a JSON object, {…}, at the top of the file"),
        (b"\xef\xbb\xbf{}", "starts with a byte order mark, save it as UTF-8 without one"),
        ("{}".encode("utf-16"), "starts with a byte order mark, save it as UTF-8 without one"),
        (b'{\n"a":"\xe9"}', "is not UTF-8, line 2 has a byte that cannot be read"),
        ('{"a": NaN}', "not JSON: NaN is no number that JSON has"),
        ('{"RedisQueueKey": "\\ud800"}', "not JSON that can be read: half a character, written as \\ud800 to \\udfff"),
        ("[" * 200_000, "not JSON that can be read: too many brackets in each other"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, text: str | bytes, sentence: str) -> None:
    assert problems_of_text(tmp_path, text) == [sentence]


def test_a_syntax_error_has_its_line_and_column(tmp_path: Path) -> None:
    (sentence,) = problems_of_text(tmp_path, '{\n  "RedisQueueKey" "q"\n}')

    assert sentence.startswith("not JSON: ")
    assert sentence.endswith("at line 2 column 19")


def test_a_key_given_twice_in_the_same_spelling(tmp_path: Path) -> None:
    text = '{"RedisQueueKey":"a","Tasks":[{"Type":"a","Script":"a","Type":"b"}]}'

    assert problems_of_text(tmp_path, text) == ["Tasks[0].Type: given twice"]


@pytest.mark.parametrize("number", ["1e400", "1" * 5000])
def test_numbers_beyond_all_measure(tmp_path: Path, number: str) -> None:
    assert problems_of_text(
        tmp_path, f'{{"RedisQueueKey":"a","Tasks":[{{"Type":"a","Script":"a","Timeout":{number}}}]}}'
    )


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigError) as caught:
            load(path, environ={})
        assert caught.value.problems == [f"{path}: cannot be read: {reason}"]
    with pytest.raises(ConfigError, match="no such path"):
        load(Path("a\0b"), environ={})


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
ANY_JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner), max_leaves=6
)


def sentences_about(path: Path) -> list[str] | None:
    try:
        load(path, environ={})
    except ConfigError as error:
        return error.problems
    return None


def some_keys(section: type[Settings] | type[TaskType]) -> st.SearchStrategy[dict[str, Any]]:
    names = [str(field.validation_alias) for field in section.model_fields.values()]
    return st.dictionaries(st.sampled_from([*names, *map(str.lower, names)]), ANY_JSON, max_size=6)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=ANY_JSON | some_keys(Settings), tasks=st.none() | st.lists(some_keys(TaskType), max_size=2))
def test_arbitrary_json_loads_or_is_refused_with_sentences(tmp_path: Path, document: Any, tasks: Any) -> None:
    if isinstance(document, dict) and tasks is not None:
        document = document | {"Tasks": tasks, "RedisQueueKey": "q"}
    path = tmp_path / "c.json"
    path.write_text(json.dumps(document))

    found = sentences_about(path)

    assert found is None or found
    assert all(sentence.isprintable() and "another value" not in sentence for sentence in found or [])

"""The configuration: `load` reads it once, whole, or says everything that is wrong with it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr, ValidationError

from goophry.config_address import without_credentials
from goophry.config_api import ApiToken, token_problem
from goophry.config_checks import problems_between
from goophry.config_door_types import with_door_types
from goophry.config_fields import keys_of, secret_keys
from goophry.config_file import Given, read
from goophry.config_kinds import REQUIRED_OF_KIND
from goophry.config_models import Settings
from goophry.config_schedule import Schedule
from goophry.config_secrets import secret_in
from goophry.config_sentences import MISSING, Place, Problem, problems_of, sentences
from goophry.config_smtp import Smtp
from goophry.config_task import ExitCodes, Limits, TaskType, Unique
from goophry.config_types import Context
from goophry.errors import ConfigError

__all__ = [
    "ApiToken",
    "ExitCodes",
    "Limits",
    "Schedule",
    "Settings",
    "Smtp",
    "TaskType",
    "Unique",
    "json_schema",
    "load",
    "of_values",
    "type_named",
]

#: What the files hold that keys name.
_SECRETS: Final[Mapping[str | int, str]] = {
    "RedisPasswordFile": "password",
    "RedisSentinelPasswordFile": "password",
    "TokenFile": "token",
}


def load(path: Path, *, environ: Mapping[str, str]) -> Settings:
    """Read the file at `path`, laid over by the `GOOPHRY_` variables of `environ`.

    Paths come out absolute, seen from the folder of the file; a task type has everything that it
    takes over from the top level; the password is read from its file or taken out of the URL.
    Raises `ConfigError` with one sentence for each problem.
    """
    folder = Path(os.path.abspath(path)).parent  # noqa: PTH100 - resolve() would follow a linked file out of its folder
    given = read(path, section=Settings, environ=environ)
    return _checked(given, folder=folder, path=environ.get("PATH", os.defpath))


def of_values(values: Mapping[str, Any], *, folder: Path) -> Settings:
    """Return what a file in `folder` with these keys, spelt as documented, would be. Raises `ConfigError` as `load` does."""
    return _checked(Given(dict(values)), folder=folder, path=os.defpath)


def type_named(name: str) -> TaskType:
    """Return a type of which nothing but the name is known. Raises `ConfigError` if that can be none."""
    try:
        return TaskType(type=name, script=("unknown",))
    except ValidationError as error:
        raise ConfigError(sentences(list(problems_of(error, secret=())), variables={})) from error


def _checked(given: Given, *, folder: Path, path: str) -> Settings:
    unread = {(MISSING, problem.place) for problem in given.problems}
    between = problems_between(given.values)
    problems = [*given.problems, *(each for each in between if (each.text, each.place) not in unread)]
    context: Context = {"folder": folder, "path": path}
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(given.values, context=context)
    except ValidationError as error:
        told = {problem.place for problem in problems}
        found = problems_of(error, secret=set(secret_keys(Settings)))
        problems += [problem for problem in found if not (problem.text == MISSING and problem.place in told)]
    password, sentinel_password = (
        _password_in((key,), given.values.get(key), folder, problems)
        for key in ("RedisPasswordFile", "RedisSentinelPasswordFile")
    )
    tokens = _tokens_of_files(given.values.get("ApiTokens"), folder, problems)
    if settings is None or problems:
        raise ConfigError(sentences(problems, variables=given.variables))
    if sentinel_password is not None:
        settings = settings.model_copy(update={"redis_sentinel_password": sentinel_password})
    settings = settings.model_copy(
        update={
            "api_tokens": tuple(
                token.model_copy(update={"token": tokens.get(index, token.token)})
                for index, token in enumerate(settings.api_tokens)
            )
        }
    )
    return with_door_types(_with_address_resolved(settings, password=password, folder=folder))


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the file, for editors."""
    schema = Settings.model_json_schema()
    for key in _inherited_keys():
        schema["$defs"]["TaskType"]["properties"][key].pop("default", None)
    some = {"required": ["Tasks"], "properties": {"Tasks": {"minItems": 1}}}
    schema["anyOf"] = [some, {"required": ["Doors"], "properties": {"Doors": {"minProperties": 1}}}]
    schema["$defs"]["TaskType"]["allOf"] = [_needs(kind) for kind in REQUIRED_OF_KIND]
    for section in (schema, *schema["$defs"].values()):
        if "properties" in section:
            section["patternProperties"] = {"^[_$]": {}}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _needs(kind: str) -> dict[str, Any]:
    """Say in JSON Schema which keys the Kind cannot do without."""
    is_kind: dict[str, Any] = {"properties": {"Kind": {"const": kind}}}
    if kind != keys_of(TaskType)["Kind"].default:
        is_kind["required"] = ["Kind"]
    return {"if": is_kind, "then": {"required": list(REQUIRED_OF_KIND[kind])}}


def _inherited_keys() -> list[str]:
    return [key for key in keys_of(TaskType) if key in keys_of(Settings)]


def _tokens_of_files(given: Any, folder: Path, problems: list[Problem]) -> dict[int, SecretStr]:
    found = {}
    for index, token in enumerate(given if isinstance(given, list) else []):
        place = ("ApiTokens", index, "TokenFile")
        secret = _password_in(place, token.get("TokenFile") if isinstance(token, dict) else None, folder, problems)
        if secret is None:
            continue
        problem = token_problem(secret.get_secret_value())
        if problem:
            problems.append(Problem(place, f"expected in the file {problem}"))
        found[index] = secret
    return found


def _password_in(place: Place, file: Any, folder: Path, problems: list[Problem]) -> SecretStr | None:
    if not isinstance(file, str):
        return None
    if "\0" in file:  # of which the model tells
        return None
    try:
        return SecretStr(secret_in(folder / file, what=_SECRETS[place[-1]]))
    except ValueError as problem:
        problems.append(Problem(place, str(problem)))
        return None


def _with_address_resolved(settings: Settings, *, password: SecretStr | None, folder: Path) -> Settings:
    """Make the address one that may be shown, with what it carried where it belongs."""
    if settings.redis_network == "unix":
        return settings.model_copy(
            update={
                "redis_address": str(folder / settings.redis_address),
                "redis_password": settings.redis_password or password,
            }
        )
    address, username, url_password = without_credentials(settings.redis_address)
    password = settings.redis_password or password or (SecretStr(url_password) if url_password else None)
    return settings.model_copy(
        update={
            "redis_address": f"localhost{address}" if address.startswith(":") else address,
            "redis_username": settings.redis_username or username,
            "redis_password": password,
        }
    )

"""The kinds of value that configuration keys have, beyond plain strings and numbers.

A validator raises `expected(…)`, the phrase that the sentence about the value is made of. Paths
are resolved against `folder` of the validation context, programs looked up on its `path`.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypedDict

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from goophry import rate, retry
from goophry.args_schema import ArgsSchema, schema_of
from goophry.config_address import host_and_port
from goophry.config_sentences import printable
from goophry.rate import RateLimit
from goophry.retry import RetryPolicy

#: Longest time span in seconds, over 31 years: beyond it the timers of the system overflow.
MAX_SECONDS: Final = 1_000_000_000
_MAX_ID: Final = 2**32 - 2


class Context(TypedDict):
    """What validation is told beside the values; without it paths stay as they are."""

    folder: Path
    """Where relative paths begin: the folder of the file."""
    path: str
    """Where bare words are looked for, as PATH has it."""


def expected(what: str) -> PydanticCustomError:
    """Return the error that becomes `<place>: expected <what>, found <value>`."""
    return PydanticCustomError("expected", "expected {what}", {"what": what})


def told(text: str) -> PydanticCustomError:
    """Return the error that becomes `<place>: <text>`; `text` shows the value as far as it may be seen."""
    return PydanticCustomError("told", "{what}", {"what": text})


def sentence(text: str) -> PydanticCustomError:
    """Return the error that becomes `<place>: <text>`."""
    return PydanticCustomError("sentence", "{text}", {"text": text})


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise expected("text without a NUL character")
    return text


def _filled(text: str) -> str:
    if not text:
        raise expected("text that is not empty")
    return text


def _path(value: Any, info: ValidationInfo) -> Path:
    if isinstance(value, Path):
        return folder_of(info) / value
    if not isinstance(value, str) or not value or "\0" in value:
        raise expected("a path")
    return folder_of(info) / value


def _path_or_nothing(value: Any) -> Any:
    return None if value == "" else value


def _command(value: Any, info: ValidationInfo) -> tuple[str, ...]:
    """Make the program absolute: a string is a path, the first of a list may also be a word on PATH."""
    if isinstance(value, str) and value and "\0" not in value:
        return (str(folder_of(info) / value),)
    if not is_texts(value) or not value or not value[0]:
        raise expected("a path, or a list of strings that begins with the program")
    program, *arguments = value
    return (_program(program, info), *(_argument(argument, info) for argument in arguments))


def _program(word: str, info: ValidationInfo) -> str:
    if "/" in word or info.context is None:
        return str(folder_of(info) / word)
    found = shutil.which(word, path=info.context["path"])
    if found is None:
        raise expected("a program that PATH has, or a path with a / in it")
    return str(folder_of(info) / found)


def _argument(argument: str, info: ValidationInfo) -> str:
    return str(folder_of(info) / argument) if argument.startswith(("./", "../")) else argument


def folder_of(info: ValidationInfo) -> Path:
    """Return where relative paths begin."""
    context: Context | None = info.context
    return context["folder"] if context else Path()


def is_texts(value: Any) -> bool:
    """Whether it is a list of strings without NUL."""
    return isinstance(value, list | tuple) and all(isinstance(item, str) and "\0" not in item for item in value)


def _account(value: Any) -> str | int:
    is_number = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_ID
    is_name = isinstance(value, str) and value and "\0" not in value
    if not is_number and not is_name:
        raise expected("a name or a number")
    return value  # type: ignore[no-any-return]


def _octal(value: Any) -> int:
    if isinstance(value, str) and re.fullmatch("[0-7]{1,3}|0[0-7]{3}", value):
        return int(value, 8)
    raise expected('octal digits in a string, as "022"')


def _variable(name: str) -> str:
    if not name or "=" in name or "\0" in name:
        raise expected("names of variables, neither empty nor with = or NUL")
    return name


def _inherit(value: Any) -> Any:
    if value in ("all", "none"):
        return value
    if not is_texts(value) or not all(name and "=" not in name for name in value):
        raise expected('"all", "none" or a list of names')
    return tuple(value)


def _modules(value: Any) -> tuple[str, ...]:
    if not is_texts(value) or not all(part.isidentifier() for name in value for part in name.split(".")):
        raise expected('a list of names of Python modules, as ["json","http.client"]')
    return tuple(value)


def _retry(value: Any) -> RetryPolicy:
    try:
        return retry.parse(value)
    except ValueError as error:
        raise expected(str(error)) from error


def _args_schema(value: Any, info: ValidationInfo) -> ArgsSchema:
    if isinstance(value, ArgsSchema):
        return value
    where = "a JSON Schema"
    if isinstance(value, str) and value and "\0" not in value:
        path = folder_of(info) / value
        where = f"a JSON Schema in {printable(str(path))}"
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise expected(f"{where}, which cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise expected(f"{where}, which is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise expected(f"{where} as an object, or the path of a file with one")
    try:
        return schema_of(value)
    except ValueError as error:
        raise expected(f"{where} ({printable(str(error))})") from error


def _rate(value: Any) -> RateLimit:
    if isinstance(value, RateLimit):
        return value
    try:
        return rate.parse(value)
    except ValueError as error:
        raise expected(str(error)) from error


def _interface(text: str) -> str:
    if host_and_port(text) is None:
        raise expected("ip:port, or :port for all interfaces")
    return text


def _pattern(text: str) -> str:
    if not text.startswith("/"):
        raise expected("a path that starts with /")
    return text


Text = Annotated[str, AfterValidator(_without_nul)]
FilledText = Annotated[Text, AfterValidator(_filled), Field(json_schema_extra={"minLength": 1})]
ConfigPath = Annotated[Path, BeforeValidator(_path, json_schema_input_type=str)]
#: An empty string switches off what the top level has.
SwitchablePath = Annotated[ConfigPath | None, BeforeValidator(_path_or_nothing, json_schema_input_type=str | None)]
Command = Annotated[
    tuple[str, ...],
    BeforeValidator(_command, json_schema_input_type=str | Annotated[list[str], Field(min_length=1)]),
]
Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS)]
#: Whole seconds; less than none is none, as in the original.
ExpirySeconds = Annotated[int, Field(le=MAX_SECONDS), AfterValidator(lambda seconds: max(seconds, 0))]
#: Zero and less is one, as in the original.
WorkerCount = Annotated[int, Field(le=65_536), AfterValidator(lambda count: max(count, 1))]
Port = Annotated[int, Field(ge=0, le=65_535)]
Account = Annotated[str | int, BeforeValidator(_account, json_schema_input_type=str | Annotated[int, Field(ge=0)])]
OctalDigits = Annotated[
    int, BeforeValidator(_octal, json_schema_input_type=Annotated[str, Field(pattern="^(0?[0-7]{3}|[0-7]{1,2})$")])
]
VariableName = Annotated[str, AfterValidator(_variable)]
#: May hold secrets: no message shows a value of it.
Environment = dict[VariableName, Text]
Inherit = Annotated[
    Literal["all", "none"] | tuple[str, ...],
    BeforeValidator(_inherit, json_schema_input_type=Literal["all", "none"] | list[str]),
]
Modules = Annotated[tuple[str, ...], BeforeValidator(_modules, json_schema_input_type=list[str])]
_SECONDS_SCHEMA: Final = {"type": "number", "minimum": 0, "maximum": retry.MAX_DELAY_S}
Retry = Annotated[
    RetryPolicy,
    PlainValidator(_retry),
    PlainSerializer(lambda policy: policy, return_type=Any),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": _SECONDS_SCHEMA},
                {
                    "type": "object",
                    "properties": {
                        "Times": {"type": "integer", "minimum": 0, "maximum": retry.MAX_TIMES},
                        "Min": _SECONDS_SCHEMA,
                        "Max": _SECONDS_SCHEMA,
                        "Factor": {"type": "number", "minimum": 1, "maximum": 1000},
                        "Jitter": {"type": "boolean"},
                    },
                    "required": ["Times"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
Rate = Annotated[
    RateLimit,
    PlainValidator(_rate),
    PlainSerializer(lambda limit: limit, return_type=Any),
    WithJsonSchema({"type": "string", "pattern": f"^[1-9][0-9]*/({'|'.join(rate.SPANS_S)})$"}),
]
#: Inline, or the path of a file.
Schema = Annotated[
    ArgsSchema,
    PlainValidator(_args_schema),
    PlainSerializer(lambda schema: schema.source, return_type=Any),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object", "properties": {}}]}),
]
ExitCodeList = Annotated[tuple[Annotated[int, Field(ge=0, le=255)], ...], Field(strict=False)]
ResourceLimit = Annotated[int, Field(ge=0, le=2**63 - 1)]
Interface = Annotated[str, AfterValidator(_interface)]
UrlPath = Annotated[str, AfterValidator(_pattern), Field(json_schema_extra={"pattern": "^/"})]
Delivery = Literal["at-least-once", "at-most-once"]

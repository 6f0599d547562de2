"""docs/routes.md: every route of the HTTP API, from its OpenAPI document."""

from typing import Any, Final

from fastapi import FastAPI

from generating.markers import table
from goophry.web.api import document, failed, later, tasks, types
from goophry.web.api.app import routes
from goophry.web.api.events import Events
from goophry.web.api.guard import ROLE
from goophry.web.api.output import Output
from goophry.web.api.sessions import Sessions
from goophry.web.api.table import PREFIX

_HEAD: Final = """\
<!-- Written by scripts/generate-docs; changes here are lost. -->
# Routes of the HTTP API

What the OpenAPI document at `/api/v1/openapi.json` says. How to use them, tokens and roles, and the shape of errors are told in [api.md](api.md). All paths begin with `/api/v1`; a `type` or an `id` with a slash in it is written with `%2F`.

"""

#: What every route may answer is told once.
_COMMON: Final = {
    "400": "the body is not JSON",
    "401": "no token, or a wrong one",
    "403": "the role may not do this, or a page of another site asks",
    "413": "the body is too long",
    "415": "the body is not sent as `application/json`",
    "422": "the request does not say what it should",
    "503": "Redis is away or full",
}
#: What parts of paths are.
_IN_PATHS: Final = {
    "type": "Name of a task type.",
    "id": "Id of a task.",
    "key": "Key of the entry, as the list has it.",
    "name": "Name of a schedule.",
    "run": "Run, as `/running` has it.",
}
_HANDLERS: Final = {
    "types": types.Types,
    "events": Events,
    "output": Output,
    "tasks": tasks.Tasks,
    "failed": failed.Failed,
    "delayed": later.Delayed,
    "schedules": later.Schedules,
    "sessions": Sessions,
}


def page(_: str) -> str:
    """Return the page."""
    told = _document()
    operations = [
        (method.upper(), path.removeprefix(PREFIX), operation)
        for path, methods in told["paths"].items()
        for method, operation in methods.items()
    ]
    rows = [[f"`{method} {path}`", each.get(ROLE, "all"), _first_sentence(each)] for method, path, each in operations]
    common = [[status, meaning] for status, meaning in _COMMON.items()]
    parts = [_HEAD, table(["route", "role", "does"], *rows), "\n## What any of them may answer\n\n"]
    parts.append(table(["status", "meaning"], *common))
    parts.append("\nThese have a [ProblemDetails](#problemdetails) as their body.\n")
    parts += [_section(method, path, operation) for method, path, operation in operations]
    parts.append("\n## Bodies\n")
    asked = {_asked(each)["$ref"].rpartition("/")[2] for _, _, each in operations if "requestBody" in each}
    schemas = sorted(told["components"]["schemas"].items())
    parts += [_body(name, schema, with_defaults=name in asked) for name, schema in schemas]
    return "".join(parts)


def _document() -> dict[str, Any]:
    app = FastAPI()
    # Only what their methods take and return is looked at.
    app.include_router(routes({name: kind.__new__(kind) for name, kind in _HANDLERS.items()}))
    document.install(app)
    return app.openapi()


def _section(method: str, path: str, operation: dict[str, Any]) -> str:
    role = operation.get(ROLE)
    taker = f"Role: {role}." if role else "For everybody."
    parts = [f"\n## {method} {path}\n\n{_prose(operation.get('description', ''))}\n\n{taker}\n"]
    rows = [_parameter(each) for each in operation.get("parameters", [])]
    if rows:
        parts.append("\n" + table(["parameter", "in", "value", "meaning"], *rows))
    if "requestBody" in operation:
        parts.append(f"\nBody: {_kind(_asked(operation))}.\n")
    answers = [
        [status, _answer(answer)]
        for status, answer in sorted(operation["responses"].items())
        if status not in _COMMON or status == "200"
    ]
    return "".join(parts) + "\n" + table(["answer", "body"], *answers)


def _parameter(parameter: dict[str, Any]) -> list[str]:
    meaning = parameter.get("description") or parameter["schema"].get("description") or _IN_PATHS[parameter["name"]]
    needed = "" if parameter.get("required") else _default(parameter["schema"])
    return [f"`{parameter['name']}`", parameter["in"], _kind(parameter["schema"]) + needed, _prose(meaning)]


def _answer(answer: dict[str, Any]) -> str:
    contents = answer.get("content", {})
    for media_type, content in contents.items():
        if "event-stream" in media_type:
            return "server-sent events"
        return _kind(content.get("schema", {})) or answer["description"]
    return "nothing"


def _asked(operation: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = operation["requestBody"]["content"]["application/json"]["schema"]
    return found


def _body(name: str, schema: dict[str, Any], *, with_defaults: bool) -> str:
    rows = [
        [f"**{key}**", _kind(value) + (_default(value) if with_defaults else ""), _prose(value.get("description", ""))]
        for key, value in schema.get("properties", {}).items()
    ]
    keys = "\n" + table(["key", "value", "meaning"], *rows) if rows else ""
    return f"\n### {name}\n\n{_prose(schema.get('description', ''))}\n{keys}"


def _default(schema: dict[str, Any]) -> str:
    default = schema.get("default")
    return f"; `{default}` unless given" if default not in (None, "", [], {}) else ""


def _kind(schema: dict[str, Any]) -> str:
    """Say in a few words which values there may be."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(filter(None, map(_kind, schema["anyOf"]))))
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{choice}`" for choice in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"array of {_kind(schema.get('items', {})) or 'values'}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_kind(schema['additionalProperties']) or 'values'}"
    return str(schema.get("type", ""))


def _first_sentence(operation: dict[str, Any]) -> str:
    return _prose(operation["description"]).partition(". ")[0].removesuffix(".")


def _prose(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")

"""The OpenAPI document: what FastAPI makes of the handlers, with access and problems added."""

import http
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

import goophry
from goophry.web.api import problems
from goophry.web.api.access import COOKIE
from goophry.web.api.table import ALSO, PREFIX, TABLE, Entry

_ABOUT: Final = """
Everything that goophry does with task types and tasks. Keys of bodies are spelt `LikeThis`; moments are Unix
seconds, spans seconds. Every error is a problem detail (RFC 9457).

Send a token as `Authorization: Bearer …`. Each operation names the role that it takes in `x-role`; a role may do
everything that the roles before it may: viewer, submitter, operator. Without ApiTokens goophry listens to this
machine alone, and everybody is an operator.
"""

_SCHEMES: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "One of ApiTokens."},
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "From POST /api/v1/session."},
}
_REF: Final = "#/components/schemas/{model}"


def install(app: FastAPI) -> None:
    """Have the application serve the document; it is made when it is asked for first."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign] # FastAPI's own way of replacing it


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title="goophry",
        version=goophry.__version__,
        description=_ABOUT,
        routes=app.routes,
        separate_input_output_schemas=False,
    )
    more = [(model, "serialization") for model in (problems.ProblemDetails, *ALSO.values())]
    _, found = models_json_schema(more, ref_template=_REF)  # type: ignore[arg-type] # its modes are literals
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for name, schema in found.get("$defs", {}).items():
        schemas.setdefault(name, schema)
    document["components"]["securitySchemes"] = _SCHEMES
    for entry in TABLE:
        path = PREFIX + entry.path.replace(":path", "")
        _complete(document["paths"][path][entry.method.lower()], entry)
    return document


def _complete(operation: dict[str, Any], entry: Entry) -> None:
    has_body = "requestBody" in operation
    statuses = {503, *entry.also, *((401, 403) if entry.role else ()), *((400, 413, 415) if has_body else ())}
    if has_body or "parameters" in operation:
        statuses.add(422)
    if entry.role:
        operation["security"] = [{"bearer": []}, {"session": []}]
    for status in sorted(statuses - {entry.status}):
        operation["responses"][str(status)] = _response(entry.handler, status)


def _response(handler: str, status: int) -> dict[str, Any]:
    model = ALSO.get((handler, status), problems.ProblemDetails)
    media_type = problems.MEDIA_TYPE if model is problems.ProblemDetails else "application/json"
    schema = {"$ref": _REF.format(model=model.__name__)}
    return {"description": http.HTTPStatus(status).phrase, "content": {media_type: {"schema": schema}}}

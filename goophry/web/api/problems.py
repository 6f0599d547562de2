"""Errors as problem details (RFC 9457): one shape, whatever went wrong."""

import http
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from goophry.errors import StoreError

MEDIA_TYPE: Final = "application/problem+json"

#: Seconds after which a client may try again while Redis is away.
_RETRY_AFTER_S: Final = 2

_NO_JSON: Final = "the body is not JSON that can be read"


class Fault(BaseModel):
    """One thing wrong with a request."""

    where: str = Field(serialization_alias="Where", examples=["body.Args.0"])
    what: str = Field(serialization_alias="What", examples=["Input should be a valid string"])


class ProblemDetails(BaseModel):
    """What went wrong."""

    type: str = Field("about:blank", description="Always `about:blank`: the status says which kind of problem it is.")
    title: str = Field(description="The name of the status.", examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(description="A sentence for people.", examples=["there is no task type 'resize'"])
    faults: list[Fault] | None = Field(
        None, serialization_alias="Faults", description="For 422: each thing wrong with the request."
    )
    id: str | None = Field(None, serialization_alias="Id", description="For 409: the task that is there already.")


class Problem(Exception):
    """Ends a request with a problem; `more` are members of its body beside those that all have."""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers, self.more = status, detail, headers or {}, more


def response(problem: Problem) -> Response:
    """Return the answer that tells of the problem."""
    body = {
        "type": "about:blank",
        "title": http.HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        **problem.more,
    }
    content = json.dumps(body, ensure_ascii=False).encode(errors="replace")
    return Response(content, problem.status, headers=dict(problem.headers), media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Have every error of the application told as a problem. What is unforeseen is left to the limits around it."""

    async def own(_request: Request, error: Exception) -> Response:
        return response(error if isinstance(error, Problem) else Problem(500, "internal error"))

    async def store(_request: Request, error: Exception) -> Response:
        headers = {"retry-after": str(_RETRY_AFTER_S)}
        return response(Problem(503, f"Redis: {error}", headers=headers))

    async def framework(_request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        return response(Problem(error.status_code, _detail(error), headers=error.headers))

    async def invalid(_request: Request, error: Exception) -> Response:
        return response(_invalid(error.errors() if isinstance(error, RequestValidationError) else []))

    app.add_exception_handler(Problem, own)
    app.add_exception_handler(StoreError, store)
    app.add_exception_handler(HTTPException, framework)
    app.add_exception_handler(RequestValidationError, invalid)


def _detail(error: HTTPException) -> str:
    if error.status_code == http.HTTPStatus.NOT_FOUND:
        return "there is nothing at this address"
    if error.status_code == http.HTTPStatus.METHOD_NOT_ALLOWED:
        return f"expected {(error.headers or {}).get('Allow', 'another method')}"
    if error.status_code == http.HTTPStatus.BAD_REQUEST:
        return _NO_JSON
    return str(error.detail)


def _invalid(errors: Sequence[Any]) -> Problem:
    if any(error["type"] == "json_invalid" for error in errors):
        return Problem(400, _NO_JSON)
    faults = [{"Where": ".".join(map(str, error["loc"])), "What": error["msg"]} for error in errors]
    return Problem(422, "the request does not say what it should", Faults=faults)

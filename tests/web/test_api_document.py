"""The OpenAPI document, and thousands of requests made from it."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from web.api_site import TOKENS, ApiSite, shell

from goophry.config import Schedule
from goophry.web.api.table import PREFIX, TABLE

if TYPE_CHECKING:
    import schemathesis

pytest_plugins = ("web.fixtures",)

Start = Callable[..., ApiSite]
SCHEDULE = Schedule(name="s", cron="0 3 * * *", type="t")
STREAMS = {"events.live", "output.of_task", "output.of_run"}


@pytest.fixture
def document(api: Start) -> dict[str, Any]:
    found: dict[str, Any] = api(shell("t", "true")).get("/openapi.json", role=None).json
    return found


def test_every_route_is_in_the_document_with_its_role(document: dict[str, Any]) -> None:
    assert sum(len(methods) for methods in document["paths"].values()) == len(TABLE)
    for entry in TABLE:
        operation = document["paths"][PREFIX + entry.path.replace(":path", "")][entry.method.lower()]
        assert operation.get("x-role") == entry.role
        assert ("security" in operation) == (entry.role is not None)
        assert operation["summary"]
        assert operation["description"] or entry.role is None
        if entry.role is not None:
            assert {"401", "403", "503"} <= operation["responses"].keys()
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                (media_type,) = response["content"]
                assert media_type == "application/problem+json", (entry, status)


def test_every_reference_resolves_and_examples_are_there(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    text = json.dumps(document)
    for reference in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert reference in schemas
    assert schemas["TaskIn"]["properties"]["Args"]["examples"]
    assert schemas["ProblemDetails"]["properties"]["detail"]["examples"]


def test_requests_made_from_the_document_never_find_a_fault_of_ours(api: Start) -> None:
    from schemathesis import openapi  # noqa: PLC0415 - takes half a second, and one test needs it

    site = api(shell("t", "true"), schedules=(SCHEDULE,))
    url = f"http://127.0.0.1:{site.port}{PREFIX}/openapi.json"
    schema = openapi.from_url(url)
    headers = {"Authorization": f"Bearer {TOKENS['operator']}"}
    tried = []

    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.definition.raw["operationId"].replace("_", ".", 1) in STREAMS:
            continue

        @hypothesis.given(case=operation.as_strategy())
        @hypothesis.settings(max_examples=15, database=None, suppress_health_check=list(hypothesis.HealthCheck))
        def no_fault(case: "schemathesis.Case") -> None:
            response = case.call(headers=headers, timeout=30)
            assert response.status_code < 500, (case.method, case.path, response.text)
            if response.status_code >= 400:
                assert response.headers["content-type"] == ["application/problem+json"]

        no_fault()
        tried.append(operation.label)

    assert len(tried) == len(TABLE) - len(STREAMS)

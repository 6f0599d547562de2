"""What a client asks for is what it gets."""

import pytest

from goophry.web.accept import UnknownFormError, chosen
from goophry.web.stats_page import FORMS

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "prometheus"),
        ("*/*", "prometheus"),
        (BROWSER, "html"),
        (PROMETHEUS_3, "openmetrics"),
        ("text/plain;version=0.0.4", "prometheus"),
        ("application/json", "json"),
        ("APPLICATION/JSON; charset=utf-8", "json"),
        ("application/json, text/plain, */*", "json"),
        ("text/plain, application/json", "prometheus"),
        ("application/json;q=0.5, text/html;q=0.4", "json"),
        ("application/json;q=0.4, text/html;q=0.5", "html"),
        ("*/*, application/json", "json"),
        ("text/*", "prometheus"),
        ("application/*", "json"),
        ("text/*;q=0.5, text/html;q=0.1", "prometheus"),
        ("application/json;q=0", "prometheus"),
        ("*/*;q=0.1, text/plain;q=0", "json"),
        ("image/png", "prometheus"),
        ("application/json;q=nonsense, text/html", "html"),
        (",;,/,*;q=,text/html;q=1.0000", "prometheus"),
        ("text/html;level=1;q=0.2, application/json;q=0.3", "json"),
    ],
)
def test_accept_decides(accept: str, form: str) -> None:
    assert chosen(FORMS, query="", accept=accept).name == form


@pytest.mark.parametrize("form", ["prometheus", "json", "openmetrics", "html"])
def test_format_in_the_query_beats_accept(form: str) -> None:
    assert chosen(FORMS, query=f"x=1&format={form.upper()}", accept="image/png").name == form


def test_an_unknown_format_names_those_that_exist() -> None:
    with pytest.raises(UnknownFormError, match="expected one of prometheus, json, openmetrics, html"):
        chosen(FORMS, query="format=xml", accept="*/*")

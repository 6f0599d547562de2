"""The kinds of value that go with the Kind of a task type."""

import contextlib
import ipaddress
import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, PlainValidator, ValidationInfo, WithJsonSchema

from goophry.config_types import expected, folder_of, is_texts
from goophry.http_headers import FRAMING, headers_problem
from goophry.program_globs import absolute
from goophry.url_prefixes import Network, UrlPrefix, parse_prefix
from goophry.urls import Url, parse_url


def _program_globs(value: Any, info: ValidationInfo) -> tuple[str, ...]:
    """Make the globs of paths absolute, as the paths are that they will be held against."""
    if not is_texts(value) or not value or not all(value):
        raise expected('a list of names or globs of programs, as ["php","/srv/app/bin/*"], or ["*"] for all')
    folder = str(folder_of(info))
    return tuple(absolute(glob, folder=folder) if "/" in glob else glob for glob in value)


def _url_prefixes(value: Any) -> tuple[UrlPrefix, ...]:
    if not is_texts(value) or not value:
        raise expected('a list of URL prefixes, as ["https://api.example.org/v1/"], or ["*"] for all')
    prefixes = []
    for text in value:
        try:
            prefixes.append(parse_prefix(text))
        except ValueError as error:
            raise expected(f'URL prefixes, as "https://api.example.org/v1/": {error}') from error
    return tuple(prefixes)


def _networks(value: Any) -> tuple[Network, ...]:
    with contextlib.suppress(ValueError):
        if is_texts(value):
            return tuple(ipaddress.ip_network(text) for text in value)
    raise expected('a list of networks, as ["10.1.0.0/16","192.168.1.7/32","fd00::/8"]')


def _proxy(value: Any) -> Url | None:
    if value is None:
        return None
    try:
        url = parse_url(value) if isinstance(value, str) else None
    except ValueError:
        url = None
    if url is None or url.scheme != "http" or url.target != "/":
        raise expected("the URL of a proxy, as http://proxy.example.org:3128")
    return url


def _success(value: Any) -> tuple[str, ...]:
    if not is_texts(value) or not value or not all(re.fullmatch("[1-5]([0-9]{2}|xx)", text) for text in value):
        raise expected('a list of statuses, as ["200","204"] or ["2xx"]')
    return tuple(value)


def _headers(value: Any) -> dict[str, str]:
    problem = headers_problem(value, forbidden=FRAMING)
    if problem:
        raise expected(problem)
    return dict(value)


ProgramGlobs = Annotated[
    tuple[str, ...],
    BeforeValidator(_program_globs, json_schema_input_type=Annotated[list[str], Field(min_length=1)]),
]
_TEXTS: Final = {"type": "array", "items": {"type": "string"}}
UrlPrefixes = Annotated[tuple[UrlPrefix, ...], PlainValidator(_url_prefixes), WithJsonSchema(_TEXTS | {"minItems": 1})]
Networks = Annotated[tuple[Network, ...], PlainValidator(_networks), WithJsonSchema(_TEXTS)]
ProxyUrl = Annotated[Url | None, PlainValidator(_proxy), WithJsonSchema({"type": "string"})]
Statuses = Annotated[tuple[str, ...], PlainValidator(_success), WithJsonSchema(_TEXTS | {"minItems": 1})]
#: May hold secrets: no message shows a value of it.
Headers = Annotated[
    dict[str, str],
    PlainValidator(_headers),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]

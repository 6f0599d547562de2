"""One request and its answer over a connection that stands."""

import http.client
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from urllib3.connection import HTTPConnection
from urllib3.exceptions import DecodeError, HTTPError, InvalidChunkLength, ProtocolError
from urllib3.response import BaseHTTPResponse
from urllib3.util import SKIP_HEADER

from goophry.outcome import NOTHING, Captured
from goophry.runners.errand import Undone
from goophry.runners.http_request import REDIRECTS, Request
from goophry.runners.output import Capture
from goophry.runners.patience import Patience
from goophry.runners.stream import Stream
from goophry.runners.troubles import in_words

_CHUNK: Final = 64 * 1024
#: Headers that the library would send of its own accord.
_SKIPPED: Final = ("Accept-Encoding", "User-Agent")
#: Longest piece of what came instead of an answer that is shown, in characters.
_SHOWN: Final = 200


class NoAnswer(Undone):
    """There was no answer, or none that can be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; `location` is set only where it says to ask elsewhere."""

    status: int
    location: str | None = None
    body: Captured = NOTHING


def exchange(
    request: Request, stream: Stream, patience: Patience, *, keep_body: Callable[[Answer], bool], output_limit: int
) -> Answer:
    """Send `request` and read the answer, its body only if `keep_body` says so of the rest.

    Raises `NoAnswer` and `RunEnded`.
    """
    connection = HTTPConnection(request.url.host, request.url.port)
    # Neither a lookup nor a connection of the library's own: only this one was checked.
    connection.sock, connection.auto_open = stream, 0
    try:
        response = _answer_to(request, connection, patience)
        answer = Answer(response.status, _location(response))
        if not keep_body(answer):
            return answer
        return Answer(answer.status, answer.location, _body(response, patience, output_limit=output_limit))
    except (OSError, http.client.HTTPException, HTTPError) as error:
        raise NoAnswer(reason_of(error)) from error


def _answer_to(request: Request, connection: HTTPConnection, patience: Patience) -> BaseHTTPResponse:
    headers = dict.fromkeys(_SKIPPED, SKIP_HEADER) | {"Connection": "close"}
    given = request.complete_headers()
    names = {name.lower() for name in given}
    headers = {name: text for name, text in headers.items() if name.lower() not in names} | given
    cut_off = None
    patience.doing = "sending the request"
    try:
        connection.request(request.method, request.target, request.body, headers, preload_content=False)
    except (BrokenPipeError, ConnectionResetError) as error:
        # Who does not want to read all of it may have said why.
        cut_off = error
    patience.doing = "waiting for the answer"
    try:
        return connection.getresponse()
    except (OSError, http.client.HTTPException):
        if cut_off is not None:
            raise cut_off from None
        raise


def _location(response: BaseHTTPResponse) -> str | None:
    found = response.headers.getlist("Location") if response.status in REDIRECTS else []
    # The library reads headers as Latin-1; what stands there is UTF-8, if anything.
    return found[0].encode("latin-1", "replace").decode("utf-8", "surrogateescape") if found else None


def _body(response: BaseHTTPResponse, patience: Patience, *, output_limit: int) -> Captured:
    patience.doing = "reading the answer"
    capture = Capture(output_limit)
    for chunk in response.stream(_CHUNK, decode_content=True):
        capture.add(memoryview(chunk))
    return capture.captured()


def reason_of(error: Any) -> str:
    """Say in plain words what an error on the way to an answer means."""
    if isinstance(error, ProtocolError) and isinstance(error.args[-1], Exception):
        error = error.args[-1]  # what the library has wrapped
    if isinstance(error, http.client.RemoteDisconnected):
        return "the server closed the connection without an answer"
    if isinstance(error, OSError):
        return in_words(error)
    if isinstance(error, DecodeError):
        return "the body of the answer cannot be unpacked"
    if isinstance(error, ProtocolError | http.client.IncompleteRead) and not isinstance(error, InvalidChunkLength):
        return "the answer broke off in the middle"
    return f"the answer is not HTTP as it should be: {' '.join(str(error).split())[:_SHOWN]}"

"""Going through a transcript, with a door alone or with the whole program behind a socket."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from conftest import eventually
from doors.http_client import Answer, send
from doors.transcript import Block, Names, blocks

from goophry.doors.base import HttpDoor, Request
from goophry.submission import Submission

#: Headers that say nothing about the door.
_OF_THE_CARRIER = {"date", "connection"}


def go_through_alone(path: Path, door: HttpDoor, *, submitted: list[Submission], marks: Mapping[str, str]) -> None:
    """Hand the requests to the door itself."""

    def ask(raw: bytes) -> Answer:
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, target, _ = first.split(" ")
        path, _, query = target.partition("?")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        reply = door.answer(Request(method, path.encode(), query.encode(), headers, body))
        return Answer(reply.status, "", {**reply.headers, "Content-Length": str(len(reply.body))}, reply.body)

    def look(block: Block, names: Names) -> None:
        expected = {"timeout_s": None, "at_s": None, **block.json}
        found = submitted.pop()
        values: dict[str, Any] = {"type": found.type, "args": list(found.args), "id": found.id}
        values |= {"timeout_s": found.timeout_s, "at_s": found.at_s}
        values["retry"] = None if found.retry is None else found.retry.as_json()
        if "fields" in expected:
            values["fields"] = dict(found.fields)
        assert not names.differ(_text(expected), _text(values)), (expected, values)

    _go(path, ask, look, marks=marks, patient=False)


def go_through(path: Path, address: str, *, marks: Mapping[str, str]) -> None:
    """Send the requests over a socket."""

    def look(block: Block, names: Names) -> None:
        """What was put in can only be seen by what comes of it."""

    _go(path, lambda raw: send(address, raw), look, marks=marks, patient=True)


def _go(
    path: Path,
    ask: Callable[[bytes], Answer],
    look: Callable[[Block, Names], None],
    *,
    marks: Mapping[str, str],
    patient: bool,
) -> None:
    names, request = Names(), b""
    for block in blocks(path):
        block = Block(block.name, _marked(block.text, marks))  # noqa: PLW2901
        if block.name == "request":
            request = _bytes_of(block, names)
        elif block.name == "submission":
            look(block, names)
        elif block.name == "reply in the end" and patient:
            eventually(lambda: not _problem(block, ask(request), names), every=0.05, what=f"{block}")  # noqa: B023
        elif block.name.startswith("reply"):
            problem = _problem(block, ask(request), names)
            assert not problem, f"{path.name}: {request.decode(errors='replace')}\n{problem}"


def _problem(block: Block, answer: Answer, names: Names) -> str:
    status_line, headers = block.head
    found = {name: value for name, value in answer.headers.items() if name.lower() not in _OF_THE_CARRIER}
    if f" {answer.status} " not in status_line:
        return f"{answer} instead of {status_line}"
    if names.differ(block.body, answer.text):
        return f"{answer.text!r} instead of {block.body!r}"
    if "<time>" in block.body:
        headers.pop("Content-Length", None)
        found.pop("Content-Length", None)
    return "" if headers == found else f"headers {found} instead of {headers}"


def _bytes_of(block: Block, names: Names) -> bytes:
    first, headers = block.head
    body = names.put_in(block.body).encode(errors="surrogateescape")
    lines = [names.put_in(first), "Host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
    if body or first.startswith(("POST", "PUT")):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def _marked(text: str, marks: Mapping[str, str]) -> str:
    for mark, value in marks.items():
        text = text.replace(mark, value)
    return text


def _text(value: dict[str, Any]) -> str:
    return repr(sorted(value.items(), key=lambda item: item[0]))

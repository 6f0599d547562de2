"""poulpe's HTTP interface and its WebSocket: routes, the form of its answers, and its errors.

What a job is told of is status 200, whatever became of it; only the framework's own errors are
others. Over the WebSocket nothing is said but results.
"""

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import unquote_to_bytes

from goophry.clock import Clock
from goophry.doors.base import Later, Push, Reply, Request, Stop
from goophry.doors.poulpe_job import (
    PREFIX,
    Job,
    NotAJob,
    NotJson,
    compact,
    job_of,
    place_of,
    read_json,
    read_message,
    ticket_of,
)
from goophry.doors.poulpe_run import OK
from goophry.errors import GoophryError
from goophry.submission import InvalidSubmission

#: Seconds that a request for a result waits.
POLL_S: Final = 60.0

#: Longest wait that a client may ask for: a day.
LONGEST_WAIT_S: Final = 86_400.0

BODY_LIMIT: Final = 2_097_152

#: Bytes of a result over Kafka: brokers take 1 MiB, with what goes around it, unless they are told otherwise.
LONGEST_RESULT: Final = 900_000

_JSON: Final = {"Content-Type": "application/json"}
_TEXT: Final = {"Content-Type": "text/plain; charset=utf-8"}
_IS_JSON: Final = re.compile(r"\s*application/(?:json|[^\s;/]+\+json)\s*(?:;.*)?", re.IGNORECASE | re.DOTALL)
_NOT_JSON_TYPE: Final = Reply(415, b"Expected request with `Content-Type: application/json`", _TEXT)
_TOO_LONG: Final = Reply(413, b"Failed to buffer the request body: length limit exceeded", _TEXT)
_NOT_UPGRADED: Final = Reply(400, b"Connection header did not include 'upgrade'", _TEXT)
_NOT_FOUND: Final = Reply(404)
_READS: Final = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Said:
    """What was said of one attempt."""

    text: str
    """`OK`, or the error."""
    is_last: bool
    """Whether the job has ended with it."""


@dataclass(frozen=True, slots=True)
class Info:
    """All jobs at one moment."""

    waiting: Mapping[int, int]
    """How many wait for each worker."""
    delayed: Sequence[tuple[str, int]]
    """Keys, and when they are due, in Unix seconds."""
    working: Sequence[str]
    wrong: Sequence[str]


class PoulpeDesk(Protocol):
    """What the door needs of goophry. Every method but `watch` may raise `GoophryError`."""

    def take(self, jobs: Sequence[tuple[Job, str]]) -> None:
        """Take jobs in, each with a ticket of its own; one that is there by its key is replaced."""
        ...

    def watch(self, place: str, told: Callable[[], None]) -> Stop:
        """Have `told` called whenever something may have been said at this place; also at once."""
        ...

    def said(self, place: str) -> Said | None:
        """Take what was said there, the oldest first."""
        ...

    def put_back(self, place: str, said: Said) -> None:
        """Put back what was taken and reached nobody."""
        ...

    def info(self) -> Info:
        """Return all jobs."""
        ...


class PoulpeDoor:
    """Answers clients of poulpe."""

    name: Final = "poulpe"
    body_limit: Final = BODY_LIMIT
    socket_path: Final = b"/ws_task"

    def __init__(
        self,
        desk: PoulpeDesk,
        *,
        has_mail: bool,
        clock: Clock,
        new_ticket: Callable[[], object] = uuid.uuid4,
    ) -> None:
        """`has_mail` = there is a mail server, and a name to log in with."""
        self._desk = desk
        self._has_mail = has_mail
        self._clock = clock
        self._new_ticket = new_ticket

    def answer(self, request: Request) -> Reply | Later:
        """See `HttpDoor.answer`."""
        try:
            return self._answer(request)
        except InvalidSubmission as error:
            return _fail(str(error))
        except GoophryError as error:
            return _fail(str(error), status=503)

    def message(self, body: bytes) -> Push | None:
        """See `MessageDoor.message`. What is no job is passed over in silence."""
        try:
            job = read_message(body, source="ws", now=self._clock.now())
            ticket = self._take(job)
        except (NotJson, NotAJob, InvalidSubmission):
            return None
        return _Results(self._desk, ticket, subject=place_of(job.key)) if job.wait else None

    def _answer(self, request: Request) -> Reply | Later:
        path = request.path
        if path == b"/task_in_queue":
            return self._posted(request) if request.method == "POST" else _not_allowed("POST")
        key = path.removeprefix(b"/task_resp/")
        is_poll = key not in {path, b""} and b"/" not in key
        if not is_poll and path not in {b"/sys_info", self.socket_path}:
            return _NOT_FOUND
        if request.method not in _READS:
            return _not_allowed("GET,HEAD")
        if path == self.socket_path:
            return _NOT_UPGRADED
        return self._poll(key) if is_poll else _info(self._desk.info())

    def _posted(self, request: Request) -> Reply | Later:
        if not _IS_JSON.fullmatch(request.headers.get("content-type", "")):
            return _NOT_JSON_TYPE
        if request.body is None:
            return _TOO_LONG
        try:
            value = read_json(request.body)
        except NotJson as error:
            text = f"Failed to parse the request body as JSON: {error}"
            return Reply(400, text.encode(errors="replace"), _TEXT)
        try:
            job = job_of(value, source="web", now=self._clock.now())
        except NotAJob:
            return _fail(f"非法的请求:{compact(value)}")
        if job.kind == "MAIL_TO" and not self._has_mail:
            return _fail("未配置SMTP服务器")
        self._take(job)
        return (
            _Wait(self._desk, [place_of(job.key)], wait_s=min(float(job.wait), LONGEST_WAIT_S))
            if job.wait
            else _done(OK)
        )

    def _take(self, job: Job) -> str:
        ticket = ticket_of(job.key, self._new_ticket())
        self._desk.take([(job, ticket)])
        return ticket

    def _poll(self, segment: bytes) -> Reply | Later:
        try:
            key = unquote_to_bytes(segment).decode()
        except UnicodeDecodeError as error:
            return Reply(400, f"Invalid URL: {error}".encode(), _TEXT)
        return _Wait(self._desk, [place_of(key), place_of(PREFIX + key)], wait_s=POLL_S)


class _Wait:
    """A request that waits for what is said of a job; see `Later`."""

    def __init__(self, desk: PoulpeDesk, places: Sequence[str], *, wait_s: float) -> None:
        self.wait_s = wait_s
        self._desk = desk
        self._places = places
        self._taken: tuple[str, Said] | None = None

    def watch(self, told: Callable[[], None]) -> Stop:
        stops = [self._desk.watch(place, told) for place in self._places]

        def stop() -> None:
            for each in stops:
                each()

        return stop

    def look(self) -> Reply | None:
        try:
            for place in self._places:
                said = self._desk.said(place)
                if said is not None:
                    self._taken = (place, said)
                    return _done(said.text)
        except GoophryError as error:
            return _fail(str(error), status=503)
        return None

    def put_back(self) -> None:
        if self._taken is not None:
            self._desk.put_back(*self._taken)

    def late(self) -> Reply:
        return _json({"reason": "等待超时", "result": "Timeout"})


class _Results:
    """What is pushed to the WebSocket that a job came through; see `Push`. It keeps nothing of the job, which may be long."""

    def __init__(self, desk: PoulpeDesk, ticket: str, *, subject: str) -> None:
        self.subject = subject
        self._desk = desk
        self._ticket = ticket

    def watch(self, told: Callable[[], None]) -> Stop:
        return self._desk.watch(self._ticket, told)

    def take(self) -> tuple[Sequence[str], bool]:
        texts: list[str] = []
        while (said := self._desk.said(self._ticket)) is not None:
            texts.append(said.text)
            if said.is_last:
                return texts, True
        return texts, False


def result_message(key: str, text: str) -> str:
    """Return what is sent of an attempt over WebSocket and Kafka."""
    if text == OK:
        return compact({"request_id": key, "result": "OK"})
    return compact({"reason": text, "request_id": key, "result": "Fail"})


def short_result(key: str, text: str) -> bytes:
    """Return what is sent over Kafka: the reason is cut where the whole would be too large for brokers."""
    while True:
        message = result_message(key, text).encode(errors="replace")
        if len(message) <= LONGEST_RESULT or text in {"", OK}:
            return message
        text = text[: len(text) * LONGEST_RESULT // len(message) * 9 // 10]


def _done(text: str) -> Reply:
    return _json({"reason": "", "result": "OK"}) if text == OK else _fail(f"错误：{text}")


def _fail(reason: str, *, status: int = 200) -> Reply:
    return _json({"reason": reason, "result": "Fail"}, status=status)


def _info(info: Info) -> Reply:
    return _json(
        {
            "channel_sizes": {str(number): size for number, size in info.waiting.items()},
            "delaying_keys": [f"{key} {due_s}" for key, due_s in info.delayed],
            "working_keys": list(info.working),
            "wronging_keys": list(info.wrong),
        }
    )


def _json(value: Any, *, status: int = 200) -> Reply:
    return Reply(status, compact(value).encode(errors="replace"), _JSON)


def _not_allowed(methods: str) -> Reply:
    return Reply(405, b"", {"Allow": methods})

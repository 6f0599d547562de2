"""The stats site as an ASGI application: the page at StatsPattern, /healthz, /readyz, /scale, nothing else.

What reads Redis runs in a thread and never holds up the event loop; requests that come while the
same answer is being made share it, so five hundred scrapers cost as much as one.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

import goophry
from goophry.stats.counters import Counters, Snapshot
from goophry.stats.metrics import Metrics
from goophry.web import health, overview, scale
from goophry.web.accept import Form, UnknownFormError, chosen
from goophry.web.models import Overview, Plot

PROMETHEUS: Final = Form("prometheus", "text/plain")
JSON: Final = Form("json", "application/json")
OPENMETRICS: Final = Form("openmetrics", "application/openmetrics-text")
HTML: Final = Form("html", "text/html")
FORMS: Final = (PROMETHEUS, JSON, OPENMETRICS, HTML)

SCALE: Final = "/scale"

_CONTENT_TYPES: Final = {
    PROMETHEUS: "text/plain; version=0.0.4; charset=utf-8",
    JSON: "application/json; charset=utf8",  # spelt as the original does
    OPENMETRICS: "application/openmetrics-text; version=1.0.0; charset=utf-8",
    HTML: "text/html; charset=utf-8",
}
_EVERY_REPLY: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff", "vary": "accept"}
_GO_ESCAPES: Final = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}

_log: Final = logging.getLogger(__name__)


def original_json(snapshot: Snapshot) -> bytes:
    """Return the stats as the original gives them, to the byte; TaskCount counts tasks started."""
    value = {
        "Runtime": int(snapshot.uptime_s),
        "TaskCount": {name: counts.started for name, counts in sorted(snapshot.types.items())},
        "Version": goophry.__version__,
    }
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.translate(_GO_ESCAPES).encode(errors="replace")


class Overviews(Protocol):
    """Where the page for people comes from: `board`."""

    def overview(self) -> Overview:
        """Return everything at a glance; never raises."""
        ...

    def recent(self) -> Overview:
        """Return the same, two seconds old at most."""
        ...

    def plot(self, name: str) -> Plot:
        """Return the last hour of a type."""
        ...


class StatsSite:
    """The ASGI application.

    `alive` answers /healthz and `ready` /readyz, `here` tells /scale of this instance's types.
    A StatsPattern that is one of these paths wins.
    """

    def __init__(
        self,
        pattern: str,
        *,
        counters: Counters,
        metrics: Metrics,
        board: Overviews,
        alive: health.Problems,
        ready: health.Problems,
        here: Callable[[], Mapping[str, scale.Here]],
    ) -> None:
        self._counters, self._metrics, self._board = counters, metrics, board
        self._here = here
        self._health = {"/healthz": alive, "/readyz": ready}
        self._pattern = pattern
        self._in_making: dict[object, asyncio.Task[Response]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            response = await self._answer(scope)
        except UnknownFormError as error:
            response = _text(400, str(error))
        except Exception:
            _log.exception("stats request failed", extra={"action": "stats", "path": scope["path"]})
            response = _text(500, "internal error, the log tells more")
        for name, value in _EVERY_REPLY.items():
            response.headers[name] = value
        await response(scope, receive, send)

    async def _answer(self, scope: Scope) -> Response:
        path = _path(scope)
        if path != self._pattern and path not in self._health and path != SCALE:
            return _text(404, "not found")
        if scope["method"] not in ("GET", "HEAD"):
            response = _text(405, "only GET and HEAD")
            response.headers["allow"] = "GET, HEAD"
            return response
        if path == SCALE != self._pattern:
            return await self._shared(SCALE, lambda: scale.answer(self._board.recent(), self._here()))
        forms = FORMS if path == self._pattern else health.FORMS
        form = chosen(forms, query=scope["query_string"].decode("latin-1"), accept=_accept(scope))
        if path == self._pattern:
            return await self._shared(form, lambda: self._stats(form))
        problems = self._health[path]
        return await self._shared((path, form), lambda: health.answer(problems(), form))

    def _stats(self, form: Form) -> Response:
        if form is JSON:
            body = original_json(self._counters.snapshot())
        elif form is OPENMETRICS:
            body = self._metrics.openmetrics()
        elif form is HTML:
            body = self._overview()
        else:
            body = self._metrics.prometheus()
        headers = {"content-type": _CONTENT_TYPES[form]}
        return Response(body, headers=headers | (overview.HEADERS if form is HTML else {}))

    def _overview(self) -> bytes:
        found = self._board.overview()
        return overview.page(found, {row.type: self._board.plot(row.type) for row in found.types})

    async def _shared(self, key: object, make: Callable[[], Response]) -> Response:
        """Return what `make` returns in a thread, or what the call under way for `key` will."""
        task = self._in_making.get(key)
        if task is None:
            task = asyncio.create_task(asyncio.to_thread(make))
            self._in_making[key] = task
            task.add_done_callback(lambda _: self._in_making.pop(key))
        return await asyncio.shield(task)


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    scheme, found, rest = path.partition("://")
    if found and scheme.lower() in ("http", "https"):  # a proxy may send the whole URL
        return "/" + rest.partition("/")[2]
    return path


def _accept(scope: Scope) -> str:
    return ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"accept")


def _text(status: int, text: str) -> Response:
    return Response(f"{text}\n", status, media_type="text/plain")

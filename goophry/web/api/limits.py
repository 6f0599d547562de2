"""Around the whole application: what a request may be, and the headers that every answer has."""

import ipaddress
import logging
from collections.abc import Iterable
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from goophry.web.api.problems import Problem, response

#: Bytes of a body that is no task.
MAX_BODY: Final = 65_536

#: Bytes by which a submission may be longer than the entry that is made of it.
_TASK_MARGIN: Final = 4096

_HEADERS: Final = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
}
_HSTS: Final = "max-age=31536000"
_log: Final = logging.getLogger(__name__)


class Limits:
    """ASGI middleware. With `own_names_only` the Host header must name this machine: DNS can make any name mean it."""

    def __init__(self, app: ASGIApp, *, max_task: int, own_names_only: bool, task_paths: Iterable[str]) -> None:
        """`task_paths` are the beginnings of paths whose bodies may hold a task of `max_task` bytes."""
        self._app = app
        self._max_task = max_task + _TASK_MARGIN
        self._own_names_only = own_names_only
        self._task_paths = tuple(task_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    headers["strict-transport-security"] = _HSTS
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, self._counted(scope, receive), send_with_headers)
        except Problem as problem:
            await response(problem)(scope, receive, send_with_headers)
        except Exception:
            _log.exception("API request failed", extra={"action": "api", "path": scope["path"]})
            if not started:
                await response(Problem(500, "internal error, the log tells more"))(scope, receive, send_with_headers)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if self._own_names_only and not _names_this_machine(headers.get("host", "")):
            raise Problem(403, "expected localhost or an address of this machine in Host; other names need ApiTokens")
        length = headers.get("content-length", "")
        has_body = length not in ("", "0") or "transfer-encoding" in headers
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if has_body and media_type != "application/json":
            raise Problem(415, "expected Content-Type: application/json", headers={"accept": "application/json"})
        if length.isdecimal() and int(length[:20]) > self._limit(scope):
            raise _too_large(self._limit(scope))

    def _limit(self, scope: Scope) -> int:
        return self._max_task if scope["path"].startswith(self._task_paths) else MAX_BODY

    def _counted(self, scope: Scope, receive: Receive) -> Receive:
        limit = left = self._limit(scope)

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                # Of the one kind that FastAPI lets through while it reads a body.
                raise HTTPException(413, f"expected a body of at most {limit} bytes", {"connection": "close"})
            return message

        return counted


def _too_large(limit: int) -> Problem:
    # The rest of the body is not read, so the connection is of no further use.
    return Problem(413, f"expected a body of at most {limit} bytes", headers={"connection": "close"})


def _names_this_machine(host: str) -> bool:
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False

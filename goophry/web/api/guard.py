"""The way of a request to its handler: who asks is known before the body is read."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from goophry.config_api import Role
from goophry.web.api.access import ANYBODY, COOKIE, COOKIE_TLS, Access, Identity
from goophry.web.api.problems import Problem

#: A header that another site's page cannot send without asking first, which is refused.
CSRF_HEADER: Final = "x-goophry"

#: In the OpenAPI document, and here: the role that a route asks for. Without it a route is for everybody.
ROLE: Final = "x-role"

_SAFE: Final = ("GET", "HEAD")
_CHALLENGE: Final = {"www-authenticate": 'Bearer realm="goophry"'}
_log: Final = logging.getLogger(__name__)


class GuardedRoute(APIRoute):
    """A route with a role; `app.state.access` knows who has which."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with the guard before it."""
        handle = super().get_route_handler()
        role: Role | None = (self.openapi_extra or {}).get(ROLE)

        async def guarded(request: Request) -> Response:
            if role is not None:
                request.state.identity = admitted(request, request.app.state.access, needed=role)
            return await handle(request)

        return guarded


def admitted(request: Request, access: Access, *, needed: Role) -> Identity:
    """Return who asks. Raises `Problem` 401 or 403."""
    if access.is_open:
        refuse_other_sites(request, by_cookie=False)
        return ANYBODY
    identity = _identity(request, access)
    if identity is None:
        raise Problem(401, "expected a token: Authorization: Bearer …", headers=_CHALLENGE)
    if identity.by_cookie:
        refuse_other_sites(request, by_cookie=True)
    if not identity.may(needed):
        raise Problem(403, f"this takes the role {needed}, {identity.name} has {identity.role}")
    if request.method not in _SAFE and needed == "operator":
        path = request.scope.get("raw_path", b"").decode("latin-1")  # as sent: nothing in it breaks a line
        about = {"action": "api", "who": identity.name, "method": request.method, "path": path}
        _log.info("%s %s by %s", request.method, path, identity.name, extra=about)
    return identity


def refuse_other_sites(request: Request, *, by_cookie: bool) -> None:
    """Refuse what a page of another site makes a browser ask for. Raises `Problem` 403."""
    headers = request.headers
    origin = headers.get("origin")
    foreign = headers.get("sec-fetch-site", "none") not in ("none", "same-origin") or (
        origin is not None and urlsplit(origin).netloc != headers.get("host", "")
    )
    unsafe = request.method not in _SAFE
    # Programs send none of these headers; browsers send Origin with everything that is unsafe.
    if foreign or (unsafe and (by_cookie or origin is not None) and CSRF_HEADER not in headers):
        raise Problem(403, "this request comes from a page of another site")


def session_cookie(request: Request) -> str:
    """Return the cookie of a login, empty if there is none."""
    return request.cookies.get(COOKIE_TLS if request.url.scheme == "https" else COOKIE, "")


def _identity(request: Request, access: Access) -> Identity | None:
    header = request.headers.get("authorization")
    if header is None:
        cookie = session_cookie(request)
        return access.by_cookie(cookie) if cookie else None
    scheme, _, token = header.partition(" ")
    identity = access.by_token(token.strip()) if scheme.lower() == "bearer" else None
    if identity is None:
        access.note_failure(request.client.host if request.client else "")
    return identity

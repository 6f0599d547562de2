"""Login of a browser: a token is exchanged for a cookie that no script can read."""

from starlette.requests import Request
from starlette.responses import Response

from goophry.web import models
from goophry.web.api.access import COOKIE, COOKIE_TLS, SESSION_S, Access, Identity
from goophry.web.api.answers import answer
from goophry.web.api.guard import refuse_other_sites, session_cookie
from goophry.web.api.problems import Problem


class Sessions:
    """The handlers."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def who(self, request: Request) -> Response:
        """Tell who asks."""
        identity: Identity = request.state.identity
        return answer(models.Session(name=identity.name, role=identity.role, open=self._access.is_open))

    async def login(self, login: models.Login, request: Request) -> Response:
        """Exchange a token for a cookie, which lasts for twelve hours or until the token is changed."""
        refuse_other_sites(request, by_cookie=True)
        identity, cookie = self._access.by_token(login.token), self._access.login(login.token)
        if identity is None or cookie is None:
            self._access.note_failure(request.client.host if request.client else "")
            raise Problem(401, "there is no such token")
        reply = answer(models.Session(name=identity.name, role=identity.role))
        secure = request.url.scheme == "https"
        reply.set_cookie(
            COOKIE_TLS if secure else COOKIE, cookie, max_age=SESSION_S, httponly=True, secure=secure, samesite="strict"
        )
        return reply

    async def logout(self, request: Request) -> Response:
        """Have the cookie count no more."""
        refuse_other_sites(request, by_cookie=True)
        self._access.logout(session_cookie(request))
        reply = Response(status_code=204)
        secure = request.url.scheme == "https"
        reply.delete_cookie(COOKIE_TLS if secure else COOKIE, httponly=True, secure=secure, samesite="strict")
        return reply

"""Who asks, and whether they may. A bearer token, or the cookie that a token was exchanged for at login.

The cookie is `<name>.<end>.<random>.<MAC>`, the MAC made with the token itself: it needs no memory,
survives a restart, serves every instance with the same tokens, and dies with its token.
"""

import base64
import hashlib
import hmac
import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from goophry.clock import Clock
from goophry.config_api import ROLES, ApiToken, Role

#: Name of the cookie. The prefix has browsers keep it to this host; they demand TLS for that.
COOKIE: Final = "goophry_session"
COOKIE_TLS: Final = "__Host-goophry_session"

#: Seconds that a login lasts: a night and a day of duty.
SESSION_S: Final = 12 * 3600

#: Seconds between two lines in the log about wrong tokens.
WARN_S: Final = 60.0

#: Logins that were ended before their time and are remembered as that; the oldest are forgotten first.
MOST_ENDED: Final = 10_000

_PARTS: Final = 4
_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who may do something."""

    name: str
    role: Role
    by_cookie: bool = False
    """Whether a browser said so by itself; then it must also show that its own page asked."""

    def may(self, needed: Role) -> bool:
        """Whether the role allows what `needed` allows."""
        return ROLES.index(self.role) >= ROLES.index(needed)


#: Everybody, where no tokens are configured; then only this machine can connect.
ANYBODY: Final = Identity("anybody", "operator")


class Access:
    """Knows the tokens. Used by the server's thread alone."""

    def __init__(self, tokens: Iterable[ApiToken], *, clock: Clock) -> None:
        self._clock = clock
        self._tokens = {
            token.name: (token.token.get_secret_value().encode(), Identity(token.name, token.role))
            for token in tokens
            if token.token is not None
        }
        self._ended: dict[str, None] = {}
        self._wrong = 0
        self._silent_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether anybody may do anything."""
        return not self._tokens

    def by_token(self, token: str) -> Identity | None:
        """Return whose token it is; every token is compared in full, so the time tells nothing."""
        given = hashlib.sha256(token.encode(errors="surrogateescape")).digest()
        found = None
        for known, identity in self._tokens.values():
            if hmac.compare_digest(hashlib.sha256(known).digest(), given):
                found = identity
        return found

    def login(self, token: str) -> str | None:
        """Return the cookie for the token; None if there is no such token."""
        identity = self.by_token(token)
        if identity is None:
            return None
        name = base64.urlsafe_b64encode(identity.name.encode(errors="surrogateescape")).decode().rstrip("=")
        said = f"{name}.{int(self._clock.now()) + SESSION_S}.{secrets.token_urlsafe(16)}"
        return f"{said}.{self._mac(identity.name, said)}"

    def by_cookie(self, cookie: str) -> Identity | None:
        """Return who logged in; None if the cookie is not ours, has run out or was given back."""
        parts = cookie.split(".")
        if len(parts) != _PARTS or cookie in self._ended or not parts[1].isascii() or not parts[1].isdecimal():
            return None
        try:
            name = base64.urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4)).decode(errors="surrogateescape")
        except ValueError:
            return None
        known = self._tokens.get(name)
        said = cookie.rpartition(".")[0]
        if known is None or not hmac.compare_digest(self._mac(name, said).encode(), parts[3].encode()):
            return None
        if int(parts[1]) <= self._clock.now():
            return None
        return Identity(known[1].name, known[1].role, by_cookie=True)

    def logout(self, cookie: str) -> None:
        """Have the cookie count no more. Those that are not ours leave no trace."""
        if self.by_cookie(cookie) is None:
            return
        self._ended[cookie] = None
        while len(self._ended) > MOST_ENDED:
            del self._ended[next(iter(self._ended))]

    def note_failure(self, address: str) -> None:
        """Tell of a wrong token, now and then: a token cannot be guessed, but somebody may have mistyped one."""
        self._wrong += 1
        now = self._clock.monotonic()
        if now < self._silent_until:
            return
        _log.warning("Wrong token for the API", extra={"action": "token", "address": address, "count": self._wrong})
        self._wrong, self._silent_until = 0, now + WARN_S

    def _mac(self, name: str, said: str) -> str:
        return hmac.new(self._tokens[name][0], f"goophry session {said}".encode(), hashlib.sha256).hexdigest()

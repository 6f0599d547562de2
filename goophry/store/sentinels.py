"""Finding the master of a replicated set by asking its sentinels.

Every connection asks anew, so after a failover all that is needed is to connect again. A server
is used only if it says itself that it is a master: for some seconds after a failover sentinels may
still name the old one, and the old one may come back as a replica.
"""

import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from redis.exceptions import RedisError

from goophry.config import Settings
from goophry.config_address import Sentinels
from goophry.errors import StoreUnavailable
from goophry.store.connecting import Connection, Endpoint, places

#: Seconds that a sentinel may take to answer; the next one is asked then.
SENTINEL_TIMEOUT_S: Final = 1.0

#: Seconds for which an answer serves others too: a thousand types that lost their connections ask once.
ANSWER_SERVES_S: Final = 0.5


class SentinelRoute:
    """The way to whichever server the sentinels name as the master. Thread-safe."""

    def __init__(self, sentinels: Sentinels, settings: Settings, *, login: Mapping[str, Any]) -> None:
        self._name = sentinels.master
        self._place = places(settings, tls=sentinels.tls)
        self._login = {**login, "db": settings.redis_db or sentinels.database or 0}
        password = settings.redis_sentinel_password
        self._sentinel_login = {
            "username": settings.redis_sentinel_username,
            "password": password.get_secret_value() if password else None,
        }
        # The one that answered last is asked first.
        self._sentinels = deque(self._place(host, port) for host, port in sentinels.hosts)
        self._answer: Endpoint | str = ""
        """Where the master is, or why that is not known."""
        self._answer_ends_at = 0.0
        self._lock = threading.Lock()

    def connect(self, *, timeout_s: float) -> tuple[Connection, Endpoint]:
        """See `Route.connect`."""
        endpoint = self._master()
        try:
            return endpoint.connect(timeout_s=timeout_s, **self._login), endpoint
        except (RedisError, OSError):
            self._forget(endpoint)
            raise

    def greeted(self, endpoint: Endpoint, *, role: str) -> None:
        """See `Route.greeted`: only a master will do."""
        if role != "master":
            self._forget(endpoint)
            raise StoreUnavailable(
                f"the sentinels name {endpoint.name} as the master {self._name}, which says it is a {role or 'nobody'}"
            )

    def leads_to(self, endpoint: Endpoint) -> bool:
        """See `Route.leads_to`: what the sentinels say; while none answers, nothing has changed."""
        try:
            return self._master() == endpoint
        except StoreUnavailable:
            return True

    def _master(self) -> Endpoint:
        """Return where the master is, as the first sentinel says that knows it."""
        with self._lock:
            if time.monotonic() >= self._answer_ends_at:
                self._answer = self._ask_all()
                self._answer_ends_at = time.monotonic() + ANSWER_SERVES_S
            answer = self._answer
        if isinstance(answer, str):
            raise StoreUnavailable(answer)
        return answer

    def _ask_all(self) -> Endpoint | str:
        troubles = []
        for sentinel in list(self._sentinels):
            try:
                answer = self._ask(sentinel)
            except (RedisError, OSError) as error:
                troubles.append(f"{sentinel.name}: {error}")
            else:
                if answer is not None:
                    return answer
                troubles.append(f"{sentinel.name}: does not know it")
            self._sentinels.rotate(-1)
        return f"no sentinel tells where the master {self._name} is: {'; '.join(troubles)}"

    def _ask(self, sentinel: Endpoint) -> Endpoint | None:
        connection = sentinel.connect(
            timeout_s=SENTINEL_TIMEOUT_S, socket_connect_timeout=SENTINEL_TIMEOUT_S, **self._sentinel_login
        )
        try:
            connection.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._name)
            answer = connection.read_response()
        finally:
            connection.disconnect()
        if answer is None:
            return None
        host, port = answer
        return self._place(host.decode(), int(port))

    def _forget(self, endpoint: Endpoint) -> None:
        """Have the sentinels asked anew, if they still say this."""
        with self._lock:
            if self._answer == endpoint:
                self._answer_ends_at = 0.0

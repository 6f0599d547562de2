"""Telling systemd how it stands with goophry, where a unit of Type=notify asks for that (sd_notify(3)).

One datagram for each piece of news; without a NOTIFY_SOCKET in the environment nothing is sent.
"""

import logging
import socket
import time
from collections.abc import MutableMapping
from typing import Final

_SOCKET: Final = "NOTIFY_SOCKET"
_WATCHDOG: Final = ("WATCHDOG_USEC", "WATCHDOG_PID")

_log = logging.getLogger(__name__)


class ServiceManager:
    """Whoever started goophry and wants to know of it."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        """Take what systemd wrote out of `environ`: scripts are not to speak for goophry."""
        self._address = environ.pop(_SOCKET, "")
        watched = [environ.pop(name, "") for name in _WATCHDOG]
        self._watched = bool(watched[0])

    def ready(self) -> None:
        """Say that the start, or a reload, is complete."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """Say that the configuration is being read again; `ready` ends that."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that goophry is about to end by itself; the watchdog does not count from then on."""
        self._watched = False
        self._tell("STOPPING=1")

    def well(self) -> None:
        """Say that goophry is well, if a watchdog wants to know."""
        if self._watched:
            self._tell("WATCHDOG=1")

    def _tell(self, news: str) -> None:
        if not self._address:
            return
        # The name of an abstract socket begins with @ there, and with NUL for the kernel.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.sendto(news.encode(), address)
        except OSError as error:
            _log.warning(
                "systemd cannot be told: %s", error, extra={"action": "notify", "news": news.split("\n", maxsplit=1)[0]}
            )

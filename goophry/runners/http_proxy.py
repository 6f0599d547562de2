"""Asking through a proxy, if the type names one. What the environment names is not for goophry."""

import http.client

from goophry.runners.http_exchange import NoAnswer, reason_of
from goophry.runners.http_request import basic
from goophry.runners.patience import Patience
from goophry.runners.stream import Stream
from goophry.urls import DEFAULT_PORTS, Url

_OPEN = 200


def open_tunnel(stream: Stream, url: Url, proxy: Url, patience: Patience) -> None:
    """Have the proxy at the other end of `stream` connect it with the host of `url`. Raises `NoAnswer` and `RunEnded`."""
    patience.doing = f"asking the proxy for {url.host}"
    host = url.authority if url.port != DEFAULT_PORTS[url.scheme] else f"{url.authority}:{url.port}"
    lines = [f"CONNECT {host} HTTP/1.1", f"Host: {host}"]
    if proxy.user is not None:
        lines.append(f"Proxy-Authorization: {basic(proxy.user)}")
    try:
        stream.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = http.client.HTTPResponse(stream, method="CONNECT")  # type: ignore[arg-type] # it asks for its file only
        answer.begin()
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswer(f"the proxy: {reason_of(error)}") from error
    if answer.status != _OPEN:
        raise NoAnswer(f"the proxy has answered with status {answer.status}")

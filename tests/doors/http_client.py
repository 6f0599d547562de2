"""A client that sends what it is told and understands as little as possible."""

import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    status: int
    reason: str
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


def send(address: str, request: bytes, *, timeout_s: float = 30) -> Answer:
    """Send raw bytes over a connection of their own and read one answer."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=timeout_s) as client:
        client.sendall(request)
        return read_answer(client)


def ask(
    address: str, method: str, path: str, body: bytes | str = b"", *, content_type: str = "", **headers: str
) -> Answer:
    body = body.encode() if isinstance(body, str) else body
    lines = [f"{method} {path} HTTP/1.1", f"Host: {address}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    if body or method in {"POST", "PUT"}:
        lines.append(f"Content-Length: {len(body)}")
    return send(address, "\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def read_answer(client: socket.socket) -> Answer:
    received = b""
    while b"\r\n\r\n" not in received:
        some = client.recv(65536)
        assert some, received
        received += some
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    length = int({name.lower(): value for name, value in headers.items()}.get("content-length", 0))
    while len(body) < length:
        some = client.recv(65536)
        assert some, (head, body)
        body += some
    _, status, reason = first.split(" ", 2)
    return Answer(int(status), reason, headers, body)

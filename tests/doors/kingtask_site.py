"""What clients of kingtask find: programs under BinPath, a goophry, and a server to make requests to."""

import gzip
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

EXAMPLE = """
if [ $# != 2 ]; then printf 'args count must be two' >&2; exit 0; fi
printf '%d' $(($1 + $2))
"""

PROGRAMS = {
    "example": EXAMPLE,
    "odd": r"""printf '<\303\251&\344\270\255>"\\\t\001\b\f\177\342\202\342\200\250x \r\n\n'""",
    "fail": "echo out; echo err >&2; exit 3",
    "kill": "kill -SEGV $$",
    "complain": "echo out; printf '  bad \\n\\n' >&2",
    "blank-complaint": "echo >&2",
    "quiet": ":",
    "args": 'for arg; do printf "[%s]" "$arg"; done',
    "nap": "sleep 600 & sleep 600",
    "leave": "sleep 30 & echo done",
    "sub/tool": "echo sub",
}


def make_programs(folder: Path) -> Path:
    """Write the programs, and a few things that are none."""
    for name, body in PROGRAMS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    (folder / "not-executable").write_text("#!/bin/sh\n")
    (folder / "no-shebang").write_text("echo x\n")
    (folder / "no-shebang").chmod(0o755)
    (folder / "dangling").symlink_to(folder / "nowhere")
    (folder / "linked").symlink_to(folder / "sub" / "tool")
    return folder


class Target:
    """A server that rpc tasks may ask; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        target = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                target.asked.append((self.command, self.path, dict(self.headers), body))
                status, headers, answer = _answer_to(self.path, body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _answer_to(path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    name, _, number = path.lstrip("/").partition("/")
    if name == "sum":
        import json  # noqa: PLC0415

        return 200, {}, str(sum(json.loads(body).values())).encode()
    if name == "status":
        return int(number), {}, b"" if number == "204" else b"body\n"
    if name == "hops" and int(number):
        return 307, {"Location": f"/hops/{int(number) - 1}"}, b"on"
    if name == "see":
        return 303, {"Location": "/echo"}, b""
    if name == "gzip":
        return 200, {"Content-Encoding": "gzip"}, gzip.compress(b"unpacked")
    return 200, {}, b"end\n"


Start = Callable[..., Any]

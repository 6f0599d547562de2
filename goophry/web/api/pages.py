"""The dashboard's own files, as they are in the package: no build step, nothing from elsewhere."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

FOLDER: Final = Path(__file__).parent.parent / "static"

_MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def routes() -> Iterator[BaseRoute]:
    """Yield a route for every file; the files are read now, and never looked for by a name from outside."""
    for path in sorted(FOLDER.iterdir()):
        where = "/" if path.name == "index.html" else f"/static/{path.name}"
        yield Route(where, _File(path).answer, methods=["GET"])


class _File:
    """Answers with one file."""

    def __init__(self, path: Path) -> None:
        self._content = path.read_bytes()
        # It may be kept, but whether it still is the newest is asked each time: an upgrade shows at once.
        tag = f'"{hashlib.sha256(self._content).hexdigest()[:32]}"'
        self._headers = {"content-type": _MEDIA_TYPES[path.suffix], "cache-control": "no-cache", "etag": tag}

    async def answer(self, request: Request) -> Response:
        """Answer."""
        if request.headers.get("if-none-match") == self._headers["etag"]:
            return Response(status_code=304, headers=self._headers)
        return Response(self._content, headers=self._headers)

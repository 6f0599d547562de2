"""The forms of Coyotes' answers: an envelope with HTTP status 200 whatever happened, and Go's own pages for the rest."""

import html
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from goophry import __version__
from goophry.doors import gojson
from goophry.doors.base import Reply

_JSON: Final = {"Content-Type": "application/json; charset=utf-8"}
_HTML: Final = {"Content-Type": "text/html; charset=utf-8"}

NOT_FOUND: Final = Reply(
    404, b"404 page not found\n", {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
)

#: Characters that Go leaves as they are in a path.
_PATH_SAFE: Final = "/$&+,:;=@!'()*~"


@dataclass(frozen=True, slots=True)
class Summary:
    """What the home page tells. The counts are those of this process."""

    started_s: float
    run: int
    succeeded: int
    failed: int
    channels: int


def success(data: Any = None, *, message: str = "ok") -> Reply:
    """Return the answer of what was done."""
    return Reply(200, gojson.dump({"status_code": 200, "message": message, "data": data}), _JSON)


def failure(message: str) -> Reply:
    """Return the answer of what was not done."""
    return Reply(200, gojson.dump({"status_code": 500, "message": message, "data": None}), _JSON)


def moved(path: str, query: bytes, *, with_page: bool) -> Reply:
    """Return the way to the path as it should be written."""
    location = quote(path, safe=_PATH_SAFE, errors="surrogateescape") + (f"?{query.decode('latin-1')}" if query else "")
    if not with_page:
        return Reply(301, b"", {"Location": location})
    page = f'<a href="{html.escape(location)}">Moved Permanently</a>.\n\n'
    return Reply(301, page.encode("latin-1"), {**_HTML, "Location": location})


def home(summary: Summary) -> Reply:
    """Return the home page."""
    started = datetime.fromtimestamp(summary.started_s).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    rows = {
        "启动时间": started,
        "失败任务数": summary.failed,
        "已执行任务数": summary.run,
        "成功任务数": summary.succeeded,
        "版本": f"v1.0(Build goophry-{__version__})",
        "队列数目": summary.channels,
    }
    page = _PAGE.format(rows="\n".join(_row(name, rows[name]) for name in _in_order(rows)))
    return Reply(200, page.encode(), _HTML)


def _in_order(names: Iterable[str]) -> list[str]:
    return sorted(names, key=str.encode)


def _row(name: str, value: object) -> str:
    return f"<tr><td>{name}</td><td>{html.escape(str(value))}</td></tr>"


_PAGE: Final = """<!DOCTYPE html>
<html>
<head><meta charset="utf-8"><title>Coyotes</title></head>
<body>
<pre>
   ___                  _
  / __\\___  _   _  ___ | |_ ___  ___
 / /  / _ \\| | | |/ _ \\| __/ _ \\/ __|
/ /__| (_) | |_| | (_) | ||  __/\\__ \\
\\____/\\___/ \\__, |\\___/ \\__\\___||___/
            |___/
</pre>
<table border="1">
{rows}
</table>
</body>
</html>
"""

"""/healthz and /readyz: two questions of whoever watches over goophry."""

import json
from collections.abc import Callable, Sequence
from typing import Final

from starlette.responses import Response

from goophry.web.accept import Form

Problems = Callable[[], Sequence[str]]
"""Returns a sentence for each thing that is wrong now, nothing if all is well; takes 2 s at most."""

TEXT: Final = Form("text", "text/plain")
JSON: Final = Form("json", "application/json")
FORMS: Final = (TEXT, JSON)


def answer(problems: Sequence[str], form: Form) -> Response:
    """Return 200 and `ok`, or 503 and a line for each problem."""
    status = 503 if problems else 200
    if form is JSON:
        value = {"status": "problems" if problems else "ok", "problems": list(problems)}
        return Response(json.dumps(value) + "\n", status, media_type=JSON.media_type)
    text = "\n".join(problems) or "ok"
    return Response(f"{text}\n".encode(errors="replace"), status, media_type=TEXT.media_type)

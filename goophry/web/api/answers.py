"""What all handlers do: call what blocks in a thread, write JSON, wait for one of two things."""

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

_T = TypeVar("_T")

JSON: Final = "application/json"


async def in_thread(call: Callable[..., _T], *args: Any) -> _T:
    """Return what `call` returns, called in a thread of the server's: whatever talks to Redis blocks."""
    return await asyncio.get_running_loop().run_in_executor(None, call, *args)


def answer(body: BaseModel | Sequence[BaseModel], status: int = 200) -> Response:
    """Return the body as JSON."""
    value = (
        body.model_dump(mode="json", by_alias=True)
        if isinstance(body, BaseModel)
        else [each.model_dump(mode="json", by_alias=True) for each in body]
    )
    return Response(dumped(value), status, media_type=JSON)


#: What stands for a byte that was not UTF-8, or for half of a character.
_NO_CHARACTER: Final = re.compile("[\ud800-\udfff]")


def dumped(value: Any) -> bytes:
    """Write JSON, compact, in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def shown(text: str) -> str:
    """Return text that UTF-8 can carry: bytes that were not UTF-8, and halves of characters, become U+FFFD."""
    return _NO_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", text)


async def gone(request: Request) -> None:
    """Return when the client has left. The body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass

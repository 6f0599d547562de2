"""Parameters in a body: urlencoded or multipart, and nothing else."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from goophry.doors.gojson import text_of

#: Longest urlencoded body; a longer one counts as empty.
MOST_URLENCODED: Final = 10 * 1024 * 1024

Form = Mapping[str, list[str]]

_PARAMETER: Final = re.compile(rb';[ \t]*([^\s=;"]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]*))', re.DOTALL)
_PERCENT: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ESCAPED: Final = re.compile(rb"\\(.)", re.DOTALL)
#: What may stand between a boundary and the end of its line.
_BLANKS: Final = b" \t"


def read_form(content_type: str, body: bytes | None) -> Form:
    """Return the values by name, in their order; nothing at all for a body that cannot be read."""
    raw = content_type.encode("latin-1", "replace")
    media_type = raw.partition(b";")[0].strip().lower()
    pairs: Iterable[tuple[bytes, bytes]] = ()
    if body is None:
        return {}
    if media_type == b"application/x-www-form-urlencoded" and len(body) <= MOST_URLENCODED:
        pairs = _urlencoded(body)
    elif media_type == b"multipart/form-data":
        pairs = _multipart(body, _parameters(raw).get(b"boundary", b"")) or []
    form: dict[str, list[str]] = {}
    for name, value in pairs:
        form.setdefault(text_of(name), []).append(text_of(value))
    return form


def first(form: Form, name: str) -> str:
    """Return the first value of a name; empty if there is none."""
    return form.get(name, [""])[0]


def _urlencoded(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    for pair in body.split(b"&"):
        if not pair or b";" in pair or _PERCENT.search(pair):
            continue
        name, _, value = pair.replace(b"+", b" ").partition(b"=")
        yield unquote_to_bytes(name), unquote_to_bytes(value)


def _multipart(body: bytes, boundary: bytes) -> list[tuple[bytes, bytes]] | None:
    """Return the text parts; None if the body does not come to its end as it should."""
    if not boundary:
        return None
    mark = b"--" + boundary
    # The first one may stand at the very beginning, where no line break is before it.
    _, *parts = (b"\r\n" + body).split(b"\r\n" + mark)
    pairs: list[tuple[bytes, bytes]] = []
    for part in parts:
        if part.startswith(b"--"):
            return pairs
        head, found, content = part.lstrip(_BLANKS).removeprefix(b"\r\n").partition(b"\r\n\r\n")
        if not found or not part.lstrip(_BLANKS).startswith(b"\r\n"):
            return None
        name = _name_of(head)
        if name is not None:
            pairs.append((name, content))
    return None


def _name_of(head: bytes) -> bytes | None:
    """Return the name of a text part; None for a file, and for a part without a name."""
    for line in re.sub(rb"\r\n[ \t]+", b" ", head).split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.strip().lower() == b"content-disposition":
            given = _parameters(value)
            is_text = value.strip().lower().startswith(b"form-data") and b"filename" not in given
            return given.get(b"name") or None if is_text else None
    return None


def _parameters(value: bytes) -> dict[bytes, bytes]:
    given: dict[bytes, bytes] = {}
    for name, quoted, plain in _PARAMETER.findall(value):
        given.setdefault(name.lower(), _ESCAPED.sub(rb"\1", quoted) or plain)
    return given
